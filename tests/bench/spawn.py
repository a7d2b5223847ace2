"""Starts of a guest through `vkernel serve --bundle`, beside native fork + execve and OCI runtimes, in one run.

    python -m tests.bench.spawn [--count 1000] [--burst 1000] [--idle 32] [--containers 200] [--oci 20]

vkexec --bench asks for one start after the other, over one connection; --burst for at most 32 at once. The runtimes
that are installed (crun, runc, runsc) run a static program in a bundle of their own. All take turns, in small rounds.
Figures differ by machine; compare the columns of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.bundles import TestBundle, make_bundle
from tests.csrc.engine.served import Served, children, serving
from tests.testbed import ROOT, Signer, recompiler

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
ALLOWED = ("write", "read", "close", "fstat", "fcntl", "lseek")
ROUNDS = 10
Run = Callable[[int], list[str]]  # so many starts; a line for each


def percentiles(label: str, lines: list[str]) -> None:
    for column, what in enumerate(("first byte", "exit")):
        times = sorted(int(line.split()[column]) / 1000 for line in lines)
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        print(f"{label:<28} to {what:<10} p50 {p50:7.0f} us   p99 {p99:7.0f} us   ({len(times)} starts)", flush=True)


def output(command: Iterable[str | bytes | Path]) -> list[str]:
    return subprocess.run(list(command), check=True, capture_output=True, text=True).stdout.splitlines()


def compiled(work: Path, source: str, name: str, *options: str) -> Path:
    (work / f"{name}.c").write_text(source)
    command = [sys.executable, "-m", "ziglang", "cc", "-O2", *options, work / f"{name}.c", "-o", work / name]
    subprocess.run(command, check=True)
    return work / name


def signed(work: Path, programs: dict[str, Path], folder: str) -> TestBundle:
    """A signed bundle of C programs by path."""
    data = {}
    for path, source in programs.items():
        wasm = work / f"{source.stem}.wasm"
        if not wasm.exists():
            recompiler("cc", source, "-o", wasm)
        data[path] = wasm.read_bytes()
    (work / folder).mkdir()
    return make_bundle(work / folder, signer(work), data, allow=ALLOWED, processes=256)


def signer(work: Path) -> Signer:
    if not (work / "pubkeys.json").exists():
        recompiler("keygen", "--dev", "--label", "bench", "-o", work / "dev.key")
        recompiler("pubkeys", "--role", "dev", work / "dev.pub", "-o", work / "pubkeys.json")
    return Signer(work, work / "dev.key", work / "pubkeys.json")


# ---- who takes turns


def ours(served: Served, *argv: str, hash: str = "") -> Run:
    options = ("-H", hash) if hash else ()
    return lambda count: output(served.command(*options, "--bench", str(count), "--", *argv))


def native(starts: Path, program: Path) -> Run:
    return lambda count: output([starts, str(count), program])


def oci(work: Path, starts: Path, static: Path) -> dict[str, Run]:
    """The runtimes of this machine that can run a container here."""
    found: dict[str, Run] = {}
    for name in ("crun", "runc"):
        if not (path := shutil.which(name)):
            print(f"{name}: not installed")
            continue
        bundle = work / name
        (bundle / "rootfs").mkdir(parents=True)
        shutil.copy(static, bundle / "rootfs" / "hello")
        subprocess.run([path, "spec", *([] if os.geteuid() == 0 else ["--rootless"])], cwd=bundle, check=True)
        config = json.loads((bundle / "config.json").read_text())
        config["process"] |= {"args": ["/hello"], "terminal": False}
        (bundle / "config.json").write_text(json.dumps(config))
        command = ["--root", work / f"{name}.state", "run", "--bundle", bundle, f"bench-{os.getpid()}"]
        found |= runnable(f"{name} run", starts, [path, *command])
    if path := shutil.which("runsc"):
        found |= runnable("runsc do", starts, [path, "--rootless", "do", static])
    else:
        print("runsc: not installed")
    return found


# crun 1.8 refuses cgroups v1 and v2 side by side; in a mount namespace it need not see the second.
HYBRID = "cgroups in hybrid mode"
HIDDEN = ["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified && exec "$@"', "sh"]


def runnable(label: str, starts: Path, command: list[str | Path], within: Sequence[str] = ()) -> dict[str, Run]:
    tried = subprocess.run([*within, *command], capture_output=True, text=True, timeout=60, check=False)
    if tried.returncode == 0:
        return {label: lambda count: output([*within, starts, str(count), *command])}
    why = (tried.stderr or tried.stdout).strip()[:200]
    if HYBRID in why and not within:
        return runnable(label, starts, command, HIDDEN)
    print(f"{label}: does not run here: {why}")
    return {}


# ---- memory


def private_kib(pid: int) -> dict[str, int]:
    rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    found = {row[0].rstrip(":"): int(row[1]) for row in rows}
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {"private": found["Private_Dirty"] + found["Private_Clean"], "page tables": int(status["VmPTE"].split()[0])}


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


def idle(served: Served, count: int) -> None:
    """Guests that have run, and wait for input."""
    with ExitStack() as stack:
        for _ in range(count):
            command = served.command("--", "guest", "cat")
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            assert process.stdin is not None
            assert process.stdout is not None
            stack.callback(process.stdin.close)
            process.stdin.write(b".")
            process.stdin.flush()
            process.stdout.read(1)
        pids = served.host_guests()
        assert len(pids) == count
        rows = [private_kib(pid) for pid in pids]
        for name in rows[0]:
            values = sorted(row[name] for row in rows)
            print(f"{'idle guest, ' + name:<28} {values[len(values) // 2]:7} KiB (median of {len(values)})")
        print(f"{'private pages of AOT code':<28} {max(map(code_private_kib, pids)):7} KiB")


def containers(bundle: TestBundle, work: Path, count: int) -> None:
    """So many containers at once, each with a guest that has run."""
    cids = [f"c{number}" for number in range(count)]
    (work / "many").mkdir()
    begin = time.perf_counter()
    with serving(bundle, work / "many", *cids) as served:
        made = time.perf_counter() - begin
        print(f"{f'{count} containers at once':<28} ready in {made:5.2f} s, the vkernel's own start included")
        begin = time.perf_counter()
        with ThreadPoolExecutor(16) as pool:
            ends = list(pool.map(lambda cid: served.vkexec("--", "guest", "echo", "here", cid=cid).stdout, cids))
        assert ends == [b"here\n"] * count
        print(f"{'':<28} a guest in each in {time.perf_counter() - begin:5.2f} s, from one vkexec each")
        (zygote,) = children(served.process.pid)
        first = children(zygote)
        assert len(first) == count
        kib = sorted(private_kib(pid)["private"] for pid in first)
        print(f"{'container, private':<28} {kib[count // 2]:7} KiB (median)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, count in (("count", 1000), ("burst", 1000), ("idle", 32), ("containers", 200), ("oci", 20)):
        parser.add_argument(f"--{name}", type=int, default=count)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        program = compiled(work, HELLO, "native")
        static = compiled(work, HELLO, "static", "-target", f"{os.uname().machine}-linux-musl", "-static")
        starts = compiled(work, (ROOT / "tests/bench/starts.c").read_text(), "starts", "-D_GNU_SOURCE")
        alone = signed(work, {"/bin/guest": ROOT / "tests/csrc/engine/guest.c"}, "alone")
        programs = ROOT / "tests/recompiler/merge/programs"
        paths = {f"/bin/{source.stem}": source for source in sorted(programs.glob("*.c"))}
        merged = signed(work, paths, "merged")
        for name in ("one", "other"):
            (work / name).mkdir()
        one = stack.enter_context(serving(alone, work / "one", "demo"))
        other = stack.enter_context(serving(merged, work / "other", "demo"))
        runs = {
            "engine, by name": ours(one, "guest", "echo", "hello"),
            "engine, by hash": ours(one, "guest", "echo", "hello", hash=alone.hash["/bin/guest"]),
            f"engine, {len(paths)} programs merged": ours(other, "echo", "hello"),
            "native fork + execve": native(starts, program),
        }
        slow = oci(work, starts, static) if options.oci else {}
        lines: dict[str, list[str]] = {label: [] for label in (*runs, *slow)}
        for run in runs.values():
            run(20)
        for _ in range(ROUNDS):
            for label, run in (runs | slow).items():
                lines[label] += run(max(1, (options.oci if label in slow else options.count) // ROUNDS))
        for label, found in lines.items():
            percentiles(label, found)
        (rate,) = output(one.command("--burst", str(options.burst), "--", "guest", "echo", "hello"))
        print(f"{'engine, burst of ' + str(options.burst):<28} {rate:>7} starts/s")
        idle(one, options.idle)
        if options.containers:
            containers(alone, work, options.containers)


if __name__ == "__main__":
    main()
