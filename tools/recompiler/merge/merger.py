"""WebAssembly programs in, the merged module out (docs/merge.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recompiler.merge import dispatch, equal, program, routes
from recompiler.merge.names import Names
from recompiler.merge.program import Program
from recompiler.merge.slots import Layout
from recompiler.merge.spaces import Spaces, declared, routes_segment, zero
from recompiler.wasm import leb, writer
from recompiler.wasm.model import (
    DATA,
    ELEMENT,
    FUNC,
    FUNC_REF,
    FUNCREF,
    GLOBAL,
    HAS_MAXIMUM,
    I32,
    IS_64,
    MEMORY,
    TABLE,
    TYPE,
    GlobalType,
    Limits,
    TableType,
)
from recompiler.wasm.rewriter import Linked


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged module; entries are the manifest's rows, by the hash of the program's file."""

    data: bytes
    entries: dict[str, dict[str, Any]]
    figures: dict[str, int]


def merge(given: Sequence[tuple[str, bytes]], layout: Layout | None = None) -> Merged:
    """Merges named programs; the same programs give the same bytes, in whatever order they are given.

    Raises Error: E_USAGE, E_WASM_HEADER, E_WASM_INVALID, E_WASM_EXPORT.
    """
    programs = program.load(given)
    for each in programs:
        routes.validate(each.module.data, each.name)
    data, figures = _Merger(programs, layout or Layout()).run()
    routes.validate(data, "the merged module")
    entries = {each.digest.hex(): _row(number, each) for number, each in enumerate(programs)}
    return Merged(data, entries, figures)


def _row(number: int, each: Program) -> dict[str, Any]:
    return {"entry": number, "export": each.name, "kind": "wasi", "paths": [f"/{name}" for name in each.names]}


