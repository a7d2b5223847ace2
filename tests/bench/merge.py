"""Merged modules in several layouts in, what they cost under wasmtime out: the figures of docs/merge.md.

    .venv/bin/python -m tests.bench.merge [COUNT]

An instance is made and dropped through the C API by ctypes, which costs the same in every row (the row `one`, a single
program by itself, shows how much). Times are medians of rounds taken in turn, so that a noisy machine treats all alike.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import wasmtime

from recompiler import cc
from recompiler.merge.merger import merge
from recompiler.merge.slots import Layout
from tests.recompiler.merge.host import showing
from tests.testbed import ROOT

PROGRAMS = ROOT / "tests" / "recompiler" / "merge" / "programs"
ROUNDS, EACH, ALIVE = 30, 20, 50
NEVER = 1 << 40
LAYOUTS = {
    "apart, active": Layout(share=False, copy_limit=-1),
    "apart, at entry": Layout(share=False, copy_limit=NEVER),
    "shared, at entry": Layout(copy_limit=NEVER),
    "default": Layout(),
}


@dataclass
class Case:
    """A module and the call that runs a program of it."""

    name: str
    data: bytes
    module: wasmtime.Module
    linker: wasmtime.Linker
    export: str
    arguments: tuple[int, ...]

    def instance(self) -> tuple[wasmtime.Store, wasmtime.Instance]:
        store = wasmtime.Store(self.module.engine)
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["program", "1000"]
        store.set_wasi(wasi)
        return store, self.linker.instantiate(store, self.module)

    def run(self) -> None:
        store, instance = self.instance()
        with contextlib.suppress(wasmtime.ExitTrap):
            function = instance.exports(store)[self.export]
            assert isinstance(function, wasmtime.Func)
            function(store, *self.arguments)


class Timed(wasmtime.Module):
    """A module that knows its engine."""

    def __init__(self, engine: wasmtime.Engine, data: bytes) -> None:
        super().__init__(engine, data)
        self.engine = engine


def programs(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for source in sorted(PROGRAMS.glob("*.c")):
        output = folder / f"{source.stem}.wasm"
        if cc.compile_c([str(source), "-w", "-o", str(output)]):
            sys.exit(1)
        found.append((source.stem, output.read_bytes()))
    return found


def case(name: str, data: bytes, export: str, *arguments: int) -> Case:
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    return Case(name, data, Timed(engine, data), linker, export, arguments)


def microseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(EACH):
        call()
    return (time.perf_counter() - start) / EACH * 1e6


def private(of: Case) -> tuple[float, float]:
    """KiB of private memory and number of mappings per instance that has run."""

    def now() -> tuple[int, int]:
        rollup = Path("/proc/self/smaps_rollup").read_text()
        kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty"))
        return kib, Path("/proc/self/maps").read_text().count("\n")

    alive = []
    of.run()
    before = now()
    for _ in range(ALIVE):
        store, instance = of.instance()
        with contextlib.suppress(wasmtime.ExitTrap):
            instance.exports(store)[of.export](store, *of.arguments)  # type: ignore[operator]
        alive.append((store, instance))
    after = now()
    return (after[0] - before[0]) / ALIVE, (after[1] - before[1]) / ALIVE


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        every = programs(Path(folder))
    every = every[: int(sys.argv[1])] if len(sys.argv) > 1 else every
    wanted = [name for name in ("echo", "primes", "tables") if name in dict(every)]
    for program in wanted:
        cases = [case("one", dict(every)[program], "_start")]
        for name, layout in LAYOUTS.items():
            merged = merge(every, layout)
            number = next(row["entry"] for row in merged.entries.values() if row["export"] == program)
            cases.append(case(name, showing(merged.data, number), "_dispatch", number, 0, 0))
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for each in cases:
                times.setdefault((each.name, "instance"), []).append(microseconds(each.instance))
                times.setdefault((each.name, "run"), []).append(microseconds(each.run))
        print(f"{program}, {len(every)} programs, pid {os.getpid()}")
        titles = ("wasm", "cwasm", "instance us", "and run us", "private KiB", "mappings")
        print(f"{'layout':18}", *(f"{title:>11}" for title in titles))
        for each in cases:
            instance, run = (statistics.median(times[each.name, what]) for what in ("instance", "run"))
            kib, mappings = private(each)
            sizes = f"{len(each.data):11} {len(each.module.serialize()):11}"
            print(f"{each.name:18} {sizes} {instance:11.1f} {run:11.1f} {kib:11.1f} {mappings:11.1f}")


if __name__ == "__main__":
    main()
