"""In: a guest's questions for time and randomness. Out: Linux's answers; a sleep can be interrupted."""

from __future__ import annotations

import errno
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import syscall

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

_TIMESPEC: Final = struct.Struct("<qq")
_ITIMERSPEC: Final = struct.Struct("=qqqq")
_SECOND: Final = 1_000_000_000
# clock_gettime(2): REALTIME, MONOTONIC, MONOTONIC_RAW, the two COARSE ones, BOOTTIME, TAI. The CPU-time clocks would
# tell of the vkernel's process, so the guest's side answers those itself.
_CLOCKS: Final = frozenset({0, 1, 4, 5, 6, 7, 11})
_SLEEP_CLOCKS: Final = frozenset({0, 1, 7})
TIMER_ABSTIME: Final = 1
_RANDOM_FLAGS: Final = os.GRND_NONBLOCK | os.GRND_RANDOM | 4  # 4: GRND_INSECURE
_DATA_MAX: Final = 1_000_000


def clock_gettime(_process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    if args[0] not in _CLOCKS:
        return -errno.EINVAL, b""
    return 0, _TIMESPEC.pack(*divmod(time.clock_gettime_ns(args[0]), _SECOND))


def clock_getres(_process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    if args[0] not in _CLOCKS:
        return -errno.EINVAL, b""
    return 0, _TIMESPEC.pack(*divmod(round(time.clock_getres(args[0]) * _SECOND), _SECOND))


def clock_nanosleep(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    clock, flags, nanoseconds = args[:3]
    if clock not in _SLEEP_CLOCKS or flags & ~TIMER_ABSTIME or nanoseconds < 0:
        return -errno.EINVAL, b""
    if nanoseconds == 0:  # zero would disarm the timer
        return 0, b""
    timer = syscall("timerfd_create", clock, os.O_CLOEXEC | os.O_NONBLOCK)
    if timer < 0:
        return timer, b""
    try:
        ret = syscall("timerfd_settime", timer, flags, _ITIMERSPEC.pack(0, 0, *divmod(nanoseconds, _SECOND)), 0)
        if ret == 0:
            process.wait(timer, select.POLLIN)
        return ret, b""
    finally:
        os.close(timer)


def getrandom(_process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    count, flags = args[:2]
    if count < 0 or flags & ~_RANDOM_FLAGS:
        return -errno.EINVAL, b""
    data = os.getrandom(min(count, _DATA_MAX), flags)
    return len(data), data
