"""Every message of a control client: what it answers, what it does, what the audit log says."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket

import pytest

from recompiler.errors import Error
from tests.bundles import TestBundle
from tests.csrc.engine.conftest import need
from tests.vkernel_proto.engine.serving import NULL, Running, output
from vkernel_proto.wire.client import Control, Denied

NULLS = (NULL, NULL, NULL)


def test_spawn_runs_a_program_with_its_argv_env_and_stdio(running: Running) -> None:
    control = running.control()
    assert output(control, "guest", "echo", "a", "b c", env={"N": "v"}) == (0, b"a\nb c\nN=v\n")
    assert output(control, "/bin/wc", stdin=b"one two\nthree\n")[0] == 0
    assert output(control, "guest", "exit", "7") == (7, b"")
    assert output(control, "guest", "abort")[0] == -signal.SIGABRT


def test_spawn_and_its_end_are_recorded_by_hash(running: Running, bundle: TestBundle) -> None:
    control = running.control()
    pid = control.spawn(["echo", "x"], NULLS, path="/bin/echo")
    assert control.exited(pid) == 0
    spawn, end = running.last("spawn"), running.last("exit")
    hash_ = bundle.hash["/bin/echo"]
    assert (spawn["hash"], spawn["pid"], spawn["argv0"], spawn["cid"]) == (hash_, pid, "echo", "one")
    assert (spawn["path"], spawn["peer_pid"], spawn["peer_uid"]) == ("/bin/echo", os.getpid(), os.geteuid())
    assert (end["hash"], end["pid"], end["code"]) == (hash_, pid, 0)


@pytest.mark.parametrize(("path", "interpreter"), [("/bin/script", "/bin/guest"), ("/bin/found", "/bin/echo")])
def test_a_script_runs_the_entry_of_its_interpreter(
    running: Running, bundle: TestBundle, path: str, interpreter: str
) -> None:
    status, out = output(running.control(), path, "word")
    assert (status, out.split()) == (0, [path.encode(), b"word"])
    assert running.last("spawn")["chain"].split() == [bundle.hash[path], bundle.hash[interpreter]]
    assert running.last("exit")["hash"] == bundle.hash[path]


def test_by_hash_alone_a_program_needs_no_path(running: Running, bundle: TestBundle) -> None:
    name = f"blake3:{bundle.hash['/bin/guest']}"
    assert output(running.control(), "any", "echo", "x", path="", hash=name) == (0, b"x\n")
    assert output(running.control(), "any", "echo", "x", path="/bin/guest", hash=name) == (0, b"x\n")


DENIED = [
    ({"argv": ["absent"]}, "not found", errno.ENOENT),
    ({"argv": ["/bin"]}, "not a regular file", errno.EACCES),
    ({"argv": ["x"], "path": "/bin/wc", "hash": "/bin/echo"}, "path names another file", errno.EACCES),
    ({"argv": ["x"], "path": "", "hash": "0" * 64}, "unknown hash", errno.EACCES),
    ({"argv": ["guest", "x" * 130_000, "y" * 10_000]}, "arguments too long", errno.E2BIG),
]


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "number"),
    [("spawn", *row) for row in DENIED] + [("exec", *row) for row in DENIED[:-1]],  # a verdict carries no arguments
)
def test_a_denial_has_a_reason_an_errno_and_a_record(
    running: Running, bundle: TestBundle, kind: str, fields: dict[str, object], reason: str, number: int
) -> None:
    more = {"path": str(fields["argv"][0]), **fields}  # type: ignore[index]
    if "hash" in more:
        more["hash"] = f"blake3:{bundle.hash.get(str(more['hash']), more['hash'])}"
    control = running.control()
    if kind == "spawn":
        more = {**more, "env": {}, "cwd": "/", "tty": False}
        answer = control.answer(control.request(kind, NULLS, **more))
    else:
        answer = control.ask(kind, **more)
    assert (answer["status"], answer["reason"], answer["errno"]) == ("denied", reason, number)
    row = running.last("deny")
    assert (row["reason"], row["message"], row["cid"]) == (reason, kind, "one")
    if number == errno.EACCES and "hash" in fields:
        assert len(row["hash"]) == 64
    assert control.ask("ps")["processes"] == []


def test_exec_gives_the_verdict_alone(running: Running, bundle: TestBundle) -> None:
    control = running.control()
    rows = json.loads((bundle.folder / "manifest.json").read_text())["entries"]
    for path, hash_ in bundle.hash.items():
        for more in ({}, {"hash": f"blake3:{hash_}"}):
            answer = control.ask("exec", path=path, argv=["x"], **more)
            row = rows[hash_]
            assert (answer["entry"], answer["entry_point"], answer["status"]) == (row["entry"], row["export"], "ok")
            assert running.last("exec")["hash"] == hash_


def test_a_file_that_a_guest_writes_or_changes_is_no_program(running: Running) -> None:
    need(running.in_force(), "overlay")
    control = running.control("two")
    assert output(control, "guest", "put", "/bin/new", "any") == (0, b"ok\n")
    assert output(control, "guest", "put", "/bin/wc", "changed") == (0, b"ok\n")
    for path, reason in (("/bin/new", "not executable"), ("/bin/wc", "unknown hash")):
        with pytest.raises(Denied) as denied:
            control.spawn([path], NULLS)
        assert (denied.value.reason, denied.value.errno) == (reason, errno.EACCES)
    assert control.ask("stop")["status"] == "ok"
    assert output(control, "/bin/wc", stdin=b"a\n")[0] == 0  # a new container, over the same rootfs
    assert running.control("one").ask("exec", path="/bin/wc", argv=["wc"])["status"] == "ok"


def test_two_containers_of_one_bundle_share_no_files_and_no_pids(running: Running) -> None:
    need(running.in_force(), "overlay", "pid_ns")
    one, two = running.control("one"), running.control("two")
    assert output(one, "guest", "put", "/mine", "1")[1] == b"ok\n"
    assert output(two, "guest", "cat", "/mine") == (1, b"No such file or directory\n")
    reader, writer = os.pipe()
    pid = one.spawn(["guest", "cat"], (reader, NULL, NULL))
    assert [row["pid"] for row in one.ps()] == [pid]
    assert two.ps() == []
    two.signal(pid, signal.SIGKILL)
    assert two.ps() == []
    assert [row["pid"] for row in one.ps()] == [pid]
    os.close(writer)
    os.close(reader)
    assert one.exited(pid) == 0


def test_wait_answers_any_connection_before_and_after_the_end(running: Running) -> None:
    one, other = running.control(), running.control()
    reader, writer = os.pipe()
    pid = one.spawn(["guest", "cat"], (reader, NULL, NULL))
    asked = other.request("wait", pid=pid)
    assert other.ps()[0]["pid"] == pid  # answered before the wait is
    os.close(writer)
    os.close(reader)
    assert one.exited(pid) == 0
    assert other.answer(asked) == {"id": asked, "pid": pid, "code": 0}
    assert other.ask("wait", pid=pid)["code"] == 0
    assert other.ask("wait", pid=99999)["errno"] == errno.ECHILD


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1])
def test_a_signal_ends_a_guest_and_is_recorded(running: Running, sig: signal.Signals) -> None:
    control = running.control()
    reader, writer = os.pipe()
    pid = control.spawn(["guest", "cat"], (reader, NULL, NULL))
    running.control().signal(pid, sig)
    assert control.exited(pid) == -sig
    assert (running.last("exit")["signal"], running.last("exit")["pid"]) == (sig, pid)
    assert (running.last("signal")["sig"], running.last("signal")["found"]) == (sig, True)
    control.signal(pid, sig)
    control.ps()
    assert running.last("signal")["found"] is False
    os.close(reader)
    os.close(writer)


def test_ps_and_info_say_what_runs_and_within_what(running: Running, bundle: TestBundle) -> None:
    control = running.control()
    reader, writer = os.pipe()
    pid = control.spawn(["guest", "cat"], (reader, NULL, NULL))
    [row] = control.ps()
    assert (row["pid"], row["path"], row["hash"]) == (pid, "/bin/guest", f"blake3:{bundle.hash['/bin/guest']}")
    assert row["age_ms"] >= 0
    info = control.ask("info")["container"]
    assert (info["cid"], info["state"], info["guests"], info["subject"]) == ("one", "running", 1, "test/bundle")
    assert {"seccomp", "no_capabilities"} <= set(info["in_force"])
    assert info["limits"]["processes"] == 64
    assert info["release"] == running.records("bundle")[0]["release"]
    os.close(writer)
    os.close(reader)
    assert control.exited(pid) == 0


def test_stop_ends_all_that_runs_and_the_next_spawn_has_a_new_container(running: Running) -> None:
    control, other = running.control("two"), running.control("two")
    pids = [control.spawn(["guest", "spin"], NULLS) for _ in range(3)]
    before = control.ask("info")["container"]["host_pid"]
    asked = other.request("wait", pid=pids[0])
    assert other.ask("stop")["status"] == "ok"
    assert [control.exited(pid) for pid in pids] == [-signal.SIGKILL] * 3
    assert other.answer(asked)["signal"] == signal.SIGKILL
    info = control.ask("info")["container"]
    assert (info["state"], info["guests"], info["in_force"]) == ("stopped", 0, [])
    assert other.ask("stop")["status"] == "ok"  # nothing to stop is stopped
    assert output(control, "guest", "echo", "again") == (0, b"again\n")
    assert control.ask("info")["container"]["host_pid"] != before
    assert running.records("stop")[-1]["asked"] is True


def test_a_client_that_leaves_hangs_its_guests_up(running: Running) -> None:
    control, other = running.control(), running.control()
    mine = control.spawn(["guest", "spin"], NULLS)
    theirs = other.spawn(["guest", "spin"], NULLS)
    control.close()
    assert other.ask("wait", pid=mine)["signal"] == signal.SIGHUP
    assert [row["pid"] for row in other.ps()] == [theirs]
    other.signal(theirs, signal.SIGKILL)
    assert other.exited(theirs) == -signal.SIGKILL


def test_as_many_processes_as_the_manifest_allows_and_then_no_more(running: Running) -> None:
    control = running.control("two")
    asked = [
        control.request("spawn", NULLS, argv=["guest", "spin"], env={}, cwd="/", tty=False)
        for _ in range(66)
    ]  # fmt: skip
    answers = [control.answer(number) for number in asked]
    refused = [answer for answer in answers if "pid" not in answer]
    assert [answer["errno"] for answer in refused] == [errno.EAGAIN] * 2
    assert "64 processes" in refused[0]["reason"]
    control.ask("stop")


def test_a_guest_gets_the_terminal_that_it_was_promised(running: Running) -> None:
    control = running.control()
    master, slave = os.openpty()
    pid = control.spawn(["guest", "cat"], (slave, slave, slave), tty=True)
    os.close(slave)
    os.write(master, b"ready\n")
    seen = b""
    while seen.count(b"ready") < 2:  # the terminal's echo, and the guest's
        seen += os.read(master, 100)
    os.write(master, b"\x03")  # ^C: the line discipline signals the guest's session
    assert control.exited(pid) == -signal.SIGINT
    os.close(master)
    pid = control.spawn(["guest", "cat"], NULLS, tty=True)
    assert control.exited(pid) == 125  # no terminal: it cannot begin


def test_a_stub_is_not_let_in(running: Running) -> None:
    with running.raw() as raw:
        socket.send_fds(raw.sock, [b'{"type":"hello",'], list(NULLS))
        answer = raw.answer()
    assert (answer["status"], answer["error"]) == ("denied", "E_RPC_FDS")


def test_an_id_is_served_by_one_vkernel(running: Running) -> None:
    with pytest.raises(Error, match="E_SOCK_PATH: another vkernel"):
        running.server.listen("one")
    with pytest.raises(Error, match="E_SOCK_CONNECT"):
        Control(running.run_dir, "three")
