"""Control clients and the command line: ps, kill, audit verify, serve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recompiler.errors import Error
from tests.vkernel_proto.stub.fake_stub import Served
from vkernel_proto import signals
from vkernel_proto.wire.client import Control

PYTHONPATH = os.pathsep.join(sys.path)
# A guest of its own process: says hello, reports, and waits for what comes.
WAITING = (
    "import sys,pathlib; sys.path[:0]=sys.argv[2:]; from tests.vkernel_proto.stub import fake_stub;"
    "s=fake_stub.FakeStub(pathlib.Path(sys.argv[1])); print(s.hello('json')['pid'],flush=True);"
    "print(s.file.readline().decode(),flush=True); input()"
)


def vkernel(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vkernel_proto", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": PYTHONPATH}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def waiting_guest(served: Served) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", WAITING, str(served.path), *sys.path]
    guest = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guest.stdout is not None
    return guest, int(guest.stdout.readline())


def test_ps_lists_the_guests_of_the_container(served: Served) -> None:
    with Control(served.path.parent, "test") as control:
        assert control.ps() == []
        with served.guest_in() as one, served.guest_in("binary"):
            rows = control.ps()
            assert [(row["pid"], row["subject"], row["uid"]) for row in rows] == [
                (1, "test/guest", os.geteuid()),
                (2, "test/guest", os.geteuid()),
            ]
            assert all(row["age_ms"] >= 0 for row in rows)
            one.call("exit_group", 0)
            assert [row["pid"] for row in control.ps()] == [2]


def test_a_terminating_signal_comes_as_message_and_as_signal(served: Served) -> None:
    guest, pid = waiting_guest(served)
    with Control(served.path.parent, "test") as control:
        control.signal(pid, signal.SIGTERM)
        assert guest.wait(30) == -signal.SIGTERM
    guest.communicate()
    assert [row["found"] for row in served.records("signal")] == [True]
    assert served.wait_for(1, "exit")[0]["signal"] == 15


@pytest.mark.parametrize("encoding", ["json", "binary"])
def test_a_guest_reads_the_signal_message(served: Served, encoding: str) -> None:
    """In the vkernel's own process, where no signal follows."""
    with Control(served.path.parent, "test") as control, served.guest_in(encoding) as stub:
        control.signal(1, 15)
        assert stub.read_message() == {"type": "signal", "sig": 15}


def test_a_signal_interrupts_a_blocking_call(served: Served) -> None:
    read, write = os.pipe()
    with Control(served.path.parent, "test") as control, served.guest_in("json", [read, write, write]) as stub:
        stub.send_message({"type": "syscall", "id": 1, "name": "read", "args": [0, 10]})
        control.signal(1, 10)
        answers = [stub.answer(), stub.answer()]
        assert {"type": "signal", "sig": 10} in answers
        assert {"id": 1, "ret": -4} in answers
    os.close(read)
    os.close(write)


def test_a_signal_to_nobody_is_recorded_and_harmless(served: Served) -> None:
    with Control(served.path.parent, "test") as control:
        control.signal(4, 9)
        assert control.ps() == []
    assert [(row["pid"], row["found"]) for row in served.records("signal")] == [(4, False)]


@pytest.mark.parametrize(
    "line",
    ['{"type":"signal","pid":1,"sig":65}', '{"type":"signal","pid":1,"sig":-1}', '{"type":"signal","sig":9}',
     '{"type":"ps"}', '{"type":"ps","id":0}', '{"type":"exec","id":1}', "{}", "x", '{"type":"ps","id":1,"all":true}'],
)  # fmt: skip
def test_a_bad_control_message_ends_the_connection_with_one_record(served: Served, line: str) -> None:
    with served.connect() as stub:
        hello = {"type": "hello", "version": 1, "cid": "test", "role": "control"}
        assert stub.send_hello(json.dumps(hello).encode() + b"\n", fds=()) == {"status": "ok", "vkernel": "0.1.0"}
        stub.sock.sendall(line.encode() + b"\n")
        assert stub.closed()
    [row] = served.wait_for(1, "drop")
    assert row["error"] in ("E_RPC_JSON", "E_RPC_FRAME")


