"""Control clients that break the protocol, leave at any moment or do not read: dropped, recorded, unnoticed."""

from __future__ import annotations

import json
import os
import random
import socket
from pathlib import Path

import pytest

from tests.bundles import TestBundle
from tests.vkernel_proto.engine.serving import NULL, Running, eventually, output, serving

SPAWN = {"type": "spawn", "id": 1, "argv": ["guest", "exit", "0"], "env": {}, "cwd": "/", "tty": False}
NULLS = (NULL, NULL, NULL)


def spawn(**changes: object) -> bytes:
    return json.dumps({**SPAWN, **changes}).encode() + b"\n"


def fds_of_this_process() -> int:
    return len(os.listdir("/proc/self/fd"))


HELLOS = [
    (b"x\n", "E_RPC_JSON"),
    (b"{}\n", "E_RPC_JSON"),
    (b'{"type":"hello","version":2,"cid":"one","role":"control"}\n', "E_RPC_JSON"),
    (b'{"type":"hello","version":1,"cid":"two","role":"control"}\n', "E_SOCK_ID"),
    (b'{"type":"hello","version":1,"cid":"one","role":"guest"}\n', "E_RPC_JSON"),
    (b'{"type":"hello","version":1,"cid":"one","role":"control","x":1}\n', "E_RPC_JSON"),
    (b"{" * 5000, "E_RPC_FRAME"),
    (b"\xff\xfe\n", "E_RPC_JSON"),
]


@pytest.mark.parametrize(("data", "code"), HELLOS)
def test_a_bad_hello_is_told_why(running: Running, data: bytes, code: str) -> None:
    before = len(running.records("drop"))
    with running.raw() as raw:
        raw.send(data)
        assert raw.answer()["error"] == code
        assert raw.dropped()
    assert running.drops(before) == [code]


def test_who_says_nothing_is_dropped(running: Running) -> None:
    before = len(running.records("drop"))
    with running.raw() as raw:
        assert raw.answer()["error"] == "E_SOCK_TIMEOUT"
    assert running.drops(before) == ["E_SOCK_TIMEOUT"]


MESSAGES = [
    (b"x\n", (), "E_RPC_JSON"),
    (b'{"type":"fork","id":1}\n', (), "E_RPC_JSON"),
    (b'{"type":["spawn"],"id":1}\n', (), "E_RPC_JSON"),
    (b'{"type":"ps"}\n', (), "E_RPC_JSON"),
    (b'{"type":"ps","id":0}\n', (), "E_RPC_FRAME"),
    (b'{"type":"ps","id":"1"}\n', (), "E_RPC_JSON"),
    (b'{"type":"ps","id":true}\n', (), "E_RPC_JSON"),
    (b'{"type":"ps","id":9007199254740992}\n', (), "E_RPC_JSON"),
    (b'{"type":"ps","id":1}\n{"type":"ps","id":1}\n', (), "E_RPC_FRAME"),
    (b'{"type":"ps","id":1}\n', NULLS, "E_RPC_FDS"),
    (b'{"type":"signal","pid":1,"sig":65}\n', (), "E_RPC_JSON"),
    (b'{"type":"wait","id":1}\n', (), "E_RPC_JSON"),
    (spawn(), (), "E_RPC_FDS"),
    (spawn(), (NULL,), "E_RPC_FDS"),
    (spawn(), (NULL,) * 4, "E_RPC_FDS"),
    (spawn(), (NULL,) * 100, "E_RPC_FDS"),
    (spawn(argv=[1]), NULLS, "E_RPC_JSON"),
    (spawn(argv=["a\0b"]), NULLS, "E_RPC_JSON"),
    (spawn(argv="guest"), NULLS, "E_RPC_JSON"),
    (spawn(env={"A": 1}), NULLS, "E_RPC_JSON"),
    (spawn(env={"A=B": "c"}), NULLS, "E_RPC_JSON"),
    (spawn(env={"": "c"}), NULLS, "E_RPC_JSON"),
    (spawn(cwd="/\0"), NULLS, "E_RPC_JSON"),
    (spawn(hash="blake3:" + "A" * 64), NULLS, "E_RPC_JSON"),
    (spawn(hash="0" * 64), NULLS, "E_RPC_JSON"),
    (spawn(uid=0), NULLS, "E_RPC_JSON"),
    (b"[" * 20 + b"\n", (), "E_RPC_JSON"),
    (b'{"a":' + b"9" * (1 << 20), (), "E_RPC_FRAME"),
]


@pytest.mark.parametrize(("data", "fds", "code"), MESSAGES)
def test_a_bad_message_ends_the_connection_with_one_record(
    running: Running, data: bytes, fds: tuple[int, ...], code: str
) -> None:
    before, open_before = len(running.records("drop")), fds_of_this_process()
    with running.raw() as raw:
        assert raw.hello()["status"] == "ok"
        raw.send(data, fds)
        assert raw.dropped()
    assert running.drops(before) == [code]
    assert running.control().ps() == []
    eventually(lambda: fds_of_this_process() <= open_before + 4)  # the control connection's two ends and file


