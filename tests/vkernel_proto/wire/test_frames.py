"""The two encodings over a real socket: what is answered, and what ends the connection with one record."""

from __future__ import annotations

import base64
import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vkernel_proto.stub.fake_stub import NUMBERS, FakeStub, Served, frame, record, serving
from vkernel_proto.wire.frames import COUNT_MAX, FRAME, LENGTH_MAX, MAGIC, MESSAGE, RECORD, SYSCALLS

ENCODINGS = ("json", "binary")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("frames")) as vkernel:
        yield vkernel


@pytest.fixture(params=ENCODINGS)
def guest(request: pytest.FixtureRequest, served: Served) -> Iterator[FakeStub]:
    with served.guest_in(request.param) as stub:
        yield stub


def test_a_write_reaches_the_passed_fd(served: Served) -> None:
    for encoding in ENCODINGS:
        read, write = os.pipe()
        with served.guest_in(encoding, [write, write, write]) as stub:
            os.close(write)
            assert stub.call("write", 1, data=b"hi\n") == (3, b"")
            assert os.read(read, 10) == b"hi\n"
        os.close(read)


def test_strings_and_data_arrive_whole(guest: FakeStub, served: Served) -> None:
    name = f"/{guest.encoding}-\u00e9"
    fd, _ = guest.call("openat", -100, name, os.O_CREAT | os.O_RDWR, 0o600)
    assert fd == 3
    data = bytes(range(256)) * 2048  # 512 KiB
    assert guest.call("write", fd, data=data) == (len(data), b"")
    assert (served.root / name[1:]).read_bytes() == data
    assert guest.call("pread64", fd, 300, 100) == (300, data[100:400])


def test_a_failure_is_a_negative_errno(guest: FakeStub) -> None:
    assert guest.call("openat", -100, "/absent", 0, 0) == (-errno.ENOENT, b"")
    assert guest.call("close", 99) == (-errno.EBADF, b"")


def test_two_strings_keep_their_order(guest: FakeStub, served: Served) -> None:
    (served.root / f"a-{guest.encoding}").write_text("a")
    assert guest.call("renameat2", -100, f"/a-{guest.encoding}", -100, f"/b-{guest.encoding}", 0)[0] == 0
    assert (served.root / f"b-{guest.encoding}").read_text() == "a"


def test_a_batch_is_answered_in_full(served: Served) -> None:
    with served.guest_in("binary") as stub:
        path = b"/batch\0"
        calls = [
            record("openat", -100, 0, os.O_CREAT | os.O_RDWR, 0o600, payload=path),
            record("write", 3, payload=b"one"),
            record("close", 77),
            record("write", 3, payload=b"two"),
            record("pread64", 3, 100, 0),
        ]
        stub.sock.sendall(frame(SYSCALLS, len(calls), 10, b"".join(calls) + path + b"one" + b"two"))
        answers = stub.replies()
        expected = [(10, 3, b""), (11, 3, b""), (12, -errno.EBADF, b""), (13, 3, b""), (14, 6, b"onetwo")]
        assert answers == expected


def test_the_replies_of_a_batch_never_outgrow_a_frame(served: Served) -> None:
    (served.root / "big").write_bytes(os.urandom(1 << 20))
    with served.guest_in("binary") as stub:
        fd, _ = stub.call("openat", -100, "/big", 0, 0)
        count = 5
        stub.sock.sendall(frame(SYSCALLS, count, 100, record("pread64", fd, 900_000, 0) * count))
        answers: list[tuple[int, int, bytes]] = []
        while len(answers) < count:
            answers += stub.replies()  # read_frame checks the length
        assert [(number, value) for number, value, _ in answers] == [(100 + k, 900_000) for k in range(count)]


def test_exit_group_is_answered_and_ends_a_batch(served: Served) -> None:
    with served.guest_in("binary") as stub:
        calls = record("getpid") + record("exit_group", 9) + record("getpid")
        stub.sock.sendall(frame(SYSCALLS, 3, 1, calls))
        answers = stub.replies() + stub.replies()
        assert [(number, value) for number, value, _ in answers][1:] == [(2, 0)]
        assert stub.closed()
    assert served.wait_for(1, "exit")[-1]["code"] == 9


def test_a_json_read_fits_one_line(served: Served) -> None:
    (served.root / "long").write_bytes(bytes(1 << 20))
    with served.guest_in("json") as stub:
        fd, _ = stub.call("openat", -100, "/long", 0, 0)
        for name, args in (("read", (fd, 1_000_000)), ("pread64", (fd, 1_000_000, 0)), ("getrandom", (1_000_000, 0))):
            value, data = stub.call(name, *args)
            assert value == len(data) > 700_000
            assert len(base64.b64encode(data)) + 100 < 1 << 20


