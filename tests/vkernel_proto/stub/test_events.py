"""Waiting: each wait ends by its event, its timeout, a wake-up (EINTR once) or the end of the connection (EINTR)."""

from __future__ import annotations

import errno
import os
import pty
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.testbed import eventually
from tests.vkernel_proto.stub.lone_process import AT_FDCWD, Lone, container, in_thread, lone_process, policy

EINTR = -errno.EINTR
POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 4, 8, 16, 32
ADD, DEL, MOD = 1, 2, 3
O_NONBLOCK = 0o4000


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Lone]:
    os.mkfifo(tmp_path / "fifo")
    with lone_process(tmp_path, connect=("127.0.0.1:*",), bind=("127.0.0.1:*",)) as process:
        yield process


def pipe(lone: Lone, flags: int = 0) -> tuple[int, int]:
    value, reply = lone("pipe2", flags)
    assert value == 0
    reader, writer = struct.unpack("<ii", reply)
    return reader, writer


def _read_empty_pipe(lone: Lone) -> int:
    return lone.ret("read", pipe(lone)[0], 1)


def _write_full_pipe(lone: Lone) -> int:
    _, writer = pipe(lone, O_NONBLOCK)
    while lone.ret("write", writer, data=bytes(65536)) > 0:
        pass
    lone("fcntl", writer, 4, 0)
    return lone.ret("write", writer, data=b"x")


def _epoll_wait(lone: Lone) -> int:
    return lone.ret("epoll_wait", lone.fd("epoll_create1", 0), 1, -1)


def _read_socket(lone: Lone) -> int:
    fd = lone.fd("socket", 2, 2, 0)
    lone("bind", fd, data=struct.pack("<H", 2) + bytes(2) + bytes([127, 0, 0, 1]) + bytes(8))
    return lone.ret("recvfrom", fd, 1, 0, 0)


def _accept(lone: Lone) -> int:
    fd = lone.fd("socket", 2, 1, 0)
    lone("bind", fd, data=struct.pack("<H", 2) + bytes(2) + bytes([127, 0, 0, 1]) + bytes(8))
    assert lone.ret("listen", fd, 1) == 0
    return lone.ret("accept4", fd, 0, 0)


