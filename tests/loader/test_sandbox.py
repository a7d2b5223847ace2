"""rc_sandbox_lock: what a stub that was taken over could still ask of the kernel, one attempt per process."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loader.signed_stub import ROOT

SOURCES = ["sandbox/sandbox.c", "sandbox/seccomp.c", "base/error.c"]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sandbox_probe.c as the stub is built: static, musl."""
    output = tmp_path_factory.mktemp("probe") / "probe"
    target = f"{platform.machine()}-linux-musl"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-static", "-std=c11", "-D_GNU_SOURCE", "-O1"]
    sources = [ROOT / "csrc" / name for name in SOURCES]
    own = ROOT / "tests" / "loader" / "sandbox_probe.c"
    subprocess.run([*command, f"-I{ROOT / 'csrc'}", own, *sources, "-o", output], check=True, timeout=300)
    return output


def test_what_is_allowed_works_and_anything_else_kills(probe: Path) -> None:
    names = subprocess.run([probe], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert len(names) > 50
    wrong = []
    for name in names:
        if name == "-x32_write" and platform.machine() != "x86_64":
            continue
        result = subprocess.run([probe, name[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        if result.returncode != (0 if name[0] == "+" else -signal.SIGSYS):
            wrong.append((name, result.returncode))
    assert wrong == []


def test_the_stub_runs_a_guest_under_that_filter(hello: Path) -> None:
    """Seccomp: 2 in /proc/PID/status is a filter; NoNewPrivs: 1."""
    from tests.loader.fake_vkernel import Call, FakeVkernel
    from tests.loader.signed_stub import process_of, run

    found: dict[str, str] = {}

    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        status = (process_of(hello) / "status").read_text()
        found.update(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        return vkernel.usual(call)

    assert run(hello, serve=serve).status == 7
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "1")
