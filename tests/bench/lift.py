"""Speed of lifted programs: native, lifted and qemu-user (where installed), interleaved in one run.

python -m tests.bench.lift [ROW...]        (LIFT_ROUNDS=3; BUSYBOX=path of a static busybox, for its rows)

CPU seconds (user + system) of the whole process, start included; medians; ratios to native; their geometric mean.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recompiler import aot
from recompiler.lift import lifter
from recompiler.lift.object import objectfile, objectrun

BENCH: Final = Path(__file__).resolve().parent
ROUNDS: Final = int(os.environ.get("LIFT_ROUNDS", "3"))
QEMU: Final = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
LUA: Final = Path(os.environ.get("LUA_PREFIX", "/usr"))
AIM, AIMS, MEAN = 4.0, {"goto interpreter": 2.5, "start": math.inf}, 1.8  # of a row; of the mean
SHORT: Final = 0.01  # seconds of a native run that say nothing
KERNELS: Final = {
    "sha256": 400,
    "sieve": 100,
    "matmul": 120,
    "qsort": 25,
    "fib": 300,
    "indirect calls": 500,
    "switch interpreter": 400,
    "goto interpreter": 600,
    "snprintf": 300,
    "memory": 4000,
    "regex": 400,
}
APPLETS: Final = {
    "gzip": "gzip -c text",
    "gunzip": "gzip -dc text.gz",
    "awk": "awk '{ n[$2] += $1; l += length($0) } END { for (k in n) s += n[k]; print(s, l) }' text",
    "sort": "sort -k2 text",
    "grep": "grep -c -E '(ab|b.*c)[0-9]+$' text",
    "sed": "sed -n 's/\\([a-z]*\\)[0-9]/<\\1>/gp' text",
    "sha512sum": "sha512sum big",
    "bc": "bc -q sum.bc",
}
SUM_BC: Final = (
    "define f(n) { if (n < 2) return (n); return (f(n-1) + f(n-2)); }\nf(19)\nscale=300\nsqrt(2)\n4*a(1)\nquit\n"
)
SCRIPT: Final = """
local t, s = {}, 0
for i = 1, 200000 do t[i] = (i * 7919) % 100003 end
table.sort(t)
for i = 1, #t do s = s + t[i] // 3 end
local words = {}
for i = 1, 60000 do local w = "w" .. i % 997; words[w] = (words[w] or 0) + 1 end
local function f(n) return n < 2 and n or f(n - 1) + f(n - 2) end
print(s, words.w5, f(25), ("x"):rep(1000):gsub("x", "yz"):len(), string.format("%.3f", math.sin(s)))
"""


@dataclass
class Program:
    """A static ELF, and beside it its lifted artifact and pc map."""

    path: Path

    def __post_init__(self) -> None:
        elf = self.path.read_bytes()
        began = time.perf_counter()
        result = lifter.lift(elf, jobs=2)
        lifted = time.perf_counter()
        artifact = aot.compile_module(result.module, objectrun.target())
        compiled = time.perf_counter()
        Path(f"{self.path}.cwasm").write_bytes(artifact)
        Path(f"{self.path}.pcmap").write_bytes(objectfile.pc_map(objectfile.read(result.module)))
        rate = result.instructions / (lifted - began) / 1e3
        sizes = f"wasm {len(result.module) / 1e6:.1f} MB, artifact {len(artifact) / 1e6:.1f} MB"
        times = f"lifted in {lifted - began:.1f} s ({rate:.0f} k/s), compiled in {compiled - lifted:.1f} s"
        print(f"# {self.path.name}: {result.instructions} instructions, {times}; {sizes}", flush=True)

    def commands(self, arguments: Sequence[str]) -> dict[str, list[str]]:
        path = str(self.path)
        ways = {
            "native": [path, *arguments],
            "lifted": [str(objectrun.HOST), path, path + ".cwasm", path + ".pcmap", path, *arguments],
        }
        return ways | ({"qemu": [QEMU, path, *arguments]} if QEMU else {})


def timed(command: Sequence[str], folder: Path) -> tuple[float, bytes, int]:
    """CPU seconds, output and status."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, out.read(), process.returncode


