"""Sockets, handshake, limits of life: who is let in, who is dropped with one record, and that nobody else notices."""

from __future__ import annotations

import array
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recompiler.errors import Error
from tests.vkernel_proto.stub.fake_stub import FakeStub, Served, drop_of, frame, record, serving, signed
from vkernel_proto import Config, VKernel, serve_connection, socketpair
from vkernel_proto.wire.frames import SYSCALLS
from vkernel_proto.wire.listener import check_run_dir


def test_hello_is_answered_with_version_and_pid(served: Served) -> None:
    with served.connect() as one, served.connect() as two:
        first, second = one.hello("json"), two.hello("binary")
    assert first == {"status": "ok", "vkernel": "0.1.0", "pid": 1}
    assert second["pid"] == 2


# name, changes to hello, code
BAD_HELLOS: list[tuple[str, dict[str, Any], str]] = [
    ("version-2", {"version": 2}, "E_RPC_JSON"),
    ("another-type", {"type": "hallo"}, "E_RPC_JSON"),
    ("encoding-xml", {"encoding": "xml"}, "E_RPC_JSON"),
    ("no-cid", {"cid": None}, "E_RPC_JSON"),
    ("cid-of-another", {"cid": "other"}, "E_SOCK_ID"),
    ("cid-with-slash", {"cid": "../test"}, "E_SOCK_ID"),
    ("cid-with-newline", {"cid": "test\n"}, "E_SOCK_ID"),
    ("unknown-field", {"more": 1}, "E_RPC_JSON"),
    ("a-guest-as-controller", {"role": "control"}, "E_RPC_JSON"),
    ("no-statement", {"statement": None}, "E_RPC_JSON"),
    ("statement-of-another", {"statement": "AAAA"}, "E_RPC_DENIED"),
    ("manifest-of-another", {"manifest": "AAAA"}, "E_RPC_DENIED"),
    ("manifest-no-base64", {"manifest": "?"}, "E_RPC_JSON"),
]


@pytest.mark.parametrize(("changes", "code"), [row[1:] for row in BAD_HELLOS], ids=[row[0] for row in BAD_HELLOS])
def test_a_bad_hello_is_denied_with_one_record(served: Served, changes: dict[str, Any], code: str) -> None:
    with served.connect() as stub:
        answer = stub.hello(**changes)
        assert (answer["status"], answer["error"]) == ("denied", code)
        assert stub.closed()
    assert drop_of(served, 0) == code
    assert served.records("hello") == []


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_hello_needs_exactly_three_fds(served: Served, count: int) -> None:
    before = served.fds_at_rest()
    with served.connect() as stub:
        assert stub.hello(fds=[0] * count)["error"] == "E_RPC_FDS"
    assert drop_of(served, 0) == "E_RPC_FDS"
    assert served.fds_at_rest() == before


def test_fds_on_the_second_piece_of_hello_are_refused(served: Served) -> None:
    with served.connect() as stub:
        line = stub.hello_line()
        socket.send_fds(stub.sock, [line[:10]], [0, 1, 2])
        time.sleep(0.02)
        socket.send_fds(stub.sock, [line[10:]], [0])
        assert stub.answer()["error"] == "E_RPC_FDS"


