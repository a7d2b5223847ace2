"""Programs one by one in, the index spaces of the merged module out; each program learns its new indices (maps)."""

from __future__ import annotations

from collections import Counter
from typing import Final

from recompiler.errors import Error
from recompiler.merge import slots
from recompiler.merge.program import Program
from recompiler.merge.slots import Claims, Layout, Slots
from recompiler.wasm import leb, model, writer
from recompiler.wasm.model import (
    DATA,
    ELEMENT,
    FUNC,
    GLOBAL,
    KINDS,
    MEMORY,
    TABLE,
    TAG,
    TYPE,
    Element,
    FuncType,
    GlobalType,
    Limits,
    TableType,
    ValueType,
)
from recompiler.wasm.opcodes import BY_NAME, END
from recompiler.wasm.rewriter import Linked

_ZERO: Final[dict[ValueType, bytes]] = {
    model.I32: BY_NAME["i32.const"].code + b"\0",
    model.I64: BY_NAME["i64.const"].code + b"\0",
    model.F32: BY_NAME["f32.const"].code + bytes(4),
    model.F64: BY_NAME["f64.const"].code + bytes(8),
    model.V128: BY_NAME["v128.const"].code + bytes(16),
}
# Element segments: a segment is one of functions or (4) of expressions.
_PASSIVE, _TABLE, _DECLARATIVE, _EXPRESSIONS = 1, 2, 3, 4
_PASSIVE_DATA, _ACTIVE_DATA = 1, 2


def zero(type_: ValueType) -> Linked:
    """The expression of a type's first value."""
    code = _ZERO.get(type_)
    if code is None:
        heap = leb.s64(type_[1]) if isinstance(type_, tuple) else bytes((type_,))
        code = BY_NAME["ref.null"].code + heap
    return Linked((code + bytes((END,)),))


