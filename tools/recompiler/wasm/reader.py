"""A module's bytes in, its index spaces out (model.py), with every index checked against the space it names.

Code is kept as byte ranges and the places where it names an index. What it holds otherwise is left to the validator.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final, TypeVar

from recompiler.errors import Error
from recompiler.format.wasm import PREAMBLE
from recompiler.wasm import scan
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import (
    DATA,
    ELEMENT,
    FUNC,
    FUNCREF,
    GLOBAL,
    HAS_MAXIMUM,
    HAS_PAGE_SIZE,
    IS_64,
    KINDS,
    MEMORY,
    SPACE_OF,
    TABLE,
    TAG,
    TYPE,
    Code,
    Data,
    Element,
    Export,
    FuncType,
    Global,
    GlobalType,
    Import,
    Limits,
    Module,
    Table,
    TableType,
    ValueType,
)

T = TypeVar("T")
_FUNC_TYPE: Final = 0x60
_TABLE_WITH_INIT: Final = b"\x40\x00"


def _vector(cursor: Cursor, item: Callable[[Cursor], T]) -> list[T]:
    return [item(cursor) for _ in range(cursor.u32())]


def _value_type(cursor: Cursor) -> ValueType:
    return scan.value_type(cursor, [])


def _func_type(cursor: Cursor) -> FuncType:
    form = cursor.byte()
    if form != _FUNC_TYPE:
        raise cursor.fail(f"type form 0x{form:02x}: only function types can be merged", cursor.at - 1)
    return FuncType(tuple(_vector(cursor, _value_type)), tuple(_vector(cursor, _value_type)))


def _limits(cursor: Cursor) -> Limits:
    flags = cursor.byte()
    if flags > 15:
        raise cursor.fail(f"limits with flags 0x{flags:02x}", cursor.at - 1)
    number = cursor.u64 if flags & IS_64 else cursor.u32
    minimum = number()
    maximum = number() if flags & HAS_MAXIMUM else None
    return Limits(flags, minimum, maximum, cursor.u32() if flags & HAS_PAGE_SIZE else None)


def _table_type(cursor: Cursor) -> TableType:
    return TableType(_value_type(cursor), _limits(cursor))


def _table(cursor: Cursor) -> Table:
    if cursor.data[cursor.at : min(cursor.at + 2, cursor.end)] == _TABLE_WITH_INIT:
        cursor.at += 2
        return Table(_table_type(cursor), scan.expression(cursor))
    return Table(_table_type(cursor), None)


def _global_type(cursor: Cursor) -> GlobalType:
    value, mutable = _value_type(cursor), cursor.byte()
    if mutable > 1:
        raise cursor.fail("a global's mutability is 0 or 1", cursor.at - 1)
    return GlobalType(value, bool(mutable))


def _tag(cursor: Cursor) -> int:
    if cursor.byte() != 0:
        raise cursor.fail("a tag that is no exception", cursor.at - 1)
    return cursor.u32()


_IMPORT: Final[dict[int, Callable[[Cursor], int | TableType | Limits | GlobalType]]] = {
    FUNC: Cursor.u32,
    TABLE: _table_type,
    MEMORY: _limits,
    GLOBAL: _global_type,
    TAG: _tag,
}


def _kind(cursor: Cursor) -> int:
    kind = cursor.byte()
    if kind not in KINDS:
        raise cursor.fail(f"kind {kind} of an import or export", cursor.at - 1)
    return kind


def _import(cursor: Cursor) -> Import:
    module, name, kind = cursor.name(), cursor.name(), _kind(cursor)
    return Import(module, name, kind, _IMPORT[kind](cursor))


def _export(cursor: Cursor) -> Export:
    return Export(cursor.name(), _kind(cursor), cursor.u32())


def _global(cursor: Cursor) -> Global:
    return Global(_global_type(cursor), scan.expression(cursor))


def _element(cursor: Cursor) -> Element:
    """Flags: 1 passive or declarative, 2 an explicit table or declarative, 4 expressions."""
    flags = cursor.u32()
    if flags > 7:
        raise cursor.fail(f"element segment with flags {flags}")
    active, declarative = not flags & 1, flags & 3 == 3
    table = cursor.u32() if active and flags & 2 else 0
    offset = scan.expression(cursor) if active else None
    type_: ValueType = FUNCREF
    if flags & 3 and flags & 4:
        type_ = _value_type(cursor)
    elif flags & 3 and cursor.byte() != 0:
        raise cursor.fail("an element kind other than functions", cursor.at - 1)
    functions = () if flags & 4 else tuple(_vector(cursor, Cursor.u32))
    expressions = tuple(_vector(cursor, scan.expression)) if flags & 4 else ()
    return Element(type_, functions, expressions, table, offset, declarative)


def _data(cursor: Cursor) -> Data:
    flags = cursor.u32()
    if flags > 2:
        raise cursor.fail(f"data segment with flags {flags}")
    memory = cursor.u32() if flags == 2 else 0
    offset = None if flags == 1 else scan.expression(cursor)
    contents = cursor.part(cursor.u32())
    return Data(contents.at, contents.end, memory, offset)


def _body(cursor: Cursor) -> Code:
    return scan.body(cursor.part(cursor.u32()))


# Section id -> (field of Module, what reads one item), in the order in which sections stand.
_VECTORS: Final[dict[int, tuple[str, Callable[[Cursor], object]]]] = {
    1: ("types", _func_type),
    2: ("imports", _import),
    3: ("functions", Cursor.u32),
    4: ("tables", _table),
    5: ("memories", _limits),
    13: ("tags", _tag),
    6: ("globals", _global),
    7: ("exports", _export),
    9: ("elements", _element),
    10: ("bodies", _body),
    11: ("segments", _data),
}
_START, _DATA_COUNT = 8, 12
_RANK: Final = {id_: rank for rank, id_ in enumerate((1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11))}


def read(data: bytes) -> Module:
    """The index spaces of a module. Raises Error: E_WASM_HEADER, E_WASM_INVALID."""
    if data[: len(PREAMBLE)] != PREAMBLE:
        raise Error("E_WASM_HEADER", "not a WebAssembly 1 module (a component, or no module at all)", 0)
    module, cursor, last, count = Module(data), Cursor(data, len(PREAMBLE), len(data)), -1, None
    while cursor.at < cursor.end:
        start, id_ = cursor.at, cursor.byte()
        section = cursor.part(cursor.u32())
        if id_ == 0:
            name = section.name()
            module.custom.append((name, section.at, section.end))
            continue
        if _RANK.get(id_, -1) <= last:
            raise cursor.fail(f"section {id_} is unknown, stands twice or out of order", start)
        last = _RANK[id_]
        if id_ == _START:
            module.start = section.u32()
        elif id_ == _DATA_COUNT:
            count = section.u32()
        else:
            field, item = _VECTORS[id_]
            setattr(module, field, _vector(section, item))
        section.finish(f"contents of section {id_}")
    if len(module.functions) != len(module.bodies):
        raise cursor.fail(f"{len(module.functions)} functions have {len(module.bodies)} bodies")
    if count not in (None, len(module.segments)):
        raise cursor.fail(f"{len(module.segments)} data segments, {count} announced")
    _check(module)
    return module


def sizes(module: Module) -> dict[int, int]:
    """How many things each index space holds, imports included."""
    spaces: tuple[Sized, ...] = (module.functions, module.tables, module.memories, module.globals, module.tags)
    return {
        **{kind: module.imported(kind) + len(space) for kind, space in zip(KINDS, spaces, strict=True)},
        TYPE: len(module.types),
        DATA: len(module.segments),
        ELEMENT: len(module.elements),
    }


def _check(module: Module) -> None:
    """Refuses indices of things that are not there; after it, no index of the module can miss."""
    size = sizes(module)

    def need(space: int, index: int, what: str, at: int | None = None) -> None:
        if index >= size[space]:
            raise Error("E_WASM_INVALID", f"{what} names number {index} of {size[space]}", at)

    def expression(code: Code | None) -> None:
        for at, _, space, index in code.sites if code else ():
            need(SPACE_OF[space], index, "code", at)

    def value(type_: ValueType) -> None:
        if isinstance(type_, tuple) and type_[1] >= 0:
            need(TYPE, type_[1], "a value type")

    for signature in module.types:
        for type_ in (*signature.params, *signature.results):
            value(type_)
    for each in module.imports:
        if isinstance(each.type, int):
            need(TYPE, each.type, "an import")
        elif not isinstance(each.type, Limits):
            value(each.type.element if isinstance(each.type, TableType) else each.type.value)
    for index in (*module.functions, *module.tags):
        need(TYPE, index, "a function or tag")
    for table in module.tables:
        value(table.type.element)
        expression(table.init)
    for variable in module.globals:
        value(variable.type.value)
        expression(variable.init)
    for export in module.exports:
        need(export.kind, export.index, "an export")
    if module.start is not None:
        need(FUNC, module.start, "the start section")
    for element in module.elements:
        value(element.type)
        need(TABLE, element.table, "an element segment") if element.offset else None
        for function in element.functions:
            need(FUNC, function, "an element segment")
        for code in (element.offset, *element.expressions):
            expression(code)
    for segment in module.segments:
        need(MEMORY, segment.memory, "a data segment") if segment.offset else None
        expression(segment.offset)
    for body in module.bodies:
        expression(body)
