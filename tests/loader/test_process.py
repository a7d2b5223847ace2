"""What a parent leaves to a stub, and what the stub's own file may be: one line and exit 125, before anything else."""

from __future__ import annotations

import base64
import os
import resource
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.format import builder
from tests.loader.fake_vkernel import Call, FakeVkernel
from tests.loader.signed_stub import (
    NATIVE,
    STUBS,
    environment,
    is_root,
    process_of,
    run,
    run_alone,
    stub_bytes,
    write_program,
)

needs_root = pytest.mark.skipif(not is_root(), reason="needs root")


# ---- the file


def test_a_bare_stub_refuses() -> None:
    for name in (NATIVE, f"{NATIVE}-dev"):
        outcome = run_alone(STUBS / f"stub-{name}")
        assert (outcome.status, outcome.code, outcome.stdout) == (125, "E_NO_TRAILER", b"")


def test_a_stripped_program_refuses(hello: Path, tmp_path: Path) -> None:
    bare = tmp_path / "program"
    bare.write_bytes(stub_bytes() + b"\0" * 64)
    bare.chmod(0o755)
    assert run_alone(bare).code == "E_NO_TRAILER"


def test_one_changed_byte_of_the_module_refuses(hello: Path, tmp_path: Path) -> None:
    data = bytearray(hello.read_bytes())
    place = data.index(b"\0asm") + 20
    data[place] ^= 1
    changed = tmp_path / "program"
    changed.write_bytes(data)
    changed.chmod(0o755)
    shutil.copy(hello.parent / "pubkeys.json", tmp_path)
    tmp_path.chmod(0o700)
    assert run(changed).code == "E_DIGEST"


def test_an_unusable_key_store_is_the_verdict_only_where_keys_are_needed(hello: Path, tmp_path: Path) -> None:
    env = {"RECOMPILER_PUBKEYS": str(tmp_path / "absent.json")}
    assert run(hello, env=env).code == "E_KEYS_OPEN"
    truncated = tmp_path / "program"
    truncated.write_bytes(hello.read_bytes()[16:])
    truncated.chmod(0o755)
    file = builder.with_statement(builder.executable(stub_bytes()), version=2)
    truncated.write_bytes(file.signed(builder.key(0)))
    assert run(truncated, env=env).code == "E_VERSION"


def test_a_detached_trailer_does_not_belong_to_a_program(hello: Path, tmp_path: Path) -> None:
    detached, _ = builder.detached()
    program = tmp_path / "program"
    program.write_bytes(stub_bytes() + detached.signed(builder.key(0)))
    program.chmod(0o755)
    outcome = run_alone(program)
    assert outcome.status == 125
    assert outcome.code in {"E_STATEMENT_OFFSET", "E_KIND"}


def test_a_production_stub_takes_no_key_store_from_the_environment(tmp_path: Path) -> None:
    program = write_program(tmp_path / "p", builder.wasm(), stub=stub_bytes(NATIVE))
    outcome = run(program)
    assert outcome.status == 125
    assert outcome.code.startswith("E_KEY")
    assert outcome.vkernel.hello == {}


def test_under_the_loader_of_dynamic_programs_it_is_itself_or_refuses(hello: Path) -> None:
    """`ld.so FILE`: a new glibc executes a static FILE; with an old one /proc/self/exe is ld.so: no trailer."""
    loaders = sorted(Path("/lib64").glob("ld-linux*")) + sorted(Path("/lib").glob("ld-*.so*"))
    if not loaders:
        pytest.skip("no dynamic loader here")
    outcome = run(hello, prefix=[str(loaders[0])])
    if outcome.status != 7:
        assert (outcome.stdout, outcome.vkernel.hello) == (b"", {})


@needs_root
def test_refuses_a_proc_that_is_no_proc_file_system(hello: Path) -> None:
    """Its self/exe names a program that would verify."""
    script = 'mount -t tmpfs none /proc && mkdir /proc/self && ln -s "$0" /proc/self/exe && exec "$0" "$@"'
    outcome = run(hello, prefix=["unshare", "-m", "sh", "-c", script])
    if b"unshare" in outcome.stderr or b"mount" in outcome.stderr:
        pytest.skip("no mount namespaces here")
    assert (outcome.status, outcome.code) == (125, "E_OPEN")


def test_says_that_the_descriptors_are_used_up(hello: Path) -> None:
    """Not that /proc is wrong."""
    for limit in (3, 4):
        outcome = run_alone(hello, preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit)))
        assert (outcome.status, "file descriptors" in outcome.line) == (125, True)
        assert outcome.code == ("E_PROCESS_FDS" if limit == 3 else "E_KEYS_OPEN")


# ---- the process