class Spaces:
    """The index spaces of the merged module, all but functions."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.types: Slots[FuncType] = Slots()
        self.imports: dict[bytes, int] = {}  # the import as it is written -> its index among those of its kind
        self.imported = dict.fromkeys(KINDS, 0)
        self.tables: Slots[tuple[TableType, Linked | None]] = Slots()
        self.memories: Slots[Limits] = Slots()
        self.globals: Slots[tuple[GlobalType, Linked]] = Slots()
        self.tags: Slots[int] = Slots()
        self.elements: Slots[Linked] = Slots()
        self.segments: Slots[bytes] = Slots()
        self._first_values: dict[int, set[Linked]] = {}

    def type(self, type_: FuncType) -> int:
        """The index of a function type."""
        return self.types.claim(type_, type_)

    def add_types(self, each: Program) -> None:
        """Types; equal ones are one."""

        def side(types: tuple[ValueType, ...], number: int) -> tuple[ValueType, ...]:
            return tuple(self._value(each, type_, number) for type_ in types)

        for number, signature in enumerate(each.module.types):
            new = FuncType(side(signature.params, number), side(signature.results, number))
            each.maps[TYPE].append(self.type(new))

    def _value(self, each: Program, type_: ValueType, number: int = -1) -> ValueType:
        if isinstance(type_, int) or type_[1] < 0:
            return type_
        if type_[1] == number:
            return type_[0], writer.SELF
        if type_[1] >= len(each.maps[TYPE]):
            raise Error("E_WASM_INVALID", f"{each.name}: a type names a later one")
        return type_[0], each.maps[TYPE][type_[1]]

    def _table_type(self, each: Program, type_: TableType) -> TableType:
        return TableType(self._value(each, type_.element), type_.limits)

    def _global_type(self, each: Program, type_: GlobalType) -> GlobalType:
        return GlobalType(self._value(each, type_.value), type_.mutable)

    def add_imports(self, each: Program) -> None:
        """Imports; those of one name and type are one."""
        for row in each.module.imports:
            if isinstance(row.type, TableType):
                type_ = writer.table_type(self._table_type(each, row.type))
            elif isinstance(row.type, GlobalType):
                type_ = writer.global_type(self._global_type(each, row.type))
            elif isinstance(row.type, Limits):
                type_ = writer.limits(row.type)
            else:
                type_ = (b"\0" if row.kind == TAG else b"") + leb.u32(each.maps[TYPE][row.type])
            code = writer.name(row.module) + writer.name(row.name) + bytes((row.kind,)) + type_
            if code not in self.imports:
                self.imports[code] = self.imported[row.kind]
                self.imported[row.kind] += 1
            each.maps[row.kind].append(self.imports[code])

    def end_imports(self) -> None:
        """Every program's imports are in: what follows is defined."""
        self.tables.imports = self.imported[TABLE]
        self.memories.imports = self.imported[MEMORY]
        self.globals.imports = self.imported[GLOBAL]
        self.tags.imports = self.imported[TAG]

    def add_state(self, each: Program, number: int) -> None:
        """Memories, tables, tags and globals: the program's share of what there is, or more of it."""
        claims, limit = Claims(number, self.layout), self.layout.copy_limit
        module = each.module
        large = slots.large_memories(module, limit)
        each.mapped[MEMORY] = {module.imported(MEMORY) + index for index in large}
        for index, limits in enumerate(module.memories):
            each.maps[MEMORY].append(slots.memory(self.memories, claims, limits, apart=index in large))

        first = module.imported(TABLE)
        large = slots.large_tables(module, limit // self.layout.element_size)
        each.mapped[TABLE] = {first + index for index in large}
        bounded = {index - first for index in each.named_in_code(model.TABLE_BOUNDS)} | slots.odd_tables(module)
        for index, table in enumerate(module.tables):
            type_ = self._table_type(each, table.type)
            init = each.link(table.init) if table.init else None
            apart = bool(init) or index in bounded or index in large
            each.maps[TABLE].append(slots.table(self.tables, claims, type_, init, apart=apart))

        for tag in module.tags:
            type_index = each.maps[TYPE][tag]
            each.maps[TAG].append(self.tags.claim(claims.key(("tag", type_index)), type_index))
        for variable in module.globals:
            init = each.link(variable.init)
            each.maps[GLOBAL].append(self._global(each, claims, self._global_type(each, variable.type), init))

    def _global(self, each: Program, claims: Claims, type_: GlobalType, init: Linked) -> int:
        if not type_.mutable:
            return self.globals.add((type_, init)) if init.functions else self.globals.claim(init, (type_, init))
        if isinstance(type_.value, tuple) and type_.value[0] == model.REF:  # has no zero to begin with
            return self.globals.add((type_, init))
        index = self.globals.claim(claims.key(("global", type_.value)), (type_, zero(type_.value)))
        self._first_values.setdefault(index, set()).add(init)
        each.values.append((index, init))
        return index

    def settle_globals(self, programs: list[Program]) -> None:
        """A global that begins the same in all its programs begins so by itself, if its value is a literal."""
        settled = set()
        for index, values in self._first_values.items():
            value = next(iter(values))
            if len(values) == 1 and not value.functions and value.parts[0][0] != BY_NAME["global.get"].code[0]:
                row = index - self.globals.imports
                self.globals.rows[row] = self.globals.rows[row][0], value
                settled.add(index)
        for each in programs:
            each.values = [(index, value) for index, value in each.values if index not in settled]

    def add_segments(self, each: Program) -> None:
        """Data and element segments. Equal data of two programs are one; of one program never, it may drop either."""
        module = each.module
        seen: Counter[bytes] = Counter()
        for segment in module.segments:
            contents = writer.name(module.data[segment.start : segment.end])
            if segment.offset is not None and segment.memory in each.mapped[MEMORY]:
                memory = leb.u32(each.maps[MEMORY][segment.memory])
                offset = each.link(segment.offset).fill(())
                index = self.segments.add(leb.u32(_ACTIVE_DATA) + memory + offset + contents)
            else:
                seen[contents] += 1
                index = self.segments.claim((contents, seen[contents]), leb.u32(_PASSIVE_DATA) + contents)
            each.maps[DATA].append(index)
        for element in module.elements:
            each.maps[ELEMENT].append(self.elements.add(self._element(each, element)))

    def _element(self, each: Program, element: Element) -> Linked:
        flags, head = _DECLARATIVE if element.declarative else _PASSIVE, b""
        if element.offset is not None and element.table in each.mapped[TABLE]:
            flags = _TABLE
            head = leb.u32(each.maps[TABLE][element.table]) + each.link(element.offset).fill(())
        if element.expressions or element.type != model.FUNCREF:
            head += writer.value_type(self._value(each, element.type)) + leb.u32(len(element.expressions))
            return join(leb.u32(flags | _EXPRESSIONS) + head, [each.link(code) for code in element.expressions])
        return functions_segment(leb.u32(flags) + head, [each.maps[FUNC][f] for f in element.functions])


def join(head: bytes, codes: list[Linked]) -> Linked:
    """Code after code."""
    parts, functions = [head], list[int]()
    for code in codes:
        parts[-1] += code.parts[0]
        parts += code.parts[1:]
        functions += code.functions
    return Linked(tuple(parts), tuple(functions))


def functions_segment(head: bytes, functions: list[int]) -> Linked:
    """An element segment of functions; head is all that stands before the element kind."""
    count = leb.u32(len(functions))
    return Linked((head + b"\0" + count, *[b""] * len(functions)), tuple(functions))


def declared(functions: list[int]) -> Linked:
    """The segment that allows `ref.func` of these functions."""
    return functions_segment(leb.u32(_DECLARATIVE), functions)


def routes_segment(table: int, functions: list[int]) -> Linked:
    """The segment that fills the dispatcher's table."""
    offset = leb.u32(table) + BY_NAME["i32.const"].code + b"\0" + bytes((END,))
    return functions_segment(leb.u32(_TABLE) + offset, functions)
