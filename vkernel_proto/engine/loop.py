"""One thread that serves many fds: epoll(7) in, callbacks out. A hand-over between threads would cost 50 to 100 us.

What takes milliseconds goes to one other thread (`aside`), so that nobody else waits for it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
Ready = Callable[[int], None]  # the events of epoll_wait(2)
T = TypeVar("T")


class Loop:
    """The fds stay their owners', who `forget` them before they close them. Only `stop` is for other threads."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Ready] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._stopped = False
        self._aside: ThreadPoolExecutor | None = None
        self._done: deque[Callable[[], None]] = deque()
        self.busy = 0  # calls in the other thread
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.watch(self._wake, READ, self._woken)

    def watch(self, fd: int, events: int, ready: Ready) -> None:
        """Calls ready(events) when the fd is readable or writable as asked, or broken."""
        self._ready[fd] = ready
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Watches the fd for other events."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stops watching; what epoll has found in this turn already is dropped too."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls once, when so many seconds have gone."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), call))

    def aside(self, call: Callable[[], T], then: Callable[[T], None]) -> None:
        """Makes a call, which must not raise, in the other thread, one after the other; then(its value) in this one."""
        if self._aside is None:
            self._aside = ThreadPoolExecutor(1, "aside")
        self.busy += 1

        def work() -> None:
            value = call()
            self._done.append(lambda: then(value))
            os.eventfd_write(self._wake, 1)

        self._aside.submit(work)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Serves until `until()` after some turn, or `stop`."""
        while not self._stopped and not until():
            self._turn()

    def run_for(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Serves until `until()`, for so many seconds at most, also after `stop`; returns whether it came true."""
        end = time.monotonic() + seconds
        self.later(seconds, lambda: None)
        while not until() and time.monotonic() < end:
            self._turn()
        return until()

    def stop(self) -> None:
        """Makes `run` return; from any thread or signal handler."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Ends the other thread, releases the loop's own fds."""
        if self._aside is not None:
            self._aside.shutdown(cancel_futures=True)
        self._ready.clear()
        self._epoll.close()
        os.close(self._wake)

    def _turn(self) -> None:
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else -1
        for fd, events in self._epoll.poll(wait):
            ready = self._ready.get(fd)
            if ready is not None:
                ready(events)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _woken(self, _: int) -> None:
        os.eventfd_read(self._wake)
        while self._done:
            self.busy -= 1
            self._done.popleft()()
