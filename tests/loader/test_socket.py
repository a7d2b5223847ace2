"""The way to the vkernel: which sockets, paths and peers a stub trusts. It says nothing to the others."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.loader.fake_vkernel import FakeVkernel
from tests.loader.signed_stub import Outcome, environment, is_root, private_folder, run_alone, write_program

needs_root = pytest.mark.skipif(not is_root(), reason="needs root")


def run_by_path(program: Path, folder: Path, **env: str) -> Outcome:
    return run_alone(program, env=environment(program, RECOMPILER_RUN_DIR=str(folder), **env))


@contextmanager
def listening(path: Path) -> Iterator[list[FakeVkernel]]:
    """A vkernel behind this path; gives the list of those that were reached."""
    reached: list[FakeVkernel] = []
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def accept() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    reached.append(FakeVkernel(listener.accept()[0]).start())

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield reached
        over.set()
        thread.join(30)
    for vkernel in reached:
        vkernel.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return private_folder(tmp_path / "run")


def test_connects_to_the_subjects_last_component(hello: Path, folder: Path) -> None:
    with listening(folder / "hello.sock") as reached:
        outcome = run_by_path(hello, folder)
    assert (outcome.status, outcome.stdout, len(reached)) == (7, b"hello\n", 1)


def test_connects_to_the_named_container(hello: Path, folder: Path) -> None:
    with listening(folder / "box-1.a_b.sock") as reached:
        assert run_by_path(hello, folder, RECOMPILER_CID="box-1.a_b").status == 7
    assert reached[0].hello["cid"] == "box-1.a_b"


IDS = ["", "a/b", "../a", "a..b", "..", ".", "-a", "_a", "A", "a b", "a\n", "a" * 64, "é"]


@pytest.mark.parametrize("cid", IDS)
def test_refuses_a_container_id_that_is_none(hello: Path, folder: Path, cid: str) -> None:
    outcome = run_by_path(hello, folder, RECOMPILER_CID=cid)
    assert (outcome.status, outcome.code) == (125, "E_SOCK_ID")


def test_refuses_a_subject_whose_last_component_is_no_id(tmp_path: Path, folder: Path) -> None:
    from tests.format import builder

    program = write_program(tmp_path / "p", builder.wasm(), subject="demo/-x")
    assert run_by_path(program, folder).code == "E_SOCK_ID"


def test_refuses_a_path_over_107_bytes(hello: Path, folder: Path) -> None:
    deep = private_folder(folder / ("d" * 100))
    assert run_by_path(hello, deep).code == "E_SOCK_PATH"


def test_refuses_a_relative_directory(hello: Path) -> None:
    assert run_by_path(hello, Path("run")).code == "E_SOCK_PATH"


def test_an_absent_socket_is_a_connection_error(hello: Path, folder: Path) -> None:
    outcome = run_by_path(hello, folder)
    assert (outcome.status, outcome.code) == (125, "E_SOCK_CONNECT")


def test_a_socket_nobody_listens_on_is_a_connection_error(hello: Path, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "hello.sock"))
        assert run_by_path(hello, folder).code == "E_SOCK_CONNECT"


@pytest.mark.parametrize("kind", ["file", "directory", "fifo", "symlink to a socket", "dangling symlink"])
def test_refuses_what_is_not_a_socket(hello: Path, folder: Path, kind: str) -> None:
    place = folder / "hello.sock"
    with listening(folder / "other.sock") as reached:
        if kind == "file":
            place.write_bytes(b"")
        elif kind == "directory":
            place.mkdir()
        elif kind == "fifo":
            os.mkfifo(place)
        else:
            place.symlink_to("other.sock" if "to a socket" in kind else "absent")
        outcome = run_by_path(hello, folder)
    assert (outcome.status, outcome.code, reached) == (125, "E_SOCK_PATH", [])


def test_refuses_a_symlink_among_the_directories(hello: Path, folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    with listening(folder / "hello.sock") as reached:
        outcome = run_by_path(hello, link)
    assert (outcome.code, reached) == ("E_SOCK_PATH", [])


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_refuses_a_directory_that_others_can_write(hello: Path, folder: Path, mode: int) -> None:
    """A sticky directory is as good as a closed one only when it is root's, as /tmp is."""
    folder.chmod(mode)
    with listening(folder / "hello.sock") as reached:
        outcome = run_by_path(hello, folder)
    if mode & 0o1000 and is_root():
        assert outcome.status == 7
    else:
        assert (outcome.code, reached) == ("E_SOCK_PATH", [])


@pytest.mark.parametrize(("mode", "who"), [(0o770, "g"), (0o702, "o"), (0o777, "go")])
def test_says_which_directory_others_can_change_and_what_to_do(hello: Path, folder: Path, mode: int, who: str) -> None:
    (folder / "run").mkdir()
    folder.chmod(mode)
    assert run_by_path(hello, folder / "run").line.endswith(f": chmod {who}-w {folder}")


@needs_root
def test_refuses_a_socket_of_another_user(hello: Path, folder: Path) -> None:
    with listening(folder / "hello.sock") as reached:
        os.chown(folder / "hello.sock", 65534, 65534)
        outcome = run_by_path(hello, folder)
    assert (outcome.code, reached) == ("E_SOCK_PATH", [])


@needs_root
def test_refuses_a_directory_of_another_user(hello: Path, folder: Path) -> None:
    with listening(folder / "hello.sock") as reached:
        os.chown(folder, 65534, 65534)
        outcome = run_by_path(hello, folder)
    assert (outcome.code, reached) == ("E_SOCK_PATH", [])


@needs_root
def test_refuses_a_peer_of_another_user_before_it_says_anything(hello: Path, folder: Path) -> None:
    """The credentials are those of the process that called listen(2)."""
    place = folder / "hello.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            listener.listen()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        listener.settimeout(30)
        outcome = run_by_path(hello, folder)
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(1) == b""
    assert (outcome.status, outcome.code) == (125, "E_SOCK_PEER")


# ---- an inherited fd


@pytest.mark.parametrize("kind", ["file", "pipe", "datagram socket", "unconnected socket", "TCP socket"])
def test_refuses_an_inherited_fd_that_is_no_connection_to_a_vkernel(hello: Path, tmp_path: Path, kind: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    if kind == "file":
        fd = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR, 0o600)
    elif kind == "pipe":
        fd = os.pipe()[0]
    elif kind == "datagram socket":
        fd = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].detach()
    elif kind == "unconnected socket":
        fd = socket.socket(socket.AF_UNIX).detach()
    else:
        fd = socket.create_connection(listener.getsockname()).detach()
    outcome = run_alone(hello, env=environment(hello, RECOMPILER_SOCKET_FD=str(fd)), pass_fds=[fd])
    os.close(fd)
    listener.close()
    assert (outcome.status, outcome.code) == (125, "E_SOCK_CONNECT")


def test_an_inherited_socket_may_be_non_blocking(hello: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    vkernel = FakeVkernel(ours).start()
    env = environment(hello, RECOMPILER_SOCKET_FD=str(theirs.fileno()))
    process = subprocess.Popen([str(hello)], env=env, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE)
    theirs.close()
    assert process.communicate(timeout=60)[0] == b"hello\n"
    vkernel.stop()