@needs_root
def test_refuses_to_run_set_user_id(hello: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy(hello, program)
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    tmp_path.chmod(0o755)
    outcome = run(program)
    if outcome.code != "E_PROCESS_SECURE":
        pytest.skip(f"set-user-id does not work on this file system: {outcome.line}")
    assert outcome.status == 125


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_fds_become_dev_null(hello: Path, closed: tuple[int, ...]) -> None:
    def close() -> None:
        for fd in closed:
            os.close(fd)

    seen: list[str] = []

    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        seen[:] = [os.readlink(f"/proc/self/fd/{fd}") for fd in vkernel.fds]
        return vkernel.usual(call)

    outcome = run(hello, serve=serve, preexec_fn=close)
    assert outcome.status == 7
    assert [seen[fd] for fd in closed] == ["/dev/null"] * len(closed)
    assert outcome.stdout == (b"" if 1 in closed else b"hello\n")


def test_no_stray_fd_stays_open(hello: Path) -> None:
    stray = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    open_fds: list[str] = []

    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        open_fds[:] = [os.readlink(entry) for entry in (process_of(hello) / "fd").iterdir()]
        return vkernel.usual(call)

    outcome = run(hello, serve=serve, inherit=stray)
    for fd in stray:
        os.close(fd)
    assert outcome.status == 7
    # stdin, stdout, stderr and the socket
    assert sorted(name.split(":")[0] for name in open_fds) == ["/dev/null", "pipe", "pipe", "socket"]


def test_a_refusal_is_status_125_although_nobody_reads_stderr(hello: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([hello], env=environment(hello, RECOMPILER_ENCODING="xml"), stderr=writer, timeout=60)
    os.close(writer)
    assert result.returncode == 125


@pytest.mark.parametrize("value", ["", "x", "-1", "2", "3x", " 3", "99999999", "0x3", "1023"])
def test_refuses_a_socket_fd_that_is_none(hello: Path, value: str) -> None:
    outcome = run(hello, env={"RECOMPILER_SOCKET_FD": value})
    assert (outcome.status, outcome.code) == (125, "E_PROCESS_FDS")


def test_refuses_an_unknown_encoding(hello: Path) -> None:
    outcome = run(hello, encoding="xml")
    assert (outcome.status, outcome.code) == (125, "E_USAGE")


def test_preloading_does_not_reach_a_static_stub(hello: Path) -> None:
    assert run(hello, env={"LD_PRELOAD": "/absent.so", "LD_LIBRARY_PATH": "/absent"}).stderr == b""


def test_the_guest_sees_its_arguments_and_no_setting_of_the_stub(tmp_path: Path) -> None:
    """Prints args_get's and environ_get's buffers as they are."""
    from wasmtime import wat2wasm

    from tests.loader.signed_stub import MEMORY

    wasi = '(import "wasi_snapshot_preview1"'
    module = wat2wasm(
        f"""(module
        {wasi} "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        {wasi} "args_sizes_get" (func $as (param i32 i32) (result i32)))
        {wasi} "args_get" (func $ag (param i32 i32) (result i32)))
        {wasi} "environ_sizes_get" (func $es (param i32 i32) (result i32)))
        {wasi} "environ_get" (func $eg (param i32 i32) (result i32)))
        {MEMORY}
        (func $put (param i32 i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
        (func (export "_start")
          (drop (call $as (i32.const 16) (i32.const 20))) (drop (call $ag (i32.const 1024) (i32.const 8192)))
          (call $put (i32.const 8192) (i32.load (i32.const 20)))
          (drop (call $es (i32.const 16) (i32.const 20))) (drop (call $eg (i32.const 1024) (i32.const 8192)))
          (call $put (i32.const 8192) (i32.load (i32.const 20)))))"""
    )
    program = write_program(tmp_path / "p", bytes(module))
    outcome = run(program, "one", "", "two words", env={"RECOMPILER_CID": "box", "SEEN": "yes"})
    values = outcome.stdout.decode().split("\0")
    assert values[:4] == [str(program), "one", "", "two words"]
    assert "SEEN=yes" in values
    assert not [value for value in values if value.startswith("RECOMPILER_")]
    assert outcome.vkernel.hello["cid"] == "box"


def test_runs_from_a_sealed_memfd(hello: Path) -> None:
    fd = os.memfd_create("program", os.MFD_ALLOW_SEALING)
    os.write(fd, hello.read_bytes())
    inherited = f"/proc/self/fd/{fd}"
    result = subprocess.run(
        [inherited],
        env=environment(hello, RECOMPILER_RUN_DIR="/absent"),
        pass_fds=[fd],
        capture_output=True,
        timeout=60,
    )
    os.close(fd)
    # Verified and on its way to the vkernel.
    assert result.stderr.startswith(b"recompiler: E_SOCK_"), base64.b64encode(result.stderr)
