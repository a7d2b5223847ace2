"""WASI in C: arguments, environment, clocks, random bytes, exit, signals, poll."""

from __future__ import annotations

import errno
import os
import struct

from tests.csrc.wasi.wasi_guest import (
    BUFFER,
    CREAT,
    MEMORY,
    OUT,
    VECTOR,
    X86_64,
    Guest,
    NewGuest,
    clock,
    on_fd,
    poll,
    right,
)

pytestmark = X86_64

# ---- args, environment, clocks, random, exit


def test_arguments_and_environment_arrive(new_guest: NewGuest) -> None:
    guest = new_guest(arguments=(b"prog", b"", b"\xff x"), environment=(b"A=1", b"LONG=" + b"y" * 300))
    assert guest.args_sizes_get(OUT, OUT + 4) == "success"
    assert guest.unpack(OUT, "<II") == (3, 5 + 1 + 4)
    assert guest.args_get(OUT, BUFFER) == "success"
    assert guest.unpack(OUT, "<III") == (BUFFER, BUFFER + 5, BUFFER + 6)
    assert guest.get(BUFFER, 10) == b"prog\0\0\xff x\0"
    assert guest.environ_sizes_get(OUT, OUT + 4) == "success"
    assert guest.unpack(OUT, "<II") == (2, 4 + 306)
    assert guest.environ_get(OUT, BUFFER) == "success"
    assert guest.get(BUFFER, 8) == b"A=1\0LONG"


def test_no_arguments_need_no_memory(guest: Guest) -> None:
    assert guest.args_get(MEMORY, 2**32 - 1) == "success"


def test_clocks_are_those_of_linux(guest: Guest) -> None:
    import time

    for number in (
        time.CLOCK_REALTIME,
        time.CLOCK_MONOTONIC,
        time.CLOCK_PROCESS_CPUTIME_ID,
        time.CLOCK_THREAD_CPUTIME_ID,
    ):
        before = time.clock_gettime_ns(number)
        assert guest.clock_time_get(number, 0, OUT) == "success"
        assert before <= guest.u64() <= time.clock_gettime_ns(number)
        assert guest.clock_res_get(number, OUT) == "success"
        assert 1 <= guest.u64() < 10**9
    for number in (4, 11, 2**32 - 1):
        assert guest.clock_time_get(number, 0, OUT) == guest.clock_res_get(number, OUT) == "inval"
    guest.force("clock_gettime", 0)  # an answer without a timespec
    assert guest.clock_time_get(0, 0, OUT) == "io"


def test_random_bytes_fill_all_that_was_asked(guest: Guest) -> None:
    assert guest.random_get(BUFFER, 5000) == "success"
    assert len(set(guest.get(BUFFER, 5000))) > 200
    assert guest.random_get(0, 1_000_001) == "success"
    assert [arg[0] for _, arg in guest.asked] == [1_000_000, 1]
    assert guest.random_get(MEMORY, 0) == "success"
    guest.force("getrandom", 0)
    assert guest.random_get(BUFFER, 1) == "io"


def test_exit_is_for_the_engine_to_do(guest: Guest) -> None:
    guest.proc_exit(77)
    assert guest.asked == []
    assert guest.lib.harness_exit_code(guest.handle) == 77


def test_raise_kills_the_guest_itself_with_linux_numbers(guest: Guest) -> None:
    import signal

    names = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU URG"
    names += " XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS"
    for number, name in enumerate(names.split(), 1):
        assert guest.proc_raise(number) == "success"
        assert guest.asked[1] == ("kill", (os.getpid(), signal.Signals[f"SIG{name}"], 0, 0, 0, 0))
    assert guest.proc_raise(31) == guest.proc_raise(2**32 - 1) == "inval"
    for pid in (0, -1):
        guest.unforce()
        guest.force("getpid", pid)  # kill(2) would reach a whole group
        assert guest.proc_raise(9) != "success"
        assert guest.asked_names() == ["getpid"]


# ---- poll


