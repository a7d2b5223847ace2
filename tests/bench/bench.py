"""Speed, measured side by side in one run: each row is a median, beside the row it is a ratio of.

make bench        (RECOMPILER_BENCH_MIB=1024 sizes the file of the verify row)
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.testbed import ROOT

BENCH = Path(__file__).resolve().parent
STARTS = 60
TRIPS = 20_000
MIB = int(os.environ.get("RECOMPILER_BENCH_MIB", "1024"))
# What a binary write of one byte moves: header + record + path-less payload, and header + reply record.
REQUEST_BYTES, REPLY_BYTES = 32 + 64 + 1, 32 + 16


def tool(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "recompiler", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def native(source: Path, output: Path) -> Path:
    target = f"{platform.machine()}-linux-musl"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-static", "-O2", "-s", source, "-o", output]
    subprocess.run([str(c) for c in command], check=True)
    return output


def interleaved(rounds: int, *runs: Callable[[], float]) -> list[list[float]]:
    """Runs each in turn, A B A B ..., so that all see the same weather; one warm-up round is not counted."""
    samples: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for sample, run in zip(samples, runs, strict=True):
            value = run()
            if number:
                sample.append(value)
    return samples


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def first_output(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Milliseconds from fork+exec to the first byte on the program's stdout."""
    read, write = os.pipe()
    start = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, write, 1)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
    os.close(write)
    byte = os.read(read, 1)
    elapsed = time.perf_counter() - start
    os.close(read)
    _, status = os.waitpid(pid, 0)
    if not byte or status & 0x7F:
        raise SystemExit(f"bench: {command[0]} gave no output (status {status})")
    return elapsed * 1e3


