"""A vkernel that misbehaves: the stub refuses before the guest begins, or dies with one line; it never hangs."""

from __future__ import annotations

import base64
import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loader.fake_vkernel import (
    HEADER,
    REPLIES,
    SYSCALLS,
    Call,
    FakeVkernel,
    message_frame,
    reply_frame,
    reply_line,
)
from tests.loader.signed_stub import run

Serve = Callable[[FakeVkernel, Call], bytes]


# ---- hello

ANSWERS = [
    pytest.param({"status": "denied", "error": "E_KEY_UNKNOWN", "message": "no"}, "E_RPC_DENIED", id="denied"),
    pytest.param({"status": "maybe"}, "E_RPC_REPLY", id="another status"),
    pytest.param({}, "E_RPC_REPLY", id="no status"),
    pytest.param({"id": 1, "ret": 0}, "E_RPC_REPLY", id="a reply to a syscall"),
    pytest.param(b'["ok"]\n', "E_RPC_JSON", id="not an object"),
    pytest.param(b'{"status":"ok","status":"ok"}\n', "E_RPC_JSON", id="duplicate key"),
    pytest.param(b'{"status":"ok","a":' + b"[" * 9 + b"]" * 9 + b"}\n", "E_RPC_JSON", id="too deep"),
    pytest.param(b'{"status":"ok","a":1.5}\n', "E_RPC_JSON", id="a float"),
    pytest.param(b"\xff\xfe\n", "E_RPC_JSON", id="not UTF-8"),
    pytest.param(b"\0" * 32 + b"\n", "E_RPC_JSON", id="NULs"),
    pytest.param(b" " * (1 << 20), "E_RPC_JSON", id="a line over the limit"),
    pytest.param(b"RCW1" + bytes(28) + b"\n", "E_RPC_JSON", id="a frame where a line belongs"),
]


@pytest.mark.parametrize("encoding", ["binary", "json"])
@pytest.mark.parametrize(("answer", "code"), ANSWERS)
def test_refuses_a_wrong_answer_to_hello(hello: Path, encoding: str, answer: dict[str, str] | bytes, code: str) -> None:
    outcome = run(hello, encoding=encoding, answer=answer)
    assert (outcome.status, outcome.code, outcome.stdout) == (125, code, b"")
    assert outcome.vkernel.calls == []


def test_a_denial_says_the_vkernels_reason_without_its_control_characters(hello: Path) -> None:
    answer = {"status": "denied", "error": "E_\x1b[2J", "message": "a\nb\u202ec"}
    line = run(hello, answer=answer).line
    assert line.startswith("E_RPC_DENIED: the vkernel denies this program: E_?[2J: a?b")
    assert line.isascii()
    assert line.isprintable()


def test_hello_holds_the_files_statement_and_manifest_and_three_fds(hello: Path) -> None:
    vkernel = run(hello).vkernel
    content = hello.read_bytes()
    assert base64.b64decode(vkernel.hello["statement"]) in content
    assert len(base64.b64decode(vkernel.hello["statement"])) == 384
    assert json.loads(base64.b64decode(vkernel.hello["manifest"]))["name"] == "demo/hello"
    assert (vkernel.hello["type"], vkernel.hello["version"]) == ("hello", 1)
    assert len(vkernel.fds) == 3


def test_a_silent_vkernel_is_left_after_the_handshakes_time(hello: Path) -> None:
    outcome = run(hello, answer=None)
    assert (outcome.status, outcome.code) == (125, "E_SOCK_TIMEOUT")


# ---- replies


def framed(edit: Callable[[bytearray], None]) -> Serve:
    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        frame = bytearray(reply_frame(call.id, 0, b"data"))
        edit(frame)
        return bytes(frame)

    return serve


def poke(offset: int, *values: int) -> Serve:
    def edit(frame: bytearray) -> None:
        frame[offset : offset + len(values)] = bytes(values)

    return framed(edit)


def closing(vkernel: FakeVkernel, call: Call) -> bytes:
    vkernel.sock.shutdown(socket.SHUT_RDWR)
    return b""


def with_fd(vkernel: FakeVkernel, call: Call) -> bytes:
    whole = vkernel.reply(call, 6)
    socket.send_fds(vkernel.sock, [whole[:5]], [0])
    return whole[5:]


def unasked(vkernel: FakeVkernel, call: Call) -> bytes:
    return vkernel.reply(Call(call.id + 1, call.name, [], b""), 0)


def much_data(vkernel: FakeVkernel, call: Call) -> bytes:
    return vkernel.reply(call, 6, b"x")


