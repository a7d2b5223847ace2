"""In: the fuzz targets of `csrc/build.py fuzz`. Out: executions, speed and edges of each; a named file for each crash.

    python -m tests.fuzz.run [--seconds N] [--seed S] [TARGET...]       N seconds for each target and set of sanitizers

Exit 0: nothing found. 1: a finding: its input lies in tests/fuzz/crashes/TARGET/, `TARGET --replay FILE` shows it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz import make_corpus as corpus
from tests.testbed import ROOT

CRASHES = Path(__file__).resolve().parent / "crashes"
BUILD = Path(os.environ.get("RECOMPILER_BUILD_DIR", ROOT / "build")) / "fuzz"

# Leaks are looked for at the end of a run; a target must not grow without bound.
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


def current_input(path: Path) -> bytes:
    """What the driver's shared map holds: its length (u64, little-endian), then the input."""
    raw = path.read_bytes()
    return raw[8 : 8 + int.from_bytes(raw[:8], "little")]


def fuzz_one(program: Path, seconds: float, seed: int) -> Path | None:
    """Runs one target; the named input of a finding, or None."""
    target = program.name
    current = program.with_name(f"{target}.current")
    folders = [folder for folder in (BUILD / "corpus" / target, CRASHES / target) if folder.is_dir()]
    command = [program, "--seconds", str(seconds), "--seed", str(seed), "--current", current, *folders]
    print(f"== {program.parent.name}/{target}", flush=True)
    result = subprocess.run(command, env=os.environ | ENVIRONMENT, timeout=seconds + 300, check=False)
    if result.returncode == 0:
        return None
    if not current.exists():
        print(f"fuzz: {target} ended with {result.returncode} after its inputs (a leak?), or did not start", flush=True)
        return program
    data = current_input(current)
    finding = CRASHES / target / hashlib.sha256(data).hexdigest()[:16]
    finding.parent.mkdir(parents=True, exist_ok=True)
    finding.write_bytes(data)
    print(f"fuzz: FINDING, exit {result.returncode}: {program} --replay {finding}", flush=True)
    return finding


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("target", nargs="*")
    options = parser.parse_args()
    programs = [p for p in sorted(BUILD.glob("*san/fuzz_*")) if p.suffix == ""]
    programs = [p for p in programs if not options.target or p.name in options.target]
    if not programs:
        print("fuzz: no such targets: run csrc/build.py fuzz first", file=sys.stderr)
        return 2
    corpus.make(BUILD / "corpus")
    findings = [f for p in programs if (f := fuzz_one(p, options.seconds, options.seed)) is not None]
    print(f"fuzz: {len(programs)} runs, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