@contextmanager
def serving(folder: Path, cid: str) -> Iterator[dict[str, str]]:
    """A vkernel on folder/run; yields the environment its guests need."""
    (folder / "root").mkdir(exist_ok=True)
    options = {"run-dir": "run", "root": "root", "pubkeys": "pubkeys.json", "audit": "audit.jsonl"}
    command = [sys.executable, "-m", "vkernel_proto", "serve", "--cid", cid]
    for name, value in options.items():
        command += [f"--{name}", str(folder / value)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(400):
            if (folder / "run" / f"{cid}.sock").exists():
                break
            time.sleep(0.025)
        yield {
            "RECOMPILER_CID": cid,
            "RECOMPILER_RUN_DIR": str(folder / "run"),
            "RECOMPILER_PUBKEYS": str(folder / "pubkeys.json"),
        }
    finally:
        server.terminate()
        server.wait(20)


def signed(folder: Path, source: Path, name: str) -> Path:
    wasm, manifest, output = (folder / f"{source.stem}{suffix}" for suffix in (".wasm", ".json", ""))
    tool("cc", source, "-o", wasm)
    tool("manifest", "--name", name, wasm, "-o", manifest)
    stub = f"{platform.machine()}-linux-dev"
    tool("append", "--blob", wasm, "--manifest", manifest, "--key", folder / "dev.key", stub, "-o", output)
    return output


def row(name: str, value: str, ratio: str, aim: str = "") -> None:
    print(f"{name:<46} {value:>18}   {ratio:<26} {aim}", flush=True)


def bench_start(folder: Path) -> None:
    hello = ROOT / "examples" / "hello" / "hello.c"
    bare = native(hello, folder / "hello-native")
    program = signed(folder, hello, "bench/hello")
    with serving(folder, "bench") as environment:
        base, ours = interleaved(
            STARTS,
            lambda: first_output([str(bare)], {}),
            lambda: first_output([str(program)], environment),
        )
    for name, values in (("native hello, start to first output", base), ("stub + vkernel hello", ours)):
        median = statistics.median(values)
        spread = f"p99 {percentile(values, 0.99):.2f} ms"
        ratio = f"{median / statistics.median(base):.1f}x native, {spread}"
        row(name, f"{median:.2f} ms", ratio if values is ours else spread)
    extra = statistics.median(ours) - statistics.median(base)
    row("  beyond native", f"{extra:.2f} ms", "", "aim <= 2 ms")


def bench_round_trip(folder: Path) -> None:
    bare = native(BENCH / "roundtrip.c", folder / "roundtrip")
    program = signed(folder, BENCH / "writes.c", "bench/writes")

    def bare_trip() -> float:
        command = [str(bare), str(TRIPS), str(REQUEST_BYTES), str(REPLY_BYTES)]
        return float(subprocess.run(command, check=True, capture_output=True).stdout)

    def guest_trip(environment: Mapping[str, str], encoding: str) -> float:
        command = [str(program), str(TRIPS)]
        variables = {**environment, "RECOMPILER_ENCODING": encoding}
        result = subprocess.run(command, check=True, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return float(result.stderr)

    with serving(folder, "trips") as environment:
        samples = interleaved(
            7,
            bare_trip,
            lambda: guest_trip(environment, "binary"),
            lambda: guest_trip(environment, "json"),
        )
    base = statistics.median(samples[0])
    row("bare UNIX round trip (C to C)", f"{base / 1e3:.1f} us", "")
    for name, values, aim in (("binary", samples[1], "aim <= 2x"), ("json", samples[2], "")):
        median = statistics.median(values)
        row(f"write of 1 byte by a guest, {name}", f"{median / 1e3:.1f} us", f"{median / base:.2f}x bare", aim)


def bench_verify(folder: Path) -> None:
    """A file of MIB MiB: its WASM section is a module with a huge custom section."""
    from recompiler import native as c_reader
    from recompiler.both import verify_both
    from recompiler.format import verify
    from recompiler.format.keystore import KeyStore

    hello = (folder / "hello.wasm").read_bytes()
    big = folder / "big.wasm"
    size = MIB * 2**20 - len(hello) - 64 - 2**20 // 2
    block = os.urandom(1 << 20)
    with big.open("wb") as out:
        name = b"\x07padding"
        body = size + len(name)
        length = bytes(((body >> shift) & 0x7F) | (0x80 if shift < 28 else 0) for shift in (0, 7, 14, 21, 28))
        out.write(hello + b"\x00" + length + name)
        while size > 0:
            out.write(block[:size])
            size -= len(block)
    manifest, program = folder / "big.json", folder / "big"
    tool("manifest", "--name", "bench/big", big, "-o", manifest)
    stub = f"{platform.machine()}-linux-dev"
    tool("append", "--blob", big, "--manifest", manifest, "--key", folder / "dev.key", stub, "-o", program)
    big.unlink()
    store = KeyStore.open(folder / "pubkeys.json")
    c_store = c_reader.KeyStore.open(folder / "pubkeys.json")
    total = program.stat().st_size

    def rate(run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        return total / (time.perf_counter() - start) / 1e9

    def opened(reader: Callable[[int], object]) -> Callable[[], object]:
        def run() -> object:
            fd = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return reader(fd)
            finally:
                os.close(fd)

        return run

    def sum_with_cat() -> object:
        with program.open("rb", buffering=0) as stream:
            block = bytearray(1 << 20)
            while stream.readinto(block):
                pass
        return None

    samples = interleaved(
        5,
        lambda: rate(sum_with_cat),
        lambda: rate(opened(lambda fd: c_reader.verify_fd(fd, c_store, now=int(time.time())))),
        lambda: rate(opened(lambda fd: verify.verify_fd(fd, store))),
        lambda: rate(opened(lambda fd: verify_both(fd, folder / "pubkeys.json"))),
    )
    base = statistics.median(samples[0])
    names = ("reading the file", "C reader", "Python reader", "both readers (recompiler verify)")
    for name, values in zip(names, samples, strict=True):
        median = statistics.median(values)
        aim = "aim >= 1.5 GB/s" if name.startswith("both") else ""
        row(f"verify {total / 2**20:.0f} MiB: {name}", f"{median:.2f} GB/s", f"{median / base:.2f}x reading", aim)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="recompiler-bench-") as name:
        folder = Path(name)
        tool("keygen", "--dev", "--label", "bench", "-o", folder / "dev.key")
        tool("pubkeys", "--role", "dev", folder / "dev.pub", "-o", folder / "pubkeys.json")
        print(f"medians; {os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}")
        for step in (bench_start, bench_round_trip, bench_verify):
            step(folder)


if __name__ == "__main__":
    main()