def measure(name: str, commands: dict[str, list[str]], folder: Path) -> float | None:
    """Prints a row; the ratio of lifted to native."""
    samples: dict[str, list[float]] = {way: [] for way in commands}
    want: tuple[bytes, int] | None = None
    for _ in range(ROUNDS):
        for way, command in commands.items():
            seconds, *said = timed(command, folder)
            if want is None:
                want = (said[0], said[1])
            if tuple(said) != want and way != "qemu":
                print(f"{name:<20} {way}: differs from native, status {said[1]}: {said[0][-160:]!r}", flush=True)
                return None
            samples[way].append(seconds)
    middle = {way: statistics.median(values) for way, values in samples.items()}
    native = max(middle["native"], 1e-3)
    ratio = middle["lifted"] / native
    cells = "".join(f"{way} {value:7.3f} s {value / native:6.2f}x   " for way, value in middle.items())
    if middle["native"] < SHORT and name != "start":
        print(f"{name:<20} {cells} too short to tell: the compiler left little of it", flush=True)
        return None
    aim = AIMS.get(name, AIM)
    print(f"{name:<20} {cells}" + (f" above its aim of {aim}x" if ratio > aim else ""), flush=True)
    return ratio


def inputs(folder: Path) -> None:
    """What the applets read: words and numbers from a seed."""
    state, rows = 12345, []
    for _ in range(60_000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        rows.append(f"{state % 1000} key{state % 977:03} {'abcdefghij'[state % 7 : state % 11]}{state % 97}\n")
    (folder / "text").write_text("".join(rows))
    (folder / "big").write_bytes((folder / "text").read_bytes() * 16)
    (folder / "sum.bc").write_text(SUM_BC)
    (folder / "script.lua").write_text(SCRIPT)


def static(folder: Path, output: str, *arguments: str) -> Path | None:
    """A static program by gcc, with glibc; where there is none, by zig cc, with musl. None when it cannot be built."""
    found = shutil.which("gcc")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-fno-sanitize=all"]
    target = folder / output
    command = [*([found] if found else zig), "-O2", "-static", "-o", target, *arguments]
    built = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    if built.returncode:
        print(f"# {output}: not measured: {built.stderr.decode(errors='replace').splitlines()[-1:]}")
        return None
    return target


def rows(folder: Path) -> list[tuple[str, Program, list[str]]]:
    found: list[tuple[str, Program, list[str]]] = []
    if (path := static(folder, "kernels", str(BENCH / "lift_kernels.c"), "-lm")) is not None:
        kernels = Program(path)
        found += [(name, kernels, [name, str(times)]) for name, times in KERNELS.items()]
    busybox = Path(os.environ.get("BUSYBOX") or shutil.which("busybox") or "none")
    if busybox.exists():
        shutil.copy(busybox, folder / "busybox")
        subprocess.run([folder / "busybox", "gzip", "-k", "text"], cwd=folder, check=True)
        box = Program(folder / "busybox")
        found += [(name, box, shlex.split(line)) for name, line in APPLETS.items()]
    else:
        names = ", ".join(APPLETS)
        print(f"# left out: {names}: no static busybox (apt-get install busybox-static, or BUSYBOX=path)")
    include, library = LUA / "include/lua5.4", LUA / "lib/x86_64-linux-gnu/liblua5.4.a"
    if library.exists():
        path = static(
            folder,
            "lua",
            f"-I{include}",
            f"-I{LUA}/include/x86_64-linux-gnu",
            str(BENCH / "lift_lua.c"),
            str(library),
            "-lm",
            "-ldl",
        )
        if path is not None:
            found.append(("Lua", Program(path), ["script.lua"]))
    else:
        print("# left out: Lua: no liblua5.4.a (apt-get install liblua5.4-dev, or LUA_PREFIX=path)")
    return found


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="recompiler-bench-") as name:
        folder = Path(name)
        inputs(folder)
        if QEMU is None:
            print("# left out: the ratios of qemu-user (apt-get install qemu-user)")
        ratios: dict[str, float] = {}
        start = None
        for row, program, arguments in rows(folder):
            if sys.argv[1:] and row not in sys.argv[1:]:
                continue
            if start is None:
                start = measure("start", program.commands(["start", "1"]), folder)
            ratio = measure(row, program.commands(arguments), folder)
            if ratio is not None:
                ratios[row] = ratio
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios.values())))
            above = [row for row, ratio in ratios.items() if ratio > AIMS.get(row, AIM)]
            print(f"geometric mean of {len(ratios)} rows: {mean:.2f}x native, aim {MEAN}x: {verdict(mean <= MEAN)}")
            print(f"rows above their aim: {', '.join(above) or 'none'}: {verdict(not above)}")


def verdict(good: bool) -> str:
    return "met" if good else "missed"


if __name__ == "__main__":
    main()