def test_poll_sleeps_until_the_first_clock(guest: Guest) -> None:
    import time

    before = time.monotonic_ns()
    assert poll(guest, clock(20_000_000, userdata=1), clock(10**12, userdata=2)) == [(1, "success", 0, 0, 0)]
    assert time.monotonic_ns() - before >= 20_000_000
    assert guest.asked_names() == ["clock_nanosleep"]
    assert poll(guest, clock(0)) == [(7, "success", 0, 0, 0)]
    assert guest.asked == []
    assert poll(guest, clock(5, absolute=1)) == [(7, "success", 0, 0, 0)]  # long past
    assert poll(guest, clock(time.time_ns() + 10_000_000, absolute=1, clock_id=0)) == [(7, "success", 0, 0, 0)]


def test_poll_answers_bad_subscriptions_at_once(guest: Guest) -> None:
    assert poll(guest, clock(10**15), on_fd(55)) == [(9, "badf", 1, 0, 0)]
    assert poll(guest, clock(10**15), clock(0, clock_id=2)) == [(7, "notsup", 0, 0, 0)]
    assert poll(guest, clock(1, clock_id=9)) == [(7, "inval", 0, 0, 0)]
    assert poll(guest, clock(1, absolute=2)) == [(7, "inval", 0, 0, 0)]
    fd = guest.open("f", CREAT, right("fd_read"))
    assert poll(guest, on_fd(fd)) == [(9, "notcapable", 1, 0, 0)]


def test_poll_refuses_counts_and_types_it_has_not(guest: Guest) -> None:
    for count in (0, 4097, 2**31, 2**32 - 1):
        assert guest.poll_oneoff(VECTOR, BUFFER, count, OUT) == "inval"
    guest.put(VECTOR, struct.pack("<QB39x", 1, 3))
    assert guest.poll_oneoff(VECTOR, BUFFER, 1, OUT) == "inval"
    guest.put(BUFFER, clock(0) * 4096)
    assert guest.poll_oneoff(BUFFER, BUFFER, 4096, OUT) == "success"  # in place
    assert guest.u32() == 4096


def test_poll_waits_for_files_and_pipes(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(r, w, 2))
        assert poll(guest, on_fd(0), clock(1_000_000)) == [(7, "success", 0, 0, 0)]
        assert guest.asked_names() == ["poll"]
        assert poll(guest, on_fd(0), on_fd(1, write=True, userdata=3)) == [(3, "success", 2, 1, 0)]
        os.write(w, b"xyz")
        assert poll(guest, on_fd(0), clock(10**15)) == [(9, "success", 1, 1, 0)]
        (guest.root / "f").write_bytes(b"0123456789")
        fd = guest.open("f")
        assert guest.fd_seek(fd, 4, 0, OUT) == "success"
        assert poll(guest, on_fd(fd)) == [(9, "success", 1, 6, 0)]
    finally:
        os.close(r)
        os.close(w)


def test_poll_reports_hangup_and_broken_pipe(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    r2, w2 = os.pipe()
    os.close(w)
    os.close(r2)
    try:
        guest = new_guest(standard=(r, w2, 2))
        assert poll(guest, on_fd(0)) == [(9, "success", 1, 0, 1)]
        assert poll(guest, on_fd(1, write=True)) == [(9, "pipe", 2, 0, 0)]
    finally:
        os.close(r)
        os.close(w2)


def test_poll_waits_in_parts_when_the_time_is_longer_than_an_int(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(r, w, 2))
        days = 30 * 86400 * 10**9
        guest.put(VECTOR, on_fd(0) + clock(days))
        guest.force("poll", -errno.EINTR)
        assert guest.poll_oneoff(VECTOR, BUFFER, 2, OUT) == "intr"
        assert guest.asked[0][1][0] == 2**31 - 1
        assert poll(new_guest(standard=(r, w, 2)), on_fd(0), clock(1)) == [(7, "success", 0, 0, 0)]
    finally:
        os.close(r)
        os.close(w)
