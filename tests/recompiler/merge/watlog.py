"""WAT programs in, what they log and how they end out: each by itself, and all in one merged module.

A program imports `(import "host" "log" (func $log (param i32)))` and exports `_start`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import wasmtime

from recompiler.merge.merger import Merged, merge
from recompiler.merge.slots import Layout

LAYOUTS: Mapping[str, Layout] = {
    "default": Layout(),
    "all at entry": Layout(copy_limit=1 << 40),
    "nothing copied": Layout(copy_limit=-1),
    "apart": Layout(share=False),
    "apart, nothing copied": Layout(share=False, copy_limit=-1),
}
Ending = tuple[list[int], str]


def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    for feature in ("threads", "wide_arithmetic", "exceptions", "memory64", "multi_memory", "tail_call"):
        setattr(config, f"wasm_{feature}", True)
    config.shared_memory = True
    return wasmtime.Engine(config)


def ending(on: wasmtime.Engine, module: wasmtime.Module, export: str, *arguments: int) -> Ending:
    """What a new instance logs, and `returned`, `trapped` or `no instance`."""
    logged: list[int] = []
    store = wasmtime.Store(on)
    linker = wasmtime.Linker(on)
    linker.define_func("host", "log", wasmtime.FuncType([wasmtime.ValType.i32()], []), logged.append)
    linker.define_func("host", "seven", wasmtime.FuncType([], [wasmtime.ValType.i32()]), lambda: 7)
    shared = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, 3)))
    linker.define(store, "host", "memory", shared)
    linker.define(
        store,
        "host",
        "base",
        wasmtime.Global(store, wasmtime.GlobalType(wasmtime.ValType.i32(), False), wasmtime.Val.i32(1024)),
    )
    try:
        instance = linker.instantiate(store, module)
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return logged, "no instance"
    function = instance.exports(store)[export]
    assert isinstance(function, wasmtime.Func)
    try:
        function(store, *arguments)
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return logged, "trapped"
    return logged, "returned"


def compare(programs: Sequence[bytes | str], layout: Layout) -> tuple[Merged, list[tuple[Ending, Ending]]]:
    """The merged module, and for each program how it ends by itself and in there.

    A program that cannot be instantiated by itself traps in the merged module, which can be.
    """
    on = engine()
    modules = [bytes(wasmtime.wat2wasm(each)) if isinstance(each, str) else each for each in programs]
    merged = merge([(f"p{number}", data) for number, data in enumerate(modules)], layout)
    ids = {row["export"]: row["entry"] for row in merged.entries.values()}
    names = {path: row["export"] for row in merged.entries.values() for path in row["paths"]}
    everything = wasmtime.Module(on, merged.data)
    results = []
    for number, data in enumerate(modules):
        logged, how = ending(on, wasmtime.Module(on, data), "_start")
        own = logged, "trapped" if how == "no instance" else how
        results.append((own, ending(on, everything, "_dispatch", ids[names[f"/p{number}"]], 0, 0)))
    return merged, results
