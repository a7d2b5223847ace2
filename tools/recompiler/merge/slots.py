"""Programs' memories, tables, globals and tags in, the fewest that serve them all out.

An instance of the merged module is one process and runs one program (docs/merge.md), so programs can use one memory in
turn: the entry of a program gives it the size and contents that the program expects. The same goes for tables, tags
and mutable globals. Code that touches only what is shared is then the same in each program, and is kept once.

What is large stays apart, with its contents in active segments: the engine maps these copy-on-write, where the entry
would copy them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import HAS_MAXIMUM, IS_64, MEMORY, TABLE, Code, Limits, Module, TableType
from recompiler.wasm.opcodes import BY_NAME
from recompiler.wasm.rewriter import Linked

T = TypeVar("T")
PAGE: Final = 16  # log2 of a memory's page
_SHARED: Final = "shared"
_NEVER: Final = -(1 << 64)  # less than any sum of sizes can make up for


@dataclass(frozen=True, slots=True)
class Layout:
    """How state is laid out; the defaults are what measured best (docs/merge.md).

    share: programs have memories, tables, globals and tags in common. copy_limit: memories with more initial bytes
    than this, and tables with more than that in elements of element_size, stay apart.
    """

    share: bool = True
    copy_limit: int = 128 << 10
    element_size: int = 16


@dataclass(slots=True)
class Slots(Generic[T]):
    """One index space of the merged module: imports first, then whatever is claimed under new keys."""

    imports: int = 0
    rows: list[T] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    _index: dict[Hashable, int] = field(default_factory=dict)

    def claim(self, key: Hashable, row: T) -> int:
        """The index of what has this key; it is row when the key is new."""
        if key not in self._index:
            self._index[key] = len(self.rows)
            self.rows.append(row)
            self.users.append(0)
        self.users[self._index[key]] += 1
        return self.imports + self._index[key]

    def add(self, row: T) -> int:
        """The index of one more that has no key."""
        return self.claim(object(), row)


@dataclass(slots=True)
class Claims:
    """One program's claims: the n-th thing of a kind takes the n-th slot that is shared by programs of that kind."""

    program: int
    layout: Layout
    _taken: Counter[Hashable] = field(default_factory=Counter)

    def key(self, kind: Hashable, *, apart: bool = False) -> Hashable:
        """The key of this program's next thing of the kind, one of its own when it has to stay apart."""
        self._taken[kind] += 1
        own = apart or not self.layout.share
        return (self.program if own else _SHARED), kind, self._taken[kind]


def memory(slots: Slots[Limits], claims: Claims, limits: Limits, *, apart: bool) -> int:
    """The index of a memory for this one; a shared memory is as small as its smallest user."""
    kind = "memory", limits.flags, limits.maximum, limits.page
    index = slots.claim(claims.key(kind, apart=apart), limits)
    row = slots.rows[index - slots.imports]
    slots.rows[index - slots.imports] = replace(row, minimum=min(row.minimum, limits.minimum))
    return index


TableRow = tuple[TableType, Linked | None]


def table(slots: Slots[TableRow], claims: Claims, type_: TableType, init: Linked | None, *, apart: bool) -> int:
    """The index of a table for this one; a shared table never changes its size, and is as large as its largest user."""
    size = type_.limits
    if apart:
        return slots.add((type_, init))
    index = slots.claim(claims.key(("table", type_.element, size.flags & IS_64)), (type_, None))
    largest = max(slots.rows[index - slots.imports][0].limits.minimum, size.minimum)
    shared = Limits(size.flags & IS_64 | HAS_MAXIMUM, largest, largest)
    slots.rows[index - slots.imports] = TableType(type_.element, shared), None
    return index


def constant(data: bytes, code: Code | None) -> int | None:
    """The number that an offset is, when it is nothing but `i32.const` or `i64.const` of one that is not negative."""
    if code is None:
        return None
    cursor = Cursor(data, code.start, code.end)
    width = {BY_NAME["i32.const"].code[0]: cursor.s32, BY_NAME["i64.const"].code[0]: cursor.s64}.get(cursor.byte())
    value = width() if width else -1
    return value if value >= 0 and cursor.at == code.end - 1 else None


def large_memories(module: Module, limit: int) -> set[int]:
    """Defined memories (from 0) whose active segments have more than limit bytes and certainly fit."""
    imported = module.imported(MEMORY)
    ends = [limits.minimum << (PAGE if limits.page is None else limits.page) for limits in module.memories]
    total: Counter[int] = Counter()
    for segment in module.segments:
        if segment.offset is None or segment.memory < imported:
            continue
        number, offset = segment.memory - imported, constant(module.data, segment.offset)
        fits = offset is not None and offset + segment.end - segment.start <= ends[number]
        total[number] += segment.end - segment.start if fits else _NEVER
    return {number for number, size in total.items() if size > limit}


def _elements(module: Module) -> Counter[int]:
    """Elements in active segments by defined table (from 0); less than 0 when they may not fit."""
    imported = module.imported(TABLE)
    total: Counter[int] = Counter()
    for segment in module.elements:
        if segment.offset is None or segment.table < imported:
            continue
        number, offset = segment.table - imported, constant(module.data, segment.offset)
        length = len(segment.functions) + len(segment.expressions)
        fits = offset is not None and offset + length <= module.tables[number].type.limits.minimum
        total[number] += length if fits else _NEVER
    return total


def large_tables(module: Module, limit: int) -> set[int]:
    """Defined tables (from 0) whose active segments have more than limit elements and certainly fit."""
    return {number for number, size in _elements(module).items() if size > limit}


def odd_tables(module: Module) -> set[int]:
    """Defined tables (from 0) with an active segment that may not fit: in a larger table it would."""
    return {number for number, size in _elements(module).items() if size < 0}