def test_more_fds_than_any_message_may_carry_are_refused(served: Served) -> None:
    before = served.fds_at_rest()
    with served.connect() as stub:
        fds = array.array("i", [0] * 200)
        stub.sock.sendmsg([stub.hello_line()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        assert stub.answer()["error"] == "E_RPC_FDS"
    assert served.fds_at_rest() == before


def test_hello_without_fds_is_no_guest(served: Served) -> None:
    with served.connect() as stub:
        assert stub.hello(fds=[])["error"] == "E_RPC_JSON"


def test_bytes_between_hello_and_its_answer_are_refused(served: Served) -> None:
    """A process could send requests and become a signed program afterwards: they would count as that program's."""
    with served.connect() as stub:
        line = stub.hello_line("json") + b'{"type":"syscall","id":1,"name":"getpid"}\n'
        assert stub.send_hello(line)["error"] == "E_RPC_FRAME"
    assert served.records("hello") == []


def test_a_hello_longer_than_its_manifest_allows_is_refused(served: Served) -> None:
    with served.connect() as stub:
        line = stub.hello_line() + b" " * 9000
        assert stub.send_hello(line.replace(b"\n", b"") + b"\n")["error"] == "E_RPC_FRAME"


def test_a_silent_peer_is_dropped_after_the_handshake_timeout(tmp_path: Path) -> None:
    with serving(tmp_path, handshake_timeout=0.2) as served, served.connect() as stub:
        assert stub.answer()["error"] == "E_SOCK_TIMEOUT"
        assert drop_of(served, 0) == "E_SOCK_TIMEOUT"


def test_a_hello_that_drips_is_dropped_after_the_handshake_timeout(tmp_path: Path) -> None:
    with serving(tmp_path, handshake_timeout=0.3) as served, served.connect() as stub:
        line = stub.hello_line()
        socket.send_fds(stub.sock, [line[:1]], [0, 1, 2])
        try:
            for byte in line[1:]:
                stub.sock.sendall(bytes([byte]))
                time.sleep(0.02)
        except OSError:
            pass
        assert drop_of(served, 0) == "E_SOCK_TIMEOUT"


def test_a_guest_may_be_silent_for_longer_than_the_handshake_timeout(tmp_path: Path) -> None:
    with serving(tmp_path, handshake_timeout=0.2) as served, served.guest_in() as stub:
        time.sleep(0.4)
        assert stub.call("getpid")[0] == 1


def test_a_verifier_that_fails_denies_with_its_code(tmp_path: Path) -> None:
    def refuse(peer: object) -> Any:
        raise Error("E_KEY_UNKNOWN", "no key of this store signed it")

    with serving(tmp_path, peer_verifier=refuse) as served, served.connect() as stub:
        assert stub.hello()["error"] == "E_KEY_UNKNOWN"
        assert drop_of(served, 0) == "E_KEY_UNKNOWN"


def test_a_long_hello_is_read_to_its_end_before_it_is_denied(tmp_path: Path) -> None:
    """The guest shall read why, instead of EPIPE."""

    def refuse(peer: object) -> Any:
        raise Error("E_KEY_UNKNOWN", "no key of this store signed it")

    with serving(tmp_path, peer_verifier=refuse) as served, served.connect() as stub:
        assert stub.send_hello(stub.hello_line(manifest="A" * 4_000_000))["error"] == "E_KEY_UNKNOWN"


def test_a_verifier_that_crashes_costs_only_its_connection(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        stub = served.guest_in()
        good = served.vkernel.core.verify_peer
        served.vkernel.core.verify_peer = lambda peer: 1 // 0  # type: ignore[assignment, return-value]
        with served.connect() as other:
            assert other.hello()["error"] == "E_INTERNAL"
        served.vkernel.core.verify_peer = good
        assert stub.call("getpid")[0] == 1
        stub.close()


def test_the_manifests_limit_of_processes_holds(tmp_path: Path) -> None:
    with serving(tmp_path, guest=signed(processes=2)) as served:
        one, two = served.guest_in(), served.guest_in()
        with served.connect() as three:
            assert three.hello()["error"] == "E_RPC_DENIED"
        one.close()
        served.wait_for(1, "exit")
        with served.connect() as four:
            assert four.hello()["status"] == "ok"
        two.close()


def test_a_connection_over_the_limit_is_denied(tmp_path: Path) -> None:
    with serving(tmp_path, max_connections=2) as served:
        one, two = served.guest_in(), served.guest_in()
        with served.connect() as three:
            assert three.answer()["error"] == "E_RPC_DENIED"
        assert drop_of(served, 0) == "E_RPC_DENIED"
        assert one.call("getpid")[0] == 1
        one.close()
        two.close()


def test_idle_connections_do_not_keep_a_guest_out(tmp_path: Path) -> None:
    with serving(tmp_path, max_handshakes=4, handshake_timeout=60) as served:
        idle = [served.connect() for _ in range(12)]
        stub = served.guest_in()
        assert stub.call("getpid")[0] >= 1
        assert {row["error"] for row in served.wait_for(9, "drop")} == {"E_SOCK_TIMEOUT"}
        for connection in [*idle, stub]:
            connection.close()


def test_a_peer_that_does_not_read_is_dropped(tmp_path: Path) -> None:
    with serving(tmp_path, send_timeout=0.2) as served:
        (served.root / "f").write_bytes(bytes(1 << 20))
        with served.guest_in("binary") as stub, served.guest_in() as good:
            fd, _ = stub.call("openat", -100, "/f", 0, 0)
            stub.sock.sendall(frame(SYSCALLS, 20, 10, record("pread64", fd, 1_000_000, 0) * 20))
            assert drop_of(served, 0) == "E_SOCK_TIMEOUT"
            assert good.call("getpid")[0] == 2


def test_another_process_with_the_socket_is_not_the_guest(served: Served) -> None:
    with served.guest_in() as stub:
        assert stub.call("getpid")[0] == 1
        code = (
            "import socket,sys; s=socket.socket(fileno=int(sys.argv[1]));s.sendall(sys.stdin.buffer.read()); s.detach()"
        )
        text = b'{"type":"syscall","id":2,"name":"getpid"}\n'
        fd = stub.sock.fileno()
        subprocess.run([sys.executable, "-c", code, str(fd)], input=text, pass_fds=[fd], check=True, timeout=30)
        assert stub.closed()
    assert drop_of(served, 0) == "E_SOCK_PEER"


def test_a_hello_by_another_process_is_refused(served: Served) -> None:
    with served.connect() as stub:
        code = (
            "import socket,sys; s=socket.socket(fileno=int(sys.argv[1]));"
            "socket.send_fds(s,[sys.stdin.buffer.read()],[0,1,2]); s.detach()"
        )
        fd = stub.sock.fileno()
        line = stub.hello_line()
        subprocess.run([sys.executable, "-c", code, str(fd)], input=line, pass_fds=[fd], check=True, timeout=30)
        assert stub.answer()["error"] == "E_SOCK_PEER"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_is_refused_before_a_byte_is_read(served: Served) -> None:
    code = (
        "import os,socket,sys; os.setuid(12345); s=socket.socket(socket.AF_UNIX);"
        "s.connect(sys.argv[1]); print(s.recv(999))"
    )
    for folder in (served.path, served.path.parent, served.path.parent.parent, served.path.parent.parent.parent):
        folder.chmod(0o777 if folder == served.path else 0o755)
    done = subprocess.run([sys.executable, "-c", code, served.path], capture_output=True, timeout=30, check=True)
    assert b"E_SOCK_PEER" in done.stdout
    assert drop_of(served, 0) == "E_SOCK_PEER"
    assert served.records("drop")[0]["peer_uid"] == 12345


def test_a_signal_message_says_how_the_guest_died(served: Served) -> None:
    for encoding in ("json", "binary"):
        with served.guest_in(encoding) as stub:
            stub.send_message({"type": "signal", "sig": 6})
    assert [row["signal"] for row in served.wait_for(2, "exit")] == [6, 6]


@pytest.mark.parametrize("encoding", ["json", "binary"])
def test_exec_is_decided_by_the_hash_alone(served: Served, encoding: str) -> None:
    [known] = served.guest.manifest.entries
    with served.guest_in(encoding) as stub:
        message = {"type": "exec", "id": 1, "path": "/anything", "hash": f"blake3:{known}", "argv": ["x"]}
        stub.send_message(message)
        assert stub.read_message() == {"id": 1, "status": "ok", "entry_point": "_start", "entry": 0}
        stub.send_message({**message, "id": 2, "path": "/guest", "hash": "blake3:" + "0" * 64, "cid": "test"})
        assert stub.read_message() == {"id": 2, "status": "denied", "reason": "unknown hash"}
    [row] = served.records("deny")
    assert (row["message"], row["hash"], row["path"]) == ("exec", "0" * 64, "/guest")


@pytest.mark.parametrize("encoding", ["json", "binary"])
def test_spawn_is_denied_without_a_bundle(served: Served, encoding: str) -> None:
    with served.guest_in(encoding) as stub:
        stub.send_message({"type": "spawn", "id": 1, "argv": ["sh"], "env": {}, "cwd": "/", "tty": False})
        assert stub.read_message() == {"id": 1, "status": "denied", "reason": "no bundle"}
    assert served.records("deny")[0]["reason"] == "no bundle"


def test_an_inherited_pair_is_served_in_the_calling_thread(tmp_path: Path) -> None:
    guest = signed()
    ours, theirs = socketpair()
    config = Config(root=tmp_path, audit=tmp_path / "a.jsonl", peer_verifier=lambda peer: guest)
    codes: list[int] = []

    def client() -> None:
        with FakeStub(theirs, guest, cid="whatever") as stub:
            assert stub.hello("binary")["status"] == "ok"
            codes.append(stub.call("exit_group", 3)[0])

    thread = threading.Thread(target=client)
    thread.start()
    serve_connection(ours, config)
    thread.join(30)
    assert codes == [0]
    assert ours.fileno() == -1


def test_a_pair_whose_bytes_name_no_sender_is_refused(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Error, match="E_SOCK_PEER"):
        serve_connection(ours, Config(root=tmp_path, peer_verifier=lambda peer: signed()))


def test_the_socket_has_mode_0600_and_goes_with_the_vkernel(served: Served) -> None:
    status = served.path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    served.stop()
    assert not served.path.exists()
    assert [row["event"] for row in served.records()] == ["start", "stop"]


def test_a_stale_socket_is_replaced_and_a_served_one_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "test.sock"))
    with serving(tmp_path) as served, served.guest_in() as stub:
        other = VKernel(Config(root=tmp_path, run_dir=tmp_path))
        with pytest.raises(Error, match="E_SOCK_PATH: another vkernel serves test"):
            other.listen("test")
        assert stub.call("getpid")[0] == 1


@pytest.mark.parametrize("kind", ["file", "symlink", "folder"])
def test_what_is_no_socket_is_not_replaced(tmp_path: Path, kind: str) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "test.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "symlink":
        path.symlink_to("elsewhere")
    else:
        path.mkdir()
    with pytest.raises(Error, match="E_SOCK_PATH"):
        VKernel(Config(root=tmp_path, run_dir=tmp_path)).listen("test")
    assert path.is_symlink() or path.exists()


@pytest.mark.parametrize("cid", ["", "a/b", "..", "a..b", ".a", "-a", "A", "a" * 64, "a\n", "a\0"])
def test_a_bad_container_id_is_refused(tmp_path: Path, cid: str) -> None:
    with pytest.raises(Error, match="E_SOCK_ID"):
        VKernel(Config(root=tmp_path, run_dir=tmp_path)).listen(cid)


def test_a_path_of_more_than_107_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Error, match="E_SOCK_PATH"):
        VKernel(Config(root=tmp_path, run_dir=tmp_path / ("d" * 100))).listen("test")