BOTH: list[tuple[str, Serve, str]] = [
    ("an id that was not asked", unasked, "E_RPC_REPLY"),
    ("a reply too many", lambda v, c: v.usual(c) + v.reply(Call(999, c.name, [], b""), 0), "E_RPC_REPLY"),
    ("data that was not asked for", much_data, "E_RPC_REPLY"),
    ("an fd", with_fd, "E_RPC_FDS"),
    ("end of file", closing, "E_RPC_CLOSED"),
    ("signal 0", lambda v, c: v.signal(0), "E_RPC_REPLY"),
    ("signal 65", lambda v, c: v.signal(65), "E_RPC_REPLY"),
    ("signal -9", lambda v, c: v.signal(-9), "E_RPC_REPLY"),
]
BINARY: list[tuple[str, Serve, str]] = [
    ("another magic", poke(0, 0x52, 0x43, 0x57, 0x32), "E_RPC_FRAME"),
    ("a body over 1 MiB", poke(4, 1, 0, 0x10, 0), "E_RPC_FRAME"),
    ("type 0", poke(8, 0, 0), "E_RPC_FRAME"),
    ("type 4", poke(8, 4, 0), "E_RPC_FRAME"),
    ("flags", poke(10, 1, 0), "E_RPC_FRAME"),
    ("reserved bits", poke(31, 0x80), "E_RPC_FRAME"),
    ("count 0", poke(12, 0), "E_RPC_FRAME"),
    ("count 65", poke(12, 65), "E_RPC_FRAME"),
    ("more records than bytes", poke(12, 2), "E_RPC_FRAME"),
    ("an id that wraps", poke(16, *[0xFF] * 8), "E_RPC_FRAME"),
    ("reserved bits of a record", poke(32 + 12, 1), "E_RPC_FRAME"),
    ("data beyond the frame", poke(32 + 8, 5), "E_RPC_FRAME"),
    ("bytes after the data", poke(32 + 8, 3), "E_RPC_FRAME"),
    ("data of 4 GiB", poke(32 + 8, *[0xFF] * 4), "E_RPC_FRAME"),
    ("a frame of syscalls", lambda v, c: HEADER.pack(b"RCW1", 64, SYSCALLS, 0, 1, 1, 0) + bytes(64), "E_RPC_REPLY"),
    ("two replies", lambda v, c: HEADER.pack(b"RCW1", 32, REPLIES, 0, 2, c.id, 0) + bytes(32), "E_RPC_REPLY"),
    ("a message with an id", lambda v, c: HEADER.pack(b"RCW1", 0, 3, 0, 0, 7, 0), "E_RPC_FRAME"),
    ("an empty message", lambda v, c: HEADER.pack(b"RCW1", 0, 3, 0, 0, 0, 0), "E_RPC_JSON"),
    ("an unknown message", lambda v, c: message_frame({"type": "exit", "pid": 2, "code": 0}), "E_RPC_REPLY"),
    ("a line", lambda v, c: reply_line(c.id, 0) + bytes(32), "E_RPC_FRAME"),
]
JSON: list[tuple[str, Serve, str]] = [
    ("an empty line", lambda v, c: b"\n", "E_RPC_JSON"),
    ("two values", lambda v, c: b"{}{}\n", "E_RPC_JSON"),
    ("no ret", lambda v, c: b'{"id":%d}\n' % c.id, "E_RPC_REPLY"),
    ("no id", lambda v, c: b'{"ret":0}\n', "E_RPC_REPLY"),
    ("an id as text", lambda v, c: b'{"id":"%d","ret":0}\n' % c.id, "E_RPC_REPLY"),
    ("an id of 2^53", lambda v, c: b'{"id":9007199254740992,"ret":0}\n', "E_RPC_JSON"),
    ("data that is not base64", lambda v, c: b'{"id":%d,"ret":6,"data":"a"}\n' % c.id, "E_RPC_JSON"),
    ("base64 that is not canonical", lambda v, c: b'{"id":%d,"ret":6,"data":"aB=="}\n' % c.id, "E_RPC_JSON"),
    ("a line over the limit", lambda v, c: b'{"a":"' + b"a" * (1 << 20), "E_RPC_JSON"),
    ("a frame", lambda v, c: reply_frame(c.id, 0) + b"\n", "E_RPC_JSON"),
]
REPLIES_TABLE = [
    pytest.param(encoding, serve, code, id=f"{encoding}: {name}")
    for encoding, table in (("binary", BOTH + BINARY), ("json", BOTH + JSON))
    for name, serve, code in table
]


@pytest.mark.parametrize(("encoding", "serve", "code"), REPLIES_TABLE)
def test_a_broken_reply_ends_the_guest_as_a_lost_kernel_does(
    hello: Path, encoding: str, serve: Serve, code: str
) -> None:
    outcome = run(hello, encoding=encoding, serve=serve)
    assert (outcome.status, outcome.code) == (-signal.SIGKILL, code)


@pytest.mark.parametrize("encoding", ["binary", "json"])
def test_replies_may_arrive_byte_by_byte(hello: Path, encoding: str) -> None:
    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        whole = vkernel.usual(call)
        for i in range(len(whole) - 1):
            vkernel.sock.sendall(whole[i : i + 1])
        return whole[-1:]

    outcome = run(hello, encoding=encoding, serve=serve)
    assert (outcome.status, outcome.stdout) == (7, b"hello\n")


# ---- signals

SIGNALS = [
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGPIPE,
    signal.SIGRTMAX,
]


@pytest.mark.parametrize("encoding", ["binary", "json"])
@pytest.mark.parametrize("sig", SIGNALS)
def test_a_signal_message_is_death_by_that_signal(hello: Path, encoding: str, sig: int) -> None:
    outcome = run(hello, encoding=encoding, serve=lambda vkernel, call: vkernel.signal(sig))
    assert (outcome.status, outcome.stderr) == (-sig, b"")


def test_a_signal_kills_although_the_parent_had_it_ignored_and_blocked(hello: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    outcome = run(hello, serve=lambda vkernel, call: vkernel.signal(signal.SIGTERM), preexec_fn=ignore)
    assert outcome.status == -signal.SIGTERM


@pytest.mark.parametrize("sig", [signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT])
def test_a_signal_whose_default_is_nothing_changes_nothing(hello: Path, sig: int) -> None:
    outcome = run(hello, serve=lambda vkernel, call: vkernel.signal(sig) + vkernel.usual(call))
    assert (outcome.status, outcome.stdout) == (7, b"hello\n")