BLOCKING: dict[str, Callable[[Lone], int]] = {
    "read": _read_empty_pipe,
    "write": _write_full_pipe,
    "poll": lambda lone: lone.ret("poll", -1, data=struct.pack("<ihh", pipe(lone)[0], POLLIN, 0)),
    "poll of nothing": lambda lone: lone.ret("poll", -1),
    "epoll_wait": _epoll_wait,
    "futex": lambda lone: lone.ret("futex", 1, 0, 5, 5, -1),
    "clock_nanosleep": lambda lone: lone.ret("clock_nanosleep", 1, 0, 10**18),
    "sleep until": lambda lone: lone.ret("clock_nanosleep", 0, 1, 9 * 10**18),
    "recvfrom": _read_socket,
    "accept4": _accept,
    "open of a FIFO": lambda lone: lone.ret("openat", AT_FDCWD, b"/fifo", 1, 0),
    "read of a FIFO": lambda lone: lone.ret("read", lone.fd("openat", AT_FDCWD, b"/fifo", 0, 0), 1),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_blocked_call_is_interrupted_by_a_wake_up(lone: Lone, name: str) -> None:
    answer = in_thread(lambda: BLOCKING[name](lone))
    lone.interrupt()
    assert answer() == EINTR


@pytest.mark.parametrize("name", BLOCKING)
def test_blocked_call_is_interrupted_by_the_end_of_the_connection(lone: Lone, name: str) -> None:
    answer = in_thread(lambda: BLOCKING[name](lone))
    lone.guest_end.close()
    assert answer() == EINTR
    assert BLOCKING[name](lone) == EINTR  # there is nobody to block for any more


def test_one_wake_up_interrupts_one_call(lone: Lone) -> None:
    lone.interrupt()
    assert lone.ret("poll", -1) == EINTR
    assert lone.ret("poll", 1) == 0


def test_wake_up_does_not_disturb_a_call_that_need_not_wait(lone: Lone) -> None:
    reader, writer = pipe(lone)
    lone.interrupt()
    assert lone.ret("write", writer, data=b"ab") == 2
    assert lone("read", reader, 1) == (1, b"a")


def test_unread_requests_on_the_connection_do_not_interrupt(lone: Lone) -> None:
    lone.guest_end.send(b"the next request")
    assert lone.ret("poll", 1) == 0


def test_blocking_read_waits_for_the_writer(lone: Lone) -> None:
    reader, writer = pipe(lone)
    host = os.dup(lone.process.files[writer].host)
    answer = in_thread(lambda: lone("read", reader, 10))
    os.write(host, b"late")
    os.close(host)
    assert answer() == (4, b"late")
    lone("close", writer)
    assert lone("read", reader, 10) == (0, b"")


def test_blocking_write_writes_all_of_it(lone: Lone) -> None:
    reader, writer = pipe(lone)
    host = os.dup(lone.process.files[reader].host)
    os.set_blocking(host, True)
    answer = in_thread(lambda: lone.ret("write", writer, data=bytes(500_000)))
    received = 0
    while received < 500_000:
        received += len(os.read(host, 65536))
    os.close(host)
    assert answer() == 500_000


def test_interrupted_write_says_how_much_it_has_written(lone: Lone) -> None:
    _, writer = pipe(lone)
    lone.interrupt()
    assert 0 < lone.ret("write", writer, data=bytes(500_000)) < 500_000


def test_write_without_a_reader_is_epipe(lone: Lone) -> None:
    reader, writer = pipe(lone)
    lone("close", reader)
    assert lone.ret("write", writer, data=b"x") == -errno.EPIPE


def test_nonblock_belongs_to_the_description_and_not_to_the_fd(lone: Lone) -> None:
    reader, _ = pipe(lone)
    copy = lone.fd("dup", reader)
    assert lone.ret("fcntl", copy, 4, O_NONBLOCK) == 0
    assert lone.ret("read", reader, 1) == -errno.EAGAIN
    assert lone.ret("fcntl", reader, 3, 0) == O_NONBLOCK
    lone("fcntl", reader, 4, 0)
    lone.interrupt()
    assert lone.ret("read", copy, 1) == EINTR


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_passed_stdin_blocks_can_be_interrupted_and_keeps_its_flags(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        mine, theirs = os.pipe()[::-1]
    elif kind == "socket":
        mine, theirs = (end.detach() for end in socket.socketpair())
    else:
        mine, theirs = pty.openpty()
        tty.setraw(theirs)
    kept = os.dup(theirs)
    try:
        with lone_process(tmp_path, (theirs, None, None)) as lone:
            for _ in range(2):
                lone.interrupt()
                assert lone.ret("read", 0, 10) == EINTR
                answer = in_thread(lambda: lone("read", 0, 10))
                os.write(mine, b"typed")
                assert answer() == (5, b"typed")
            lone("fcntl", 0, 4, O_NONBLOCK)
            assert lone.ret("read", 0, 10) == -errno.EAGAIN
            assert os.get_blocking(kept)
    finally:
        os.close(mine)
        os.close(kept)


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_passed_stdout_blocks_and_can_be_interrupted(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        mine, theirs = os.pipe()
    elif kind == "socket":
        mine, theirs = (end.detach() for end in socket.socketpair())
    else:
        mine, theirs = pty.openpty()
        tty.setraw(theirs)
    try:
        with lone_process(tmp_path, (None, theirs, None)) as lone:
            assert lone.ret("write", 1, data=b"hello") == 5
            assert os.read(mine, 100) == b"hello"
            answer = in_thread(lambda: lone.ret("write", 1, data=bytes(800_000)))
            lone.interrupt()
            written = answer()
            assert 0 < written < 800_000
            taken = 0
            while taken < written:
                taken += len(os.read(mine, 65536))
            lone("fcntl", 1, 4, O_NONBLOCK)
            while (ret := lone.ret("write", 1, data=bytes(65536))) > 0:
                pass
            assert ret == -errno.EAGAIN
    finally:
        os.close(mine)


def test_inherited_nonblocking_stdin_stays_nonblocking(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with lone_process(tmp_path, (reader, None, None)) as lone:
        assert lone.ret("read", 0, 1) == -errno.EAGAIN
        assert lone.ret("fcntl", 0, 3, 0) & O_NONBLOCK
    os.close(writer)


def test_fifo_gives_a_reader_what_a_later_writer_writes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with container(tmp_path) as shared:
        lones = [Lone(shared, policy(), [os.open("/dev/null", os.O_RDWR) for _ in range(3)], pid) for pid in (1, 2)]
        try:
            fds = lones[0].fd("openat", AT_FDCWD, b"/fifo", 0, 0)
            answer = in_thread(lambda: lones[0]("read", fds, 10))
            writer = lones[1].fd("openat", AT_FDCWD, b"/fifo", 1, 0)
            lones[1]("write", writer, data=b"through")
            assert answer() == (7, b"through")
            lones[1]("close", writer)
            assert lones[0]("read", fds, 10) == (0, b"")
            assert lones[0].ret("close", fds) == 0
            assert lones[1].ret("openat", AT_FDCWD, b"/fifo", 1 | O_NONBLOCK, 0) == -errno.ENXIO
            waiting = in_thread(lambda: lones[1].ret("openat", AT_FDCWD, b"/fifo", 1, 0))
            lones[0].fd("openat", AT_FDCWD, b"/fifo", 0, 0)
            assert waiting() >= 0
        finally:
            for lone in lones:
                lone.close()


def test_poll_says_what_is_ready(lone: Lone) -> None:
    reader, writer = pipe(lone)
    asked = [(reader, POLLIN), (writer, POLLOUT), (-1, POLLIN), (60, POLLIN), (0, POLLIN | POLLOUT)]
    data = b"".join(struct.pack("<ihh", fd, events, 0) for fd, events in asked)
    value, reply = lone("poll", -1, data=data)
    assert value == 3
    assert [row[2] for row in struct.iter_unpack("<ihh", reply)] == [0, POLLOUT, 0, POLLNVAL, POLLIN | POLLOUT]
    lone("write", writer, data=b"x")
    value, reply = lone("poll", -1, data=struct.pack("<ihh", reader, POLLIN, 0))
    assert (value, struct.unpack("<ihh", reply)[2]) == (1, POLLIN)
    lone("close", writer)
    lone("read", reader, 1)
    assert struct.unpack("<ihh", lone("poll", -1, data=struct.pack("<ihh", reader, POLLIN, 0))[1])[2] == POLLHUP


def test_poll_times_out_with_no_answer(lone: Lone) -> None:
    reader, _ = pipe(lone)
    assert lone("poll", 1, data=struct.pack("<ihh", reader, POLLIN, 0)) == (0, struct.pack("<ihh", reader, POLLIN, 0))


def test_epoll_reports_the_guests_own_data(lone: Lone) -> None:
    reader, writer = pipe(lone)
    epfd = lone.fd("epoll_create1", 0o2000000)
    assert lone.ret("fcntl", epfd, 1, 0) == 1
    assert lone.ret("epoll_ctl", epfd, ADD, reader, data=struct.pack("<IQ", POLLIN, 0xDEADBEEF12345678)) == 0
    assert lone.ret("epoll_wait", epfd, 8, 1) == 0
    lone("write", writer, data=b"x")
    assert lone("epoll_wait", epfd, 8, -1) == (1, struct.pack("<IQ", POLLIN, 0xDEADBEEF12345678))
    assert lone.ret("epoll_ctl", epfd, ADD, reader, data=struct.pack("<IQ", POLLIN, 0)) == -errno.EEXIST
    assert lone.ret("epoll_ctl", epfd, MOD, reader, data=struct.pack("<IQ", POLLIN | 1 << 31, 7)) == 0
    assert lone("epoll_wait", epfd, 8, 0) == (1, struct.pack("<IQ", POLLIN, 7))
    assert lone.ret("epoll_wait", epfd, 8, 0) == 0  # edge-triggered
    assert lone.ret("epoll_ctl", epfd, DEL, reader) == 0
    assert lone.ret("epoll_ctl", epfd, DEL, reader) == -errno.ENOENT
    assert lone.ret("epoll_ctl", epfd, MOD, 60, data=bytes(12)) == -errno.EBADF
    assert lone.ret("epoll_ctl", reader, ADD, writer, data=bytes(12)) == -errno.EINVAL
    assert lone.ret("epoll_ctl", epfd, ADD, reader, data=bytes(11)) == -errno.EINVAL
    assert lone.ret("epoll_ctl", epfd, ADD, epfd, data=bytes(12)) == -errno.EINVAL
    assert lone.ret("epoll_wait", epfd, 0, 0) == lone.ret("epoll_wait", reader, 1, 0) == -errno.EINVAL


def test_epoll_sees_duplicates_as_linux_does(lone: Lone) -> None:
    reader, writer = pipe(lone)
    copy = lone.fd("dup", reader)
    epfd = lone.fd("epoll_create1", 0)
    for fd in (reader, copy):
        assert lone.ret("epoll_ctl", epfd, ADD, fd, data=struct.pack("<IQ", POLLIN, fd)) == 0
    lone("close", reader)  # epoll(7), Q6: the description is still open through copy
    lone("write", writer, data=b"x")
    value, reply = lone("epoll_wait", epfd, 8, 0)
    assert value == 2
    assert {row[1] for row in struct.iter_unpack("<IQ", reply)} == {reader, copy}


def test_epoll_of_a_regular_file_is_eperm(lone: Lone) -> None:
    fd = lone.fd("openat", AT_FDCWD, b"/file", 0o102, 0o600)
    assert lone.ret("epoll_ctl", lone.fd("epoll_create1", 0), ADD, fd, data=bytes(12)) == -errno.EPERM


def test_futex_wakes_the_longest_waiting_and_counts(tmp_path: Path) -> None:
    with container(tmp_path) as shared:
        lones = [Lone(shared, policy(), [os.open("/dev/null", os.O_RDWR) for _ in range(3)], pid) for pid in range(4)]
        try:
            answers = []
            for count, lone in enumerate(lones[:3], 1):
                answers.append(in_thread(partial(lone.ret, "futex", 77, 0, 1, 1, -1)))
                eventually(lambda count=count: len(shared._waiters.get(77, ())) == count)
            assert lones[3].ret("futex", 78, 1, 10, 0, 0) == 0
            assert lones[3].ret("futex", 77, 1, 0, 0, 0) == 0
            assert lones[3].ret("futex", 77, 1, 1, 0, 0) == 1
            assert answers[0]() == 0
            assert lones[3].ret("futex", 77, 1, 10, 0, 0) == 2
            assert [answer() for answer in answers[1:]] == [0, 0]
            assert not shared._waiters
        finally:
            for lone in lones:
                lone.close()


def test_futex_wait_without_a_wake_up(lone: Lone) -> None:
    assert lone.ret("futex", 1, 0, 5, 6, -1) == -errno.EAGAIN
    assert lone.ret("futex", 1, 0, 5, 5, 1000) == -errno.ETIMEDOUT
    assert lone.ret("futex", 1, 0, -1, 0xFFFFFFFF, 0) == -errno.ETIMEDOUT  # 32 bits are compared
    assert lone.ret("futex", 1, 9, 5, 5, 0) == lone.ret("futex", 1, 0, 5, 5, -2) == -errno.EINVAL
    assert not lone.process.container._waiters


def test_futex_hands_no_wake_up_to_one_who_left(tmp_path: Path) -> None:
    """Waiters that time out race with one that wakes: every wake-up that was counted has been received."""
    with container(tmp_path) as shared:
        lones = [Lone(shared, policy(), [os.open("/dev/null", os.O_RDWR) for _ in range(3)], pid) for pid in range(2)]
        stop = threading.Event()

        def wait() -> int:
            received = 0
            while not stop.is_set():
                received += lones[0].ret("futex", 5, 0, 0, 0, 20_000) == 0
            return received

        try:
            answer = in_thread(wait)
            given = 0
            for _ in range(200_000):
                given += lones[1].ret("futex", 5, 1, 1, 0, 0)
                if given == 500:
                    break
            stop.set()
            assert answer() == given > 0
        finally:
            stop.set()
            for lone in lones:
                lone.close()


def test_clocks_answer_and_the_cpu_clocks_do_not(lone: Lone) -> None:
    for clock in (0, 1, 4, 5, 6, 7, 11):
        before = time.clock_gettime_ns(clock)
        value, reply = lone("clock_gettime", clock)
        seconds, nanoseconds = struct.unpack("<qq", reply)
        assert value == 0
        assert seconds * 10**9 + nanoseconds >= before
        assert nanoseconds < 10**9
        assert lone.ret("clock_getres", clock) == 0
    for clock in (2, 3, 8, 99, -1):
        assert lone.ret("clock_gettime", clock) == lone.ret("clock_getres", clock) == -errno.EINVAL


def test_sleep_lasts_as_long_as_it_should(lone: Lone) -> None:
    before = time.monotonic_ns()
    assert lone.ret("clock_nanosleep", 1, 0, 2_000_000) == 0
    assert time.monotonic_ns() - before >= 2_000_000
    assert lone.ret("clock_nanosleep", 1, 1, before + 4_000_000) == 0
    assert time.monotonic_ns() - before >= 4_000_000
    assert lone.ret("clock_nanosleep", 0, 1, 1) == lone.ret("clock_nanosleep", 1, 0, 0) == 0
    for args in ((3, 0, 1), (1, 2, 1), (1, 0, -1)):
        assert lone.ret("clock_nanosleep", *args) == -errno.EINVAL