def test_an_unsafe_run_directory_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    loose, link, safe = tmp_path / "loose", tmp_path / "link", tmp_path / "safe"
    safe.mkdir(mode=0o755)
    check_run_dir(safe)
    loose.mkdir()
    loose.chmod(0o777)
    link.symlink_to(safe)
    (loose / "below").mkdir()
    (tmp_path / "file").touch()
    for folder in (loose, link, loose / "below", link / "x", tmp_path / "file"):
        with pytest.raises(Error, match="E_SOCK_PATH"):
            check_run_dir(folder)


@pytest.mark.parametrize(("mode", "who"), [(0o770, "g"), (0o702, "o"), (0o777, "go")])
def test_the_refusal_of_a_run_directory_says_what_to_do(tmp_path: Path, mode: int, who: str) -> None:
    loose = tmp_path / "a folder"
    (loose / "run").mkdir(parents=True)
    loose.chmod(mode)
    with pytest.raises(Error, match=f"E_SOCK_PATH: .*: chmod {who}-w '{loose}'$"):
        check_run_dir(loose / "run")


def test_stop_ends_guests_and_is_not_kept_by_idle_connections(tmp_path: Path) -> None:
    code = (
        "import sys,pathlib; sys.path[:0]=sys.argv[2:]; from tests.vkernel_proto.stub import fake_stub;"
        "s=fake_stub.FakeStub(pathlib.Path(sys.argv[1])); print(s.hello()['status'],flush=True); s.answer(); s.answer()"
    )
    with serving(tmp_path) as served:
        idle = served.connect()
        guest = subprocess.Popen(
            [sys.executable, "-c", code, served.path, *sys.path], stdout=subprocess.PIPE, text=True
        )
        assert guest.stdout is not None
        assert guest.stdout.readline() == "ok\n"
        served.stop()
        assert guest.wait(30) == -15
        guest.stdout.close()
        idle.close()
    assert served.records("exit")[0]["signal"] == 15


