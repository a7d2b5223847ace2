"""Each example, compiled, signed and run through the stub and a private vkernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed import ROOT, Signer, recompiler, run_guest

Build = Callable[[Path], Path]
EXAMPLES = ROOT / "examples"


def audit_events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_hello_prints_its_arguments(signer: Signer, compile_guest: Build) -> None:
    program = signer.sign(compile_guest(EXAMPLES / "hello" / "hello.c"), "demo/hello")
    result = run_guest(signer, program, "signed", "world")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"hello from wasm, signed, world\n", b"")


def test_hello_in_both_encodings(signer: Signer, compile_guest: Build) -> None:
    program = signer.sign(compile_guest(EXAMPLES / "hello" / "hello.c"), "demo/hello")
    for encoding in ("json", "binary"):
        result = run_guest(signer, program, options=["--encoding", encoding])
        assert (result.returncode, result.stdout) == (0, b"hello from wasm\n"), (encoding, result.stderr)


def test_hello_from_wat_needs_one_import(signer: Signer, tmp_path: Path) -> None:
    wasm = tmp_path / "hello.wasm"
    recompiler("cc", EXAMPLES / "hello" / "hello.wat", "-o", wasm)
    result = run_guest(signer, signer.sign(wasm, "demo/hello-wat"))
    assert (result.returncode, result.stdout) == (0, b"hello from wat\n"), result.stderr


def test_files_reads_and_writes_inside_its_root_only(signer: Signer, compile_guest: Build, tmp_path: Path) -> None:
    program = signer.sign(compile_guest(EXAMPLES / "files" / "files.c"), "demo/files")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "in.txt").write_text("one two\nthree  four\n")
    result = run_guest(signer, program, "in.txt", "/etc/out.txt", options=["--root", root])
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == b"etc/ 0 bytes\nin.txt 20 bytes\n"
    assert (root / "etc" / "out.txt").read_text() == "in.txt has 4 words\n"

    (root / "leak").symlink_to("/etc/passwd")  # resolves inside the root, where there is no passwd
    result = run_guest(signer, program, "leak", "/out.txt", options=["--root", root])
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"No such file" in result.stderr


def test_tcp_talks_to_the_server_its_manifest_names(
    signer: Signer, compile_guest: Build, echo_server: tuple[int, list[bytes]]
) -> None:
    port, received = echo_server
    wasm = compile_guest(EXAMPLES / "tcp" / "tcp.c")
    program = signer.sign(wasm, "demo/tcp", "--connect", f"127.0.0.1:{port}")
    result = run_guest(signer, program, str(port), "good morning")
    assert (result.returncode, result.stderr) == (0, b"")
    assert (result.stdout, received) == (b"server says: GOOD MORNING\n", [b"good morning\n"])


def test_denied_shows_each_refusal_in_the_audit_log(signer: Signer, compile_guest: Build, tmp_path: Path) -> None:
    wasm = compile_guest(EXAMPLES / "denied" / "denied.c")
    allow = "write,fstat,newfstatat,openat,close,socket,connect,exit_group,fcntl"
    program = signer.sign(wasm, "demo/denied", "--allow", allow)
    audit = tmp_path / "audit.jsonl"
    result = run_guest(signer, program, options=["--audit", audit])
    assert result.returncode == 0, result.stderr
    lines = result.stdout.decode().splitlines()
    assert lines == ["mkdir /loot: Operation not permitted", "connect 127.0.0.1:25: Permission denied"]
    denied = [event for event in audit_events(audit) if event["event"] == "deny"]
    assert [event.get("syscall") for event in denied] == ["mkdirat", "connect"]
    assert (denied[1]["address"], denied[1]["port"]) == ("127.0.0.1", 25)


@pytest.mark.parametrize("damage", [10_000, -700])
def test_run_refuses_a_changed_file(signer: Signer, compile_guest: Build, tmp_path: Path, damage: int) -> None:
    program = signer.sign(compile_guest(EXAMPLES / "hello" / "hello.c"), "demo/hello")
    data = bytearray(program.read_bytes())
    data[damage] ^= 1
    changed = tmp_path / "changed"
    changed.write_bytes(data)
    changed.chmod(0o755)
    result = run_guest(signer, changed)
    assert result.returncode in (11, 12)
    assert result.stdout == b""
    assert b"E_" in result.stderr