def test_spawn_from_a_control_client_is_denied_without_a_bundle(served: Served) -> None:
    with served.connect() as stub:
        hello = {"type": "hello", "version": 1, "cid": "test", "role": "control"}
        stub.send_hello(json.dumps(hello).encode() + b"\n", fds=())
        stub.send_message({"type": "spawn", "id": 1, "argv": ["sh"], "env": {}, "cwd": "/", "tty": False})
        assert stub.answer() == {"id": 1, "status": "denied", "reason": "no bundle"}


def test_control_without_a_vkernel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Error, match="E_SOCK_CONNECT"):
        Control(tmp_path, "test")


def test_every_signal_ends_a_guest_except_the_ones_of_signal_7() -> None:
    harmless = {number for number in range(1, 65) if not signals.ends(number)}
    names = ("SIGCHLD", "SIGURG", "SIGWINCH", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT")
    assert harmless == {int(signal.Signals[name]) for name in names}


def test_the_command_line_lists_and_kills(served: Served) -> None:
    guest, pid = waiting_guest(served)
    where = ("--cid", "test", "--run-dir", served.path.parent)
    listed = vkernel("ps", *where, "--json")
    assert [row["pid"] for row in json.loads(listed.stdout)["processes"]] == [pid]
    assert "test/guest" in vkernel("ps", *where).stdout
    killed = vkernel("kill", *where, "-s", "KILL", str(pid), "--json")
    assert json.loads(killed.stdout) == {"status": "ok", "pid": pid, "signal": 9}
    assert guest.wait(30) == -9
    guest.communicate()
    again = vkernel("kill", *where, "99")
    assert (again.returncode, again.stdout) == (1, "")


def test_the_command_line_verifies_a_log(served: Served) -> None:
    served.stop()
    good = vkernel("audit", "verify", served.log, "--json")
    answer = json.loads(good.stdout)
    assert (good.returncode, answer["status"], answer["records"]) == (0, "ok", 2)
    assert vkernel("audit", "verify", served.log, "--head", answer["head"]).returncode == 0
    bad = vkernel("audit", "verify", served.log, "--head", "0" * 64, "--json")
    assert bad.returncode == 12
    assert json.loads(bad.stdout)["error"]["code"] == "E_AUDIT"
    assert bad.stderr.startswith("vkernel: E_AUDIT: ")
    assert vkernel("audit", "verify", "absent").returncode == 3


def test_serve_says_where_and_ends_on_sigterm(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "root").mkdir()
    command = [sys.executable, "-m", "vkernel_proto", "serve", "--cid", "a", "--cid", "b", "--json"]
    command += ["--root", str(tmp_path / "root"), "--run-dir", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": PYTHONPATH}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    assert server.stdout is not None
    started = json.loads(server.stdout.readline())
    assert set(started["sockets"]) == {"a", "b"}
    with Control(tmp_path, "b") as control:
        assert control.ps() == []
    server.terminate()
    output, errors = server.communicate(timeout=30)
    assert (server.returncode, output, errors) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.lock", "b.lock", "root"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["serve"], 2), (["ps", "--cid", "../x"], 2), (["kill", "--cid", "x", "0"], 2), (["nonsense"], 2),
     (["kill", "--cid", "x", "-s", "SIGNOPE", "1"], 2), (["serve", "--cid", "x", "--root", "/nowhere/at/all"], 3)],
)  # fmt: skip
def test_wrong_usage_has_its_exit_code(tmp_path: Path, arguments: list[str], status: int) -> None:
    extra = ["--run-dir", str(tmp_path)] if arguments[0] == "serve" and len(arguments) > 1 else []
    done = vkernel(*arguments, *extra)
    assert done.returncode == status, done.stderr
    assert done.stderr


@pytest.mark.parametrize("command", [[], ["serve"], ["ps"], ["kill"], ["audit", "verify"]])
def test_help_has_examples_and_exit_codes(command: list[str]) -> None:
    text = vkernel(*command, "--help").stdout
    assert "Example" in text
    assert "Exit codes" in text


def test_the_library_imports_neither_click_nor_engines() -> None:
    code = "import sys, vkernel_proto; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        check=True,
    )
    assert not {"click", "wasmtime", "lief", "ziglang"} & set(done.stdout.split())
