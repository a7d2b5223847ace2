"""Who the peer is: its executable is verified by the vkernel itself, and what may be remembered of that."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from recompiler.errors import Error
from recompiler.format import trailer, verify
from recompiler.format.keystore import KeyStore
from recompiler.run import sealed_copy
from tests.testbed import Signer
from tests.vkernel_proto.stub.fake_stub import Served, serving
from vkernel_proto import socketpair
from vkernel_proto.verdict import ExecutableVerifier, KeyFile, _holds, cacheable
from vkernel_proto.wire import peer as peer_module
from vkernel_proto.wire.peer import credentials, open_peer

# Writes "hi\n"; with an argument it reads fd 0 before.
GUEST = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\03\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00hi\\0a")
  (func (export "_start")
    (drop (call $args (i32.const 64) (i32.const 68)))
    (if (i32.gt_u (i32.load (i32.const 64)) (i32.const 1))
      (then (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Path:
    wasm = tmp_path_factory.mktemp("peer") / "guest.wasm"
    wasm.write_bytes(wat2wasm(GUEST))
    return signer.sign(wasm, "demo/guest")


@pytest.fixture
def served(tmp_path: Path, signer: Signer) -> Iterator[Served]:
    with serving(tmp_path, peer_verifier=None, pubkeys=signer.pubkeys) as vkernel:
        yield vkernel


def environment(served: Served, signer: Signer, **more: str) -> dict[str, str]:
    settings = {"RUN_DIR": str(served.path.parent), "PUBKEYS": str(signer.pubkeys), "CID": "test", **more}
    return {f"RECOMPILER_{name}": value for name, value in settings.items()}


def run(program: Path, env: dict[str, str], *arguments: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *arguments], env=env, capture_output=True, timeout=60, check=False, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("encoding", ["json", "binary"])
def test_a_signed_stub_is_served_after_its_file_was_verified(
    served: Served, signer: Signer, program: Path, encoding: str
) -> None:
    done = run(program, environment(served, signer, ENCODING=encoding))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")
    [row] = served.records("hello")
    fd = os.open(program, os.O_RDONLY)
    release = verify.verify_fd(fd, KeyStore.open(signer.pubkeys)).statement.release_id.hex()
    os.close(fd)
    assert (row["subject"], row["release"], row["encoding"]) == ("demo/guest", release, encoding)


def test_a_peer_that_is_no_signed_program_is_denied_whatever_it_says(served: Served, program: Path) -> None:
    """This python sends the true statement and manifest of a signed file: its own executable is not that file."""
    fd = os.open(program, os.O_RDONLY)
    true = verify.verify_fd(fd, served.vkernel.core.verify_peer._current)  # type: ignore[attr-defined]
    os.close(fd)
    served.guest = true
    with served.connect() as stub:
        answer = stub.hello("binary")
    assert (answer["status"], answer["error"]) == ("denied", "E_NO_TRAILER")
    assert [row["error"] for row in served.wait_for(1, "drop")] == ["E_NO_TRAILER"]


def test_the_vkernels_own_key_store_decides(tmp_path: Path, signer: Signer, program: Path) -> None:
    """The stub's store trusts the key, the vkernel's does not any more."""
    store = json.loads(signer.pubkeys.read_text())
    tmp_path.chmod(0o700)
    path = tmp_path / "pubkeys.json"
    path.write_text(json.dumps(store))
    with serving(tmp_path, peer_verifier=None, pubkeys=path) as served:
        env = environment(served, signer)
        assert run(program, env).returncode == 0
        store["keys"][0]["subjects"] = ["other/*"]
        path.write_text(json.dumps(store))
        done = run(program, env)
        assert done.returncode == 125
        assert b"E_SUBJECT_DENIED" in done.stderr
        path.write_text("{}")
        assert b"E_KEYS_" in run(program, env).stderr
    assert [row["error"] for row in served.records("drop")] == ["E_SUBJECT_DENIED", "E_KEYS_SCHEMA"]


def test_a_stub_that_was_changed_after_signing_is_refused(signer: Signer, program: Path, tmp_path: Path) -> None:
    """As one would be that lets everything pass: it runs, and the vkernel sees the file."""
    data = bytearray(program.read_bytes())
    data[data.index(b"recompiler: ")] ^= 1  # text of the stub
    (tmp_path / "bad").write_bytes(data)
    verifier = ExecutableVerifier(KeyStore.open(signer.pubkeys))
    fd = os.open(tmp_path / "bad", os.O_RDONLY)
    with pytest.raises(Error, match="E_DIGEST"):
        verifier._verify(fd)
    os.close(fd)


def test_a_sealed_copy_over_a_socketpair_is_verified(signer: Signer, program: Path, tmp_path: Path) -> None:
    """As `recompiler run` does: the creator of the pair becomes the stub, and its executable is a memfd."""
    log = tmp_path / "log"
    code = (
        "import os,sys,pathlib\n"
        "from recompiler.run import sealed_copy\n"
        "from recompiler.format.keystore import KeyStore\n"
        "import vkernel_proto as v\n"
        "ours, theirs = v.socketpair()\n"
        "program, pubkeys, root, log = map(pathlib.Path, sys.argv[1:])\n"
        "if os.fork() == 0:\n"
        "    theirs.close()\n"
        "    v.serve_connection(ours, v.Config(root=root, store=KeyStore.open(pubkeys), audit=log))\n"
        "    os._exit(0)\n"
        "os.set_inheritable(theirs.fileno(), True)\n"
        "env = {'RECOMPILER_PUBKEYS': str(pubkeys), 'RECOMPILER_SOCKET_FD': str(theirs.fileno())}\n"
        "os.execve(sealed_copy(program), ['guest'], env)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, program, signer.pubkeys, tmp_path, log],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")
    deadline = time.monotonic() + 30
    while b'"stop"' not in log.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["start", "hello", "exit", "stop"]


@pytest.mark.parametrize("number", [9, 15, 2])
def test_a_signal_ends_a_guest_that_waits(served: Served, signer: Signer, program: Path, number: int) -> None:
    guest = subprocess.Popen([program, "wait"], env=environment(served, signer), stdin=subprocess.PIPE)
    [row] = served.wait_for(1, "hello")
    assert served.vkernel.core.deliver("test", row["pid"], number)
    assert guest.wait(30) == -number
    assert served.wait_for(1, "exit")[0]["signal"] == number
    assert guest.stdin is not None
    guest.stdin.close()


def test_a_stopped_guest_continues(served: Served, signer: Signer, program: Path) -> None:
    guest = subprocess.Popen(
        [program, "wait"], env=environment(served, signer), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    [row] = served.wait_for(1, "hello")
    served.vkernel.core.deliver("test", row["pid"], 19)
    pid, status = os.waitpid(guest.pid, os.WUNTRACED)
    assert pid == guest.pid
    assert os.WIFSTOPPED(status)
    served.vkernel.core.deliver("test", row["pid"], 18)
    output, _ = guest.communicate(b"x", timeout=30)
    assert output.endswith(b"i\n")
    assert served.wait_for(1, "exit")[0]["code"] == 0


def test_a_killed_guest_is_an_exit_not_an_offence(served: Served, signer: Signer, program: Path) -> None:
    guest = subprocess.Popen([program, "wait"], env=environment(served, signer), stdin=subprocess.PIPE)
    served.wait_for(1, "hello")
    guest.kill()
    guest.communicate(timeout=30)
    assert served.wait_for(1, "exit")[0]["closed"] is True
    assert served.records("drop") == []


def test_the_peer_of_a_pair_is_its_creator() -> None:
    ours, theirs = socketpair()
    with ours, theirs:
        assert credentials(ours) == (os.getpid(), os.geteuid(), os.getegid())
        peer = open_peer(ours)
        assert peer.alive()
        peer.close()


@pytest.mark.parametrize("number", [peer_module.SO_PEERPIDFD, 9999], ids=["SO_PEERPIDFD", "pidfd_open"])
def test_a_process_that_has_ended_is_not_alive(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(peer_module, "SO_PEERPIDFD", number)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + os.urandom(8).hex())
        listener.listen()
        code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect('\\0'+sys.argv[1]); input()"
        name = listener.getsockname()[1:].decode()
        child = subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE)
        listener.settimeout(30)
        sock, _ = listener.accept()
        with sock:
            peer = open_peer(sock)
            assert peer.pid == child.pid
            assert peer.alive()
            child.communicate(b"\n", timeout=30)
            assert not peer.alive()
            with pytest.raises(Error, match="E_SOCK_PEER"):
                ExecutableVerifier(KeyStore((), 1, (), (), {}, b"", {}))(peer)  # type: ignore[arg-type]
            peer.close()


def remembered(path_or_fd: Path | int) -> bool:
    fd = path_or_fd if isinstance(path_or_fd, int) else os.open(path_or_fd, os.O_RDONLY)
    try:
        return cacheable(fd, os.fstat(fd))
    finally:
        if not isinstance(path_or_fd, int):
            os.close(fd)


def mounted_here(path: Path) -> bool:
    device = os.stat(path).st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    return any(line.split()[2] == name for line in Path("/proc/self/mountinfo").read_text().splitlines())


def test_a_verdict_is_remembered_only_of_files_that_root_or_the_vkernel_alone_can_write(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    path.chmod(0o755)
    if not mounted_here(path):
        pytest.skip(f"no mount of this namespace holds {tmp_path}, as below a chroot that is no mount point")
    assert remembered(path)
    for mode in (0o775, 0o757):
        path.chmod(mode)
        assert not remembered(path)
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, 1000, 1000)
        assert not remembered(path), "its owner can write it"


def test_a_verdict_is_remembered_of_fully_sealed_memfds_only() -> None:
    seals = [fcntl.F_SEAL_WRITE, fcntl.F_SEAL_GROW, fcntl.F_SEAL_SHRINK]
    for leave_out in (None, *seals):
        fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        os.write(fd, b"x")
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, sum(seal for seal in seals if seal != leave_out))
        assert remembered(fd) is (leave_out is None)
        os.close(fd)


def test_a_file_of_a_tmpfs_is_no_unsealed_memfd() -> None:
    """Each of its files answers F_GET_SEALS, and none but a memfd can be sealed."""
    try:
        file = tempfile.NamedTemporaryFile(dir="/dev/shm")  # noqa: SIM115
        fcntl.fcntl(file, fcntl.F_GET_SEALS)
    except OSError:
        pytest.skip("/dev/shm is no tmpfs that this user can write")
    with file:
        assert remembered(file.fileno())
        os.fchmod(file.fileno(), 0o666)
        assert not remembered(file.fileno())


def test_a_remembered_verdict_depends_on_store_and_clock(
    program: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = verify.verify_fd

    def counted(*args: object, **kwargs: object) -> object:
        calls.append(1)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("vkernel_proto.verdict.verify.verify_fd", counted)
    fd = sealed_copy(program)
    store = KeyStore.open(signer.pubkeys)
    verifier = ExecutableVerifier(store)
    first = verifier._verify(fd)
    assert verifier._verify(fd) is first
    assert len(calls) == 1
    verifier._store = replace(store, raw=b"another")
    verifier._verify(fd)
    assert len(calls) == 2, "another key store"
    after = max(key.not_after for key in store.keys)
    monkeypatch.setattr("vkernel_proto.verdict.time.time", lambda: after + 0.5)
    with pytest.raises(Error, match="E_KEY_EXPIRED"):
        verifier._verify(fd)
    os.close(fd)


def test_a_verdict_holds_between_the_times_it_was_compared_with(program: Path, signer: Signer) -> None:
    fd = os.open(program, os.O_RDONLY)
    store = KeyStore.open(signer.pubkeys)
    verified = verify.verify_fd(fd, store)
    os.close(fd)
    edges = sorted(
        {trailer.MIN_TIME, verified.statement.signed_at - verify.CLOCK_SKEW}
        | {edge for key in store.keys for edge in (key.not_before, key.not_after)}
    )
    for low, high in zip([0, *edges], [*edges, float("inf")], strict=True):
        for now in {low, min(high - 1, low + 5)}:
            if low <= now < high:
                assert _holds(int(now), verified, store) == (low, high)


def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path, signer: Signer) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "pubkeys.json"
    shutil.copy(signer.pubkeys, path)
    current = KeyFile(path, default_store=False)
    first = current()
    assert current() is first
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "version": document["version"] + 1}))
    assert current().version == first.version + 1
    path.write_text("{")
    with pytest.raises(Error, match="E_KEYS_SYNTAX"):
        current()
    path.unlink()
    with pytest.raises(Error, match="E_KEYS_OPEN"):
        current()
