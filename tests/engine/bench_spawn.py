"""Starts of a guest beside native fork + execve, in one run, from one C client: how long to the first byte of output.

    python tests/engine/bench_spawn.py [--count 1000] [--burst 1000] [--idle 32] [--containers 200]
                                        [--merged]

Sequential starts (one waits for the other), a burst (all asked for at once, as many as the container may hold), and
the private memory of guests that wait for input. Figures differ by machine; compare the columns of one run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools"), str(ROOT)]

from engine.client import ENGINE, EXITED, SPAWN, TARGET, Container, Limits, Zygote  # noqa: E402
from recompiler import aot  # noqa: E402
from recompiler.merge.merger import merge  # noqa: E402

VKEXEC = ENGINE.with_name("vkexec")
ALLOWED = ("write", "read", "close", "fstat", "fcntl", "lseek")
NATIVE = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


def percentiles(label: str, lines: list[str]) -> None:
    for column, what in enumerate(("first byte", "exit")):
        times = sorted(int(line.split()[column]) / 1000 for line in lines)
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        print(f"{label:<30} to {what:<10} p50 {p50:7.0f} us   p99 {p99:7.0f} us   ({len(times)} starts)")


def client(*arguments: str | Path, fd: int | None = None) -> list[str]:
    command = [str(VKEXEC), *map(str, arguments)]
    fds = [fd] if fd is not None else []
    return subprocess.run(command, pass_fds=fds, check=True, capture_output=True, text=True).stdout.splitlines()


def burst(container: Container, count: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    control = container.control
    begin = time.perf_counter()
    asked = ended = 0
    while ended < count:
        while asked < count and asked - ended < 32:
            control.send(SPAWN, (0, 2, 0, 0), b"guest\0echo\0/\0", (null, null, null))
            asked += 1
        message = control.receive()
        assert message is not None
        ended += message.type == EXITED
    seconds = time.perf_counter() - begin
    os.close(null)
    print(f"{'engine, burst of ' + str(count):<30} {count / seconds:7.0f} starts/s")


def private_kib(pid: int) -> dict[str, int]:
    rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    found = {row[0].rstrip(":"): int(row[1]) for row in rows}
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "private": found["Private_Dirty"] + found["Private_Clean"],
        "page tables": int(status["VmPTE"].split()[0]),
    }


def code_private_kib(pid: int) -> int:
    """Private pages of the artifact's executable mappings."""
    total, in_code = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            in_code = "x" in words[1] and "memfd:aot" in line
        elif in_code and words[0] in ("Private_Dirty:", "Private_Clean:"):
            total += int(words[1])
    return total


def idle(container: Container, count: int) -> None:
    reader, writer = os.pipe()
    out_reader, out_writer = os.pipe()
    for _ in range(count):
        container.spawn("guest", "cat", fds=(reader, out_writer, out_writer))
        os.write(writer, b".")
        os.read(out_reader, 1)
    pids = container.host_pids()
    rows = [private_kib(pid) for pid in pids]
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        print(f"{'idle guest, ' + name:<30} {values[len(values) // 2]:7} KiB (median of {len(values)})")
    print(f"{'private pages of AOT code':<30} {max(map(code_private_kib, pids)):7} KiB")


def containers(zygote: Zygote, root: Path, count: int) -> None:
    """So many containers at once, each with one guest that has run: time and memory of one."""
    times, made = [], []
    for _ in range(count):
        begin = time.perf_counter()
        made.append(zygote.create(root, ALLOWED))
        times.append((time.perf_counter() - begin) * 1e6)
    assert all(container.run("guest", "echo", "here").out == b"here\n" for container in made)
    kib = sorted(private_kib(container.pid)["private"] for container in made)
    times.sort()
    print(f"{'container, ' + str(count) + ' at once':<30} made in p50 {times[len(times) // 2]:7.0f} us")
    print(f"{'container, private':<30} {kib[len(kib) // 2]:7} KiB")
    for container in made:
        container.close()


def merged_artifact(work: Path) -> tuple[Path, int, int]:
    """The programs of tests/merge in one artifact, how many they are, and the entry of echo."""
    programs = {}
    for source in sorted((ROOT / "tests" / "merge" / "programs").glob("*.c")):
        output = work / f"{source.stem}.wasm"
        subprocess.run([sys.executable, "-m", "recompiler", "cc", source, "-o", output], check=True)
        programs[source.stem] = output.read_bytes()
    merged = merge(list(programs.items()))
    path = work / "merged.cwasm"
    path.write_bytes(aot.compile_module(merged.data, TARGET))
    return path, len(programs), next(row["entry"] for row in merged.entries.values() if row["export"] == "echo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--burst", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=32)
    parser.add_argument("--containers", type=int, default=200)
    parser.add_argument("--merged", action="store_true", help="and a start from an artifact of many programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "root").mkdir()
        (work / "native.c").write_text(NATIVE)
        compiler = [sys.executable, "-m"]
        subprocess.run([*compiler, "ziglang", "cc", "-O2", work / "native.c", "-o", work / "native"], check=True)
        guest = Path(__file__).with_name("guest.c")
        subprocess.run([*compiler, "recompiler", "cc", guest, "-o", work / "guest.wasm"], check=True)
        artifact = work / "guest.cwasm"
        artifact.write_bytes(aot.compile_module((work / "guest.wasm").read_bytes(), TARGET))
        with Zygote() as zygote:
            zygote.load(artifact)
            container = zygote.create(work / "root", ALLOWED, Limits(processes=256))
            fd = container.control.sock.fileno()
            argv = ("guest", "echo", "hello")
            client("--bench", str(fd), "20", "0", *argv, fd=fd)
            half = str(options.count // 2)
            lines = client("--bench", str(fd), half, "0", *argv, fd=fd)
            native = client("--native", half, work / "native")
            lines += client("--bench", str(fd), half, "0", *argv, fd=fd)
            native += client("--native", half, work / "native")
            percentiles("engine", lines)
            percentiles("native fork + execve", native)
            burst(container, options.burst)
            idle(container, options.idle)
            containers(zygote, work / "root", options.containers)
        if options.merged:
            path, count, entry = merged_artifact(work)
            with Zygote() as zygote:
                zygote.load(path)
                container = zygote.create(work / "root", ALLOWED)
                fd = container.control.sock.fileno()
                lines = client("--bench", str(fd), str(options.count), str(entry), "echo", "hello", fd=fd)
                percentiles(f"engine, {count} programs merged", lines)


if __name__ == "__main__":
    main()