def test_an_unknown_name_is_enosys_and_recorded_once(served: Served) -> None:
    with served.guest_in("json") as stub:
        before = len(served.records("deny"))
        for number in (1, 2):
            line = {"type": "syscall", "id": number, "name": "reboot", "args": [1, "x"]}
            stub.send_message(line)
            assert stub.answer() == {"id": number, "ret": -errno.ENOSYS}
        rows = served.records("deny")[before:]
        assert [row["syscall"] for row in rows] == ["reboot"]


def test_an_unknown_number_is_enosys(served: Served) -> None:
    with served.guest_in("binary") as stub:
        stub.sock.sendall(frame(SYSCALLS, 1, 1, RECORD.pack(4242, 0, *[0] * 6, 0)))
        assert stub.replies() == [(1, -errno.ENOSYS, b"")]


def header(**changes: Any) -> bytes:
    """A header of one getpid, with changes."""
    fields = {"magic": MAGIC, "length": 64, "type": SYSCALLS, "flags": 0, "count": 1, "id": 1, "reserved": 0}
    fields.update(changes)
    return FRAME.pack(*fields.values())


GETPID = record("getpid")
# name of the defect, bytes after hello, code of the record
BAD_FRAMES = [
    ("magic", header(magic=b"RCW2") + GETPID, "E_RPC_FRAME"),
    ("length-over-the-limit", header(length=LENGTH_MAX + 1), "E_RPC_FRAME"),
    ("length-of-4-gib", header(length=0xFFFFFFFF), "E_RPC_FRAME"),
    ("length-too-short", header(length=63) + GETPID, "E_RPC_FRAME"),
    ("length-too-long", header(length=65) + GETPID + b"x", "E_RPC_FRAME"),
    ("type-0", header(type=0) + GETPID, "E_RPC_FRAME"),
    ("type-replies", header(type=2) + GETPID, "E_RPC_FRAME"),
    ("type-4", header(type=4) + GETPID, "E_RPC_FRAME"),
    ("flags", header(flags=1) + GETPID, "E_RPC_FRAME"),
    ("count-0", header(count=0, length=0), "E_RPC_FRAME"),
    ("count-65", header(count=COUNT_MAX + 1, length=65 * 64) + GETPID * 65, "E_RPC_FRAME"),
    ("count-of-4-billion", header(count=0xFFFFFFFF) + GETPID, "E_RPC_FRAME"),
    ("id-0", header(id=0) + GETPID, "E_RPC_FRAME"),
    ("id-of-2-to-53", header(id=1 << 53) + GETPID, "E_RPC_FRAME"),
    ("id-wraps", header(id=(1 << 64) - 1, count=2, length=128) + GETPID * 2, "E_RPC_FRAME"),
    ("reserved", header(reserved=1) + GETPID, "E_RPC_FRAME"),
    ("message-with-count", header(type=MESSAGE, id=0, length=2) + b"{}", "E_RPC_FRAME"),
    ("message-with-id", header(type=MESSAGE, count=0, length=2) + b"{}", "E_RPC_FRAME"),
    ("message-not-json", frame(MESSAGE, 0, 0, b"{"), "E_RPC_JSON"),
    ("message-of-no-type", frame(MESSAGE, 0, 0, b"{}"), "E_RPC_JSON"),
    ("message-too-deep", frame(MESSAGE, 0, 0, b'{"a":' * 9 + b"1" + b"}" * 9), "E_RPC_JSON"),
    ("message-syscall", frame(MESSAGE, 0, 0, b'{"type":"syscall","id":1,"name":"getpid"}'), "E_RPC_JSON"),
    ("record-reserved", frame(SYSCALLS, 1, 1, RECORD.pack(39, 0, *[0] * 6, 1)), "E_RPC_FRAME"),
    ("payload-missing", frame(SYSCALLS, 1, 1, RECORD.pack(1, 5, *[0] * 6, 0) + b"1234"), "E_RPC_FRAME"),
    ("payload-left-over", frame(SYSCALLS, 1, 1, RECORD.pack(1, 3, *[0] * 6, 0) + b"1234"), "E_RPC_FRAME"),
    ("batch-payload-left-over", frame(SYSCALLS, 2, 1, GETPID * 2 + b"1"), "E_RPC_FRAME"),
    ("batch-payload-of-4-gib", frame(SYSCALLS, 2, 1, RECORD.pack(1, 0xFFFFFFFF, *[0] * 6, 0) * 2), "E_RPC_FRAME"),
    ("string-without-nul", frame(SYSCALLS, 1, 1, record("openat", -100, payload=b"/x") + b"/x"), "E_RPC_FRAME"),
    ("one-string-of-two", frame(SYSCALLS, 1, 1, record("linkat", payload=b"a\0b") + b"a\0b"), "E_RPC_FRAME"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code"), [row[1:] for row in BAD_FRAMES], ids=[row[0] for row in BAD_FRAMES])
def test_a_bad_frame_ends_the_connection_with_one_record(served: Served, sent: bytes, code: str) -> None:
    before = len(served.records("drop"))
    with served.guest_in("binary") as stub:
        stub.sock.sendall(sent)
        assert stub.closed()
    rows = served.wait_for(before + 1, "drop")[before:]
    assert [row["error"] for row in rows] == [code]


CALL = '{"type":"syscall","id":1,"name":"getpid"'
BAD_LINES = [
    ("no-json", "hello", "E_RPC_JSON"),
    ("an-array", "[]", "E_RPC_JSON"),
    ("no-type", "{}", "E_RPC_JSON"),
    ("unknown-type", '{"type":"ioctl","id":1}', "E_RPC_JSON"),
    ("another-hello", '{"type":"hello","version":1}', "E_RPC_JSON"),
    ("two-values", CALL + "}{}", "E_RPC_JSON"),
    ("duplicate-key", CALL + ',"id":2}', "E_RPC_JSON"),
    ("unknown-field", CALL + ',"extra":1}', "E_RPC_JSON"),
    ("no-id", '{"type":"syscall","name":"getpid"}', "E_RPC_JSON"),
    ("id-is-a-string", '{"type":"syscall","id":"1","name":"getpid"}', "E_RPC_JSON"),
    ("id-is-true", '{"type":"syscall","id":true,"name":"getpid"}', "E_RPC_JSON"),
    ("id-is-a-float", '{"type":"syscall","id":1.0,"name":"getpid"}', "E_RPC_JSON"),
    ("id-is-0", '{"type":"syscall","id":0,"name":"getpid"}', "E_RPC_FRAME"),
    ("id-is-2-to-53", '{"type":"syscall","id":9007199254740992,"name":"getpid"}', "E_RPC_JSON"),
    ("args-missing", '{"type":"syscall","id":1,"name":"close"}', "E_RPC_JSON"),
    ("args-too-many", CALL + ',"args":[1]}', "E_RPC_JSON"),
    ("args-no-list", CALL + ',"args":{}}', "E_RPC_JSON"),
    ("arg-is-a-string", '{"type":"syscall","id":1,"name":"close","args":["1"]}', "E_RPC_JSON"),
    ("arg-is-null", '{"type":"syscall","id":1,"name":"close","args":[null]}', "E_RPC_JSON"),
    ("string-is-an-arg", '{"type":"syscall","id":1,"name":"openat","args":[1,2,3,4]}', "E_RPC_JSON"),
    ("string-with-nul", '{"type":"syscall","id":1,"name":"openat","args":[1,"a\\u0000b",0,0]}', "E_RPC_JSON"),
    ("data-not-base64", '{"type":"syscall","id":1,"name":"write","args":[1],"data":"!!!!"}', "E_RPC_JSON"),
    ("data-not-padded", '{"type":"syscall","id":1,"name":"write","args":[1],"data":"aGk"}', "E_RPC_JSON"),
    ("data-padded-too-much", '{"type":"syscall","id":1,"name":"write","args":[1],"data":"aGkK="}', "E_RPC_JSON"),
    ("data-unused-bits", '{"type":"syscall","id":1,"name":"write","args":[1],"data":"aGl="}', "E_RPC_JSON"),
    ("data-all-padding", '{"type":"syscall","id":1,"name":"write","args":[1],"data":"===="}', "E_RPC_JSON"),
    ("data-not-ascii", '{"type":"syscall","id":1,"name":"write","args":[1],"data":"\u00e9"}', "E_RPC_JSON"),
    ("data-not-taken", CALL + ',"data":"aGkK"}', "E_RPC_JSON"),
    ("another-cid", CALL + ',"cid":"other"}', "E_RPC_JSON"),
    ("deep", CALL + ',"args":' + "[" * 5000 + "]" * 5000 + "}", "E_RPC_JSON"),
    ("not-utf-8", b'{"type":"\xff"}', "E_RPC_JSON"),
    ("nan", CALL + ',"args":[NaN]}', "E_RPC_JSON"),
    ("a-huge-number", CALL + ',"args":[' + "9" * 100_000 + "]}", "E_RPC_JSON"),
    ("a-line-over-the-limit", b" " * (1 << 20), "E_RPC_FRAME"),
    ("signal-0", '{"type":"signal","sig":0}', "E_RPC_JSON"),
    ("signal-with-pid", '{"type":"signal","sig":9,"pid":1}', "E_RPC_JSON"),
    ("ps", '{"type":"ps","id":1}', "E_RPC_JSON"),
    ("exec-without-hash", '{"type":"exec","id":1,"path":"/x","argv":[]}', "E_RPC_JSON"),
    ("exec-hash-short", '{"type":"exec","id":1,"path":"/x","argv":[],"hash":"blake3:00"}', "E_RPC_JSON"),
    ("spawn-argv-numbers", '{"type":"spawn","id":1,"argv":[1],"env":{},"cwd":"/","tty":false}', "E_RPC_JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code"), [row[1:] for row in BAD_LINES], ids=[row[0] for row in BAD_LINES])
def test_a_bad_line_ends_the_connection_with_one_record(served: Served, line: str | bytes, code: str) -> None:
    before = len(served.records("drop"))
    with served.guest_in("json") as stub:
        stub.sock.sendall((line.encode() if isinstance(line, str) else line) + b"\n")
        assert stub.closed()
    rows = served.wait_for(before + 1, "drop")[before:]
    assert [row["error"] for row in rows] == [code]


def test_ids_must_increase(guest: FakeStub, served: Served) -> None:
    assert guest.call("getpid")[0] > 0
    guest.last = 0
    before = len(served.records("drop"))
    with pytest.raises((KeyError, struct.error)):
        guest.call("getpid")
    assert served.wait_for(before + 1, "drop")[before]["error"] == "E_RPC_FRAME"


def test_an_unasked_fd_ends_the_connection(guest: FakeStub, served: Served) -> None:
    before = len(served.records("drop"))
    text = b'{"type":"syscall","id":1,"name":"getpid"}\n'
    body = text if guest.encoding == "json" else frame(SYSCALLS, 1, 1, GETPID)
    socket.send_fds(guest.sock, [body], [0, 1])
    assert guest.closed()
    assert served.wait_for(before + 1, "drop")[before]["error"] == "E_RPC_FDS"


def test_a_line_may_come_byte_by_byte(served: Served) -> None:
    with served.guest_in("json") as stub:
        for byte in b'{"type":"syscall","id":1,"name":"getpid"}\n':
            stub.sock.sendall(bytes([byte]))
        assert stub.answer()["id"] == 1


def test_a_frame_may_come_byte_by_byte_and_two_at_once(served: Served) -> None:
    with served.guest_in("binary") as stub:
        for byte in frame(SYSCALLS, 1, 1, GETPID):
            stub.sock.sendall(bytes([byte]))
        assert stub.replies()[0][0] == 1
        stub.sock.sendall(frame(SYSCALLS, 1, 2, GETPID) + frame(SYSCALLS, 1, 3, GETPID))
        assert [stub.replies()[0][0], stub.replies()[0][0]] == [2, 3]


def test_a_guest_that_ends_inside_a_frame_is_an_exit_not_an_offence(served: Served) -> None:
    before, ends = len(served.records("drop")), len(served.records("exit"))
    with served.guest_in("binary") as stub:
        stub.sock.sendall(header()[:20])
    assert served.wait_for(ends + 1, "exit")[-1]["closed"] is True
    assert len(served.records("drop")) == before


def test_every_syscall_of_the_table_has_a_number_on_the_wire() -> None:
    assert len(NUMBERS) == len(set(NUMBERS.values()))


def test_unasked_fds_are_closed(served: Served) -> None:
    before = served.fds_at_rest()
    for count in (1, 8, 100):
        with served.guest_in("binary") as stub:
            socket.send_fds(stub.sock, [frame(SYSCALLS, 1, 1, GETPID)], [0] * count)
            assert stub.closed()
    assert served.fds_at_rest() == before


def test_messages_and_replies_of_two_threads_never_mix(served: Served) -> None:
    """A signal message comes while replies are sent; both arrive whole and none is lost."""
    with served.guest_in("binary") as stub:
        [guest] = served.vkernel.core.guests_of("test")
        told = threading.Thread(target=lambda: [guest.tell({"type": "signal", "sig": 1}) for _ in range(2000)])
        told.start()
        messages = replies = 0
        while replies < 500 or told.is_alive():
            stub.sock.sendall(frame(SYSCALLS, 1, replies + 1, GETPID))
            while (found := stub.read_frame())[0] == MESSAGE:
                assert found[3] == b'{"sig":1,"type":"signal"}\n'
                messages += 1
            replies += 1
            kind, count, first, body = found
            assert (kind, count, first, len(body)) == (2, 1, replies, 16)
        told.join()
        assert messages > 0
