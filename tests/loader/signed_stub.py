"""In: a module. Out: a signed development stub around it, run against a scripted vkernel."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.format import builder
from tests.loader.fake_vkernel import OK, Call, FakeVkernel
from tests.testbed import ROOT

STUBS = ROOT / "tools" / "recompiler" / "stubs"
NATIVE = f"{platform.machine()}-linux"
MIB = 1 << 20

# What a module of these tests begins with.
IMPORTS = """
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
"""
MEMORY = '(memory (export "memory") 1)'


def stub_bytes(name: str = f"{NATIVE}-dev") -> bytes:
    return (STUBS / f"stub-{name}").read_bytes()


def private_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_program(
    folder: Path, module: bytes, *, limit: int = 64 * MIB, stub: bytes | None = None, subject: str = "demo/hello"
) -> Path:
    """A signed program in a private folder, beside the pubkeys.json that trusts it; limit: its memory_bytes."""
    now = int(time.time())
    limits = {"memory_bytes": limit, "processes": 1, "open_files": 16}
    policy = builder.manifest_document(module)["policy"] | {"limits": limits}
    manifest = builder.dump(builder.manifest_document(module, policy=policy, name=subject))
    file = builder.executable(
        stub_bytes() if stub is None else stub,
        module,
        manifest,
        signed_at=now - 10,
        subject=subject.encode().ljust(64, b"\0"),
    )
    key = builder.key(0)
    row = builder.key_row(key, not_before=now - 1000, not_after=now + 1000000, subjects=["*"])
    private_folder(folder)
    (folder / "pubkeys.json").write_bytes(builder.store([row]))
    (folder / "pubkeys.json").chmod(0o600)
    program = folder / "program"
    program.write_bytes(file.signed(key))
    program.chmod(0o755)
    return program


def environment(program: Path, **more: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "RECOMPILER_PUBKEYS": str(program.parent / "pubkeys.json"), **more}


@dataclass
class Outcome:
    """What a parent of the stub sees, and what its vkernel saw."""

    status: int  # negative: died by that signal
    stdout: bytes
    stderr: bytes
    vkernel: FakeVkernel

    @property
    def line(self) -> str:
        """The one line of a refusal or a trap."""
        text = self.stderr.decode()
        assert text.count("\n") == 1, text
        assert text.startswith("recompiler: "), text
        return text.removeprefix("recompiler: ").rstrip("\n")

    @property
    def code(self) -> str:
        return self.line.split(":")[0]


def run(
    program: Path,
    *arguments: str,
    encoding: str = "binary",
    answer: dict[str, Any] | bytes | None = OK,
    serve: Callable[[FakeVkernel, Call], bytes] | None = None,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    inherit: Sequence[int] = (),
    **options: Any,
) -> Outcome:
    """Runs program over an inherited socketpair whose other end is a FakeVkernel."""
    ours, theirs = socket.socketpair()
    vkernel = FakeVkernel(ours, answer, serve).start()
    settings = {"RECOMPILER_SOCKET_FD": str(theirs.fileno()), "RECOMPILER_ENCODING": encoding, **(env or {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(
        [*prefix, str(program), *arguments],
        env=environment(program, **settings),
        pass_fds=[theirs.fileno(), *inherit],
        **pipes,
        **options,
    )
    theirs.close()
    try:
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
        vkernel.stop()
    return Outcome(process.returncode, stdout or b"", stderr or b"", vkernel)


def process_of(program: Path) -> Path:
    """/proc/PID of the child of this process that executes program."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if os.readlink(f"/proc/{pid}/exe") == str(program):
                return Path("/proc") / pid
    raise LookupError(program)


def run_alone(program: Path, *arguments: str, prefix: Sequence[str] = (), **options: Any) -> Outcome:
    """Runs program without any socket; env is given in full when it is given."""
    options = {"env": environment(program), "capture_output": True, "timeout": 60, "check": False} | options
    result = subprocess.run([*prefix, str(program), *arguments], **options)
    ours, theirs = socket.socketpair()
    theirs.close()
    return Outcome(result.returncode, result.stdout or b"", result.stderr or b"", FakeVkernel(ours))


def is_root() -> bool:
    return os.geteuid() == 0
