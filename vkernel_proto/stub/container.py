"""In: the processes of one container id. Out: what they share: the root, the futex table, who may signal whom."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

# pid, signal: hands the signal to the guest's stub; wakes the process if it is blocked
Deliver = Callable[[int, int], object]


class Container:
    """One container id; safe from several threads. root_fd, a directory (O_PATH will do), stays the caller's."""

    def __init__(self, cid: str, root_fd: int, deliver: Deliver = lambda pid, sig: None) -> None:
        self.cid = cid
        self.root_fd = root_fd
        self.root_device = os.fstat(root_fd).st_dev
        self.deliver = deliver
        self.processes: dict[int, Process] = {}
        self._lock = threading.Lock()
        self._waiters: dict[int, deque[int]] = {}  # futex key -> eventfds, the longest waiting first

    def enter(self, process: Process) -> bool:
        """Counts the process in; False when the container has as many as its manifest's `processes` allows."""
        with self._lock:
            if len(self.processes) >= process.manifest.policy.processes:
                return False
            self.processes[process.pid] = process
            return True

    def leave(self, process: Process) -> None:
        """Counts the process out; one that has not entered is no error."""
        with self._lock:
            self.processes.pop(process.pid, None)

    def kill(self, pids: list[int], sig: int) -> int:
        """Delivers sig to those of pids that are here; returns how many. sig 0 only counts, as kill(2)."""
        with self._lock:
            present = [pid for pid in pids if pid in self.processes]
        if sig:
            for pid in present:
                self.deliver(pid, sig)
        return len(present)

    def pids(self) -> list[int]:
        with self._lock:
            return sorted(self.processes)

    def futex_enqueue(self, key: int, event: int) -> None:
        """Makes the eventfd a waiter on key."""
        with self._lock:
            self._waiters.setdefault(key, deque()).append(event)

    def futex_withdraw(self, key: int, event: int) -> bool:
        """Takes the waiter back; False when a wake-up has chosen it already and must count as received."""
        with self._lock:
            queue = self._waiters.get(key)
            if queue is None or event not in queue:
                return False
            queue.remove(event)
            if not queue:
                del self._waiters[key]
            return True

    def futex_wake(self, key: int, count: int) -> int:
        """Wakes at most count waiters; returns how many."""
        with self._lock:
            queue = self._waiters.get(key, deque())
            chosen = [queue.popleft() for _ in range(min(count, len(queue)))]
            if not queue:
                self._waiters.pop(key, None)
            for event in chosen:  # inside the lock: the waiter closes its eventfd only after futex_withdraw
                os.eventfd_write(event, 1)
            return len(chosen)