def test_a_message_with_unasked_fds_has_no_answer(running: Running) -> None:
    ps = b'{"type":"ps","id":1}\n'
    with running.raw() as raw:
        raw.hello()
        raw.send(ps, NULLS)
        raw.send(ps.replace(b"1", b"2"), NULLS)
        assert raw.answer() == {}
    with running.raw() as raw:
        raw.hello()
        raw.send(ps[:1], NULLS)
        raw.send(ps[1:])
        assert raw.answer() == {}


def test_fds_belong_to_the_spawn_they_came_with(running: Running) -> None:
    """Two spawns in one piece of bytes, and one in many."""
    pipes = [os.pipe() for _ in range(3)]
    with running.raw() as raw:
        raw.hello()
        for number, (_, writer) in enumerate(pipes, 1):
            line = spawn(id=number, argv=["guest", "echo", str(number)])
            if number < 3:
                raw.send(line, (NULL, writer, writer))
                continue
            socket.send_fds(raw.sock, [line[:1]], [NULL, writer, writer])
            for byte in line[1:]:
                raw.sock.send(bytes([byte]))
        for reader, writer in pipes:
            os.close(writer)
            with open(reader, "rb") as file:
                assert file.read() == b"%d\n" % (pipes.index((reader, writer)) + 1)


def test_a_client_that_does_not_read_is_dropped_and_others_go_on(running: Running) -> None:
    before = len(running.records("drop"))
    with running.raw() as raw:
        raw.hello()
        raw.sock.setblocking(False)
        for number in range(1, 1 << 20):
            try:
                raw.sock.send(b'{"type":"info","id":%d}\n' % number)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                if len(running.records("drop")) > before:
                    break
        assert running.drops(before) == ["E_SOCK_TIMEOUT"]
        assert output(running.control(), "guest", "echo", "on") == (0, b"on\n")


def test_requests_without_answers_are_bounded_by_not_reading_on(running: Running) -> None:
    """More spawns at once than are in flight: all are answered, in order."""
    control = running.control()
    asked = [
        control.request("spawn", NULLS, argv=["guest", "exit", "3"], env={}, cwd="/", tty=False) for _ in range(200)
    ]
    answers = [control.answer(number) for number in asked]
    pids = [answer["pid"] for answer in answers if "pid" in answer]
    assert len(pids) > 100  # at most 64 live at a time
    assert {control.exited(pid) for pid in pids} == {3}


def test_clients_that_leave_at_any_moment_leave_nothing(running: Running) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    text = b'{"type":"hello","version":1,"cid":"one","role":"control"}\n'
    before = fds_of_this_process()
    for _ in range(60):
        with running.raw() as raw:
            data = text + spawn(argv=["guest", "spin"]) + b'{"type":"wait","id":2,"pid":2}\n' * dice.randrange(2)
            if dice.random() < 0.5:
                data = data[: dice.randrange(len(data))]
                raw.send(data)
            else:
                raw.hello()
                raw.send(spawn(argv=["guest", "spin"]), NULLS)
                if dice.random() < 0.5:
                    raw.send(data[len(text) :][: dice.randrange(80)])
    control = running.control()
    eventually(lambda: control.ps() == [])
    assert output(control, "guest", "echo", "on") == (0, b"on\n")
    eventually(lambda: fds_of_this_process() <= before + 4)


def test_random_bytes_after_hello_do_no_harm(running: Running) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    lines = [line for line, _, _ in MESSAGES] + [b'{"type":"stop","id":5}\n', b'{"type":"info","id":6}\n', spawn()]
    for _ in range(100):
        with running.raw("two") as raw:
            raw.hello()
            data = bytearray(dice.choice(lines))
            for _ in range(dice.randrange(4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            raw.send(bytes(data), NULLS if dice.random() < 0.3 else ())
    assert output(running.control("two"), "guest", "echo", "on") == (0, b"on\n")


def test_more_connections_than_are_served_are_refused(bundle: TestBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path, "one", max_connections=2) as small:
        controls = [small.control() for _ in range(2)]
        with small.raw() as raw:
            assert raw.answer()["error"] == "E_RPC_DENIED"
        controls[0].close()
        eventually(lambda: small.raw().hello().get("status") == "ok")


def test_a_socket_handed_to_another_process_is_dropped(running: Running) -> None:
    before = len(running.records("drop"))
    with running.raw() as raw:
        raw.hello()
        child = os.fork()
        if child == 0:
            raw.sock.send(b'{"type":"ps","id":1}\n')
            os._exit(0)
        os.waitpid(child, 0)
        assert raw.dropped()
    assert running.drops(before) == ["E_SOCK_PEER"]
