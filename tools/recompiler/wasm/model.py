"""A module as its index spaces: what the reader gives and the merger takes. Nothing here reads or writes bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

# Index spaces. The first five are also the kinds of imports and exports.
FUNC: Final = 0
TABLE: Final = 1
MEMORY: Final = 2
GLOBAL: Final = 3
TAG: Final = 4
TYPE: Final = 5
DATA: Final = 6
ELEMENT: Final = 7
# Sites that are encoded in another way than as a u32 (a type as s33, a memory inside a memarg), or say more.
TYPE_S33: Final = 8
MEMARG: Final = 9
TABLE_BOUNDS: Final = 10  # a table, named by an instruction that can tell its size
FUNC_REF: Final = 11  # a function, named as a value
SPACE_OF: Final = {
    TYPE_S33: TYPE,
    MEMARG: MEMORY,
    TABLE_BOUNDS: TABLE,
    FUNC_REF: FUNC,
    **{space: space for space in range(8)},
}

KINDS: Final = (FUNC, TABLE, MEMORY, GLOBAL, TAG)
# An index that code names: where it stands (start, end), its space, its value.
Site = tuple[int, int, int, int]
# A value type: its byte, or for `(ref null? HEAP)` that byte and the heap type, a type index when it is not negative.
ValueType = int | tuple[int, int]

I32: Final = 0x7F
I64: Final = 0x7E
F32: Final = 0x7D
F64: Final = 0x7C
V128: Final = 0x7B
FUNCREF: Final = 0x70
REF: Final = 0x64
REF_NULL: Final = 0x63
ABSTRACT: Final = (0x70, 0x6F, 0x69)  # funcref, externref, exnref
VOID: Final = 0x40  # the type of a block without parameters and results
VALUE_TYPES: Final = frozenset((I32, I64, F32, F64, V128, *ABSTRACT))

HAS_MAXIMUM: Final = 1
IS_64: Final = 4
HAS_PAGE_SIZE: Final = 8


@dataclass(frozen=True, slots=True)
class FuncType:
    """A function's type."""

    params: tuple[ValueType, ...]
    results: tuple[ValueType, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """The size of a memory (pages) or table (elements); page is the log2 of a page size that is not 64 KiB."""

    flags: int
    minimum: int
    maximum: int | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class TableType:
    """A table's type."""

    element: ValueType
    limits: Limits


@dataclass(frozen=True, slots=True)
class GlobalType:
    """A global's type."""

    value: ValueType
    mutable: bool


@dataclass(frozen=True, slots=True)
class Code:
    """Instructions (of a body with its locals before them, of a constant expression) in the module's bytes."""

    start: int
    end: int
    sites: tuple[Site, ...]


@dataclass(frozen=True, slots=True)
class Import:
    """An import; type is that of its kind, for functions and tags a type index."""

    module: bytes
    name: bytes
    kind: int
    type: int | TableType | Limits | GlobalType


@dataclass(frozen=True, slots=True)
class Export:
    """An export."""

    name: bytes
    kind: int
    index: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the expression it is filled with, if it has one."""

    type: TableType
    init: Code | None


@dataclass(frozen=True, slots=True)
class Global:
    """A global and its first value."""

    type: GlobalType
    init: Code


@dataclass(frozen=True, slots=True)
class Element:
    """An element segment: functions, or expressions; offset and table only when it is active."""

    type: ValueType
    functions: tuple[int, ...]
    expressions: tuple[Code, ...]
    table: int = 0
    offset: Code | None = None
    declarative: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """A data segment; offset and memory only when it is active."""

    start: int
    end: int
    memory: int = 0
    offset: Code | None = None


@dataclass
class Module:
    """A module's index spaces; functions are the type indices of the defined ones, bodies their code.

    What is cached may be asked for when the reader is done.
    """

    data: bytes
    types: list[FuncType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    memories: list[Limits] = field(default_factory=list)
    globals: list[Global] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    start: int | None = None
    elements: list[Element] = field(default_factory=list)
    segments: list[Data] = field(default_factory=list)
    bodies: list[Code] = field(default_factory=list)
    custom: list[tuple[bytes, int, int]] = field(default_factory=list)  # name, and where its contents start and end

    @cached_property
    def _imported(self) -> Counter[int]:
        return Counter(each.kind for each in self.imports)

    @cached_property
    def _function_types(self) -> list[int]:
        imported = [each.type for each in self.imports if isinstance(each.type, int) and each.kind == FUNC]
        return imported + self.functions

    @cached_property
    def _exported(self) -> dict[tuple[bytes, int], int]:
        return {(each.name, each.kind): each.index for each in self.exports}

    def imported(self, kind: int) -> int:
        """How many imports of this kind stand before the defined ones."""
        return self._imported[kind]

    def function_type(self, index: int) -> FuncType:
        """The type of a function by its index; the reader has checked both."""
        return self.types[self._function_types[index]]

    def exported(self, name: bytes, kind: int) -> int | None:
        """The index of what is exported under this name, if it is of this kind."""
        return self._exported.get((name, kind))