class _Merger:
    def __init__(self, programs: list[Program], layout: Layout) -> None:
        self.programs = programs
        self.spaces = Spaces(layout)
        self.functions: list[tuple[int, Linked]] = []  # type and body, counted from the imported ones on
        self.imported = 0
        self.used = 0  # the global that says whether the instance ran before

    def run(self) -> tuple[bytes, dict[str, int]]:
        """The module's bytes, and what is worth counting."""
        spaces = self.spaces
        # 1. Types and imports of all programs: what is equal is one.
        for each in self.programs:
            spaces.add_types(each)
        for each in self.programs:
            spaces.add_imports(each)
        spaces.end_imports()
        # 2. Functions get numbers, state gets slots, segments are taken over.
        entity = self.imported = spaces.imported[FUNC]
        for each in self.programs:
            each.maps[FUNC] += range(entity, entity := entity + len(each.module.functions))
        for number, each in enumerate(self.programs):
            spaces.add_state(each, number)
        spaces.settle_globals(self.programs)
        for each in self.programs:
            spaces.add_segments(each)
        # 3. Bodies with everything rewritten but functions; the generated ones after them.
        for each in self.programs:
            types = [each.maps[TYPE][type_] for type_ in each.module.functions]
            self.functions += zip(types, map(each.link_body, each.module.bodies), strict=True)
        table = self._generate(entity)
        # 4. Functions that are the same get the same index.
        index = equal.classes(self.imported, self.functions)
        return self._write(index, entity, table), self._figures(set(index[self.imported : entity]))

    def _generate(self, entity: int) -> int:
        """The entries from function entity on, and the dispatcher; returns the dispatcher's table."""
        spaces, count = self.spaces, len(self.programs)
        self.used = spaces.globals.add((GlobalType(I32, True), zero(I32)))
        entry_type = spaces.type(dispatch.ENTRY_TYPE)
        self.functions += [(entry_type, self._entry(each)) for each in self.programs]
        table = spaces.tables.add((TableType(FUNCREF, Limits(HAS_MAXIMUM, count, count)), None))
        spaces.elements.add(routes_segment(table, list(range(entity, entity + count))))
        values = {each.maps[FUNC][old] for each in self.programs for old in each.named_in_code(FUNC_REF)}
        if values:
            spaces.elements.add(declared(sorted(values)))
        self.functions.append(
            (spaces.type(dispatch.DISPATCH_TYPE), dispatch.dispatcher(count, entry_type, table)),
        )
        return table

    def _entry(self, each: Program) -> Linked:
        """What instantiation would have done, in its order (core specification, 4.5.4), then the program itself."""
        module, entry = each.module, dispatch.begin(self.used)
        for number, limits in enumerate(module.memories, module.imported(MEMORY)):
            memory = each.maps[MEMORY][number]
            missing = limits.minimum - self.spaces.memories.rows[memory - self.spaces.imported[MEMORY]].minimum
            if missing:
                dispatch.grow(entry, memory, missing, wide=bool(limits.flags & IS_64))
        for index, value in each.values:
            entry.code(value)
            entry.op("global.set", index)
        dropped = {space: each.named_in_code(space) for space in (ELEMENT, DATA)}
        for number, element in enumerate(module.elements):
            if element.offset is not None and element.table not in each.mapped[TABLE]:
                drop = "elem.drop" if number in dropped[ELEMENT] else None
                target, size = each.maps[TABLE][element.table], len(element.functions) + len(element.expressions)
                at = each.link(element.offset)
                dispatch.copy(entry, "table.init", drop, each.maps[ELEMENT][number], target, at, size)
        for number, segment in enumerate(module.segments):
            if segment.offset is not None and segment.memory not in each.mapped[MEMORY]:
                drop = "data.drop" if number in dropped[DATA] else None
                target, size = each.maps[MEMORY][segment.memory], segment.end - segment.start
                at = each.link(segment.offset)
                dispatch.copy(entry, "memory.init", drop, each.maps[DATA][number], target, at, size)
        calls = [index for index in (module.start, each.start) if index is not None]
        return dispatch.end(entry, [each.maps[FUNC][index] for index in calls])

    def _write(self, index: list[int], entity: int, table: int) -> bytes:
        spaces = self.spaces
        kept: dict[int, tuple[int, Linked]] = {}
        for new, function in zip(index[self.imported :], self.functions, strict=True):
            kept.setdefault(new, function)
        tables = [
            b"\x40\0" + writer.table_type(type_) + init.fill(index) if init else writer.table_type(type_)
            for type_, init in spaces.tables.rows
        ]
        # Sections as the specification orders them.
        sections = (
            (1, [writer.func_type(type_, number) for number, type_ in enumerate(spaces.types.rows)]),
            (2, list(spaces.imports)),
            (3, [leb.u32(type_) for type_, _ in kept.values()]),
            (4, tables),
            (5, [writer.limits(limits) for limits in spaces.memories.rows]),
            (13, [b"\0" + leb.u32(type_) for type_ in spaces.tags.rows]),
            (6, [writer.global_type(type_) + init.fill(index) for type_, init in spaces.globals.rows]),
            (7, self._exports(index, entity)),
            (9, [segment.fill(index) for segment in spaces.elements.rows]),
            (10, [writer.name(body.fill(index)) for _, body in kept.values()]),
            (11, spaces.segments.rows),
        )
        rows = [(each.digest, each.name.encode()) for each in self.programs]
        customs = [routes.section(rows), self._names(index, entity, table)]
        return writer.module(sections, len(spaces.segments.rows), customs)

    def _exports(self, index: list[int], entity: int) -> list[bytes]:
        """The dispatcher, the entries by name, each program's memory by id, and `memory` if all have the same."""
        count = len(self.programs)
        rows = [(dispatch.EXPORT, FUNC, index[entity + count])]
        rows += [(each.name.encode(), FUNC, index[entity + number]) for number, each in enumerate(self.programs)]
        memories = [(number, each.memory) for number, each in enumerate(self.programs) if each.memory is not None]
        if len({memory for _, memory in memories}) == 1:
            rows.append((program.MEMORY_EXPORT, MEMORY, memories[0][1]))
        rows += [(b"memory.%d" % number, MEMORY, memory) for number, memory in memories]
        return [writer.name(name) + bytes((kind,)) + leb.u32(number) for name, kind, number in rows]

    def _names(self, index: list[int], entity: int, table: int) -> bytes:
        names = Names()
        names.put(FUNC, index[entity + len(self.programs)], dispatch.EXPORT)
        names.put(TABLE, table, b"entries")
        names.put(GLOBAL, self.used, b"used")
        owners: dict[int, set[int]] = {}
        for number, each in enumerate(self.programs):
            names.put(FUNC, index[entity + number], each.name.encode())
            for function in each.maps[FUNC]:
                owners.setdefault(index[function], set()).add(number)
        private = {new for new, who in owners.items() if len(who) == 1}
        for each in self.programs:
            maps = {**each.maps, FUNC: [index[function] for function in each.maps[FUNC]]}
            names.take(each.module, maps, each.name.encode(), private)
            names.put_function(maps[FUNC][each.start], program.START, each.name.encode(), private)
        return names.section()

    def _figures(self, functions: set[int]) -> dict[str, int]:
        spaces = self.spaces
        return {
            "programs": len(self.programs),
            "functions_in": sum(len(each.module.functions) for each in self.programs),
            "functions_out": len(functions),
            "imports_in": sum(len(each.module.imports) for each in self.programs),
            "imports_out": len(spaces.imports),
            "memories_in": sum(len(each.module.memories) for each in self.programs),
            "memories_out": len(spaces.memories.rows),
            "globals_in": sum(len(each.module.globals) for each in self.programs),
            "globals_out": len(spaces.globals.rows) - 1,
            "data_in": sum(segment.end - segment.start for each in self.programs for segment in each.module.segments),
            "data_out": sum(map(len, spaces.segments.rows)),
            "bytes_in": sum(len(each.module.data) for each in self.programs),
        }