def test_a_full_audit_log_stops_the_guest_and_not_the_vkernel(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.guest_in() as stub, served.guest_in() as other:

        def full(event: str, **fields: object) -> None:
            raise Error("E_AUDIT", "no space left")

        log = served.vkernel.core._audit
        assert log is not None
        append, log.append = log.append, full  # type: ignore[method-assign, assignment]
        stub.sock.sendall(b'{"type":"syscall","id":1,"name":"exit_group","args":[0]}\n')
        assert stub.closed(), "an exit that is not in the log must not be acknowledged"
        log.append = append  # type: ignore[method-assign]
        assert other.call("getpid")[0] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_allowed_user_is_served_and_may_not_control(tmp_path: Path) -> None:
    code = (
        "import os,sys,pathlib,json; sys.path[:0]=sys.argv[2:]\n"
        "from tests.vkernel_proto.stub import fake_stub; os.setuid(12345)\n"
        "path=pathlib.Path(sys.argv[1]); stub=fake_stub.FakeStub(path); print(stub.hello()['status'])\n"
        "hello={'type':'hello','version':1,'cid':'test','role':'control'}\n"
        "other=fake_stub.FakeStub(path); print(other.send_hello(json.dumps(hello).encode()+b'\\n', ())['error'])\n"
        "print(stub.call('exit_group', 0)[0])"
    )
    with serving(tmp_path, allow_uid=12345) as served:
        for folder in (served.path.parent, served.path.parent.parent, served.path.parent.parent.parent):
            folder.chmod(0o755)
        assert (served.path.stat().st_uid, stat.S_IMODE(served.path.stat().st_mode)) == (12345, 0o600)
        command = [sys.executable, "-c", code, str(served.path), *sys.path]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
        assert done.stdout.split() == ["ok", "E_SOCK_PEER", "0"], done.stderr
