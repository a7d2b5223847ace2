"""In: a guest and a signal. Out: the guest has been told, and its process as well."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Final, Protocol

# signal(7), default action: ignored, or stop and continue. All others end the guest.
IGNORED: Final = frozenset({signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})
STOPPING: Final = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT})
SIGNAL_MAX: Final = 64


class Target(Protocol):
    """What a signal needs to know of a guest."""

    @property
    def peer_pid(self) -> int: ...
    @property
    def pidfd(self) -> int: ...
    @property
    def wake(self) -> int: ...
    def tell(self, message: dict[str, object]) -> None: ...


def ends(number: int) -> bool:
    """Whether a guest, which has no handlers, dies by this signal."""
    return number != 0 and number not in IGNORED and number not in STOPPING


def deliver(guest: Target, number: int) -> None:
    """Sends one signal, 0 (nothing is sent) to 64.

    The message comes first, so that a guest which waits for a reply dies in order; the pidfd reaches one that computes
    or does not read. Blocking calls of the guest return -EINTR.
    """
    if number == 0 or number in IGNORED:
        return
    if ends(number):
        guest.tell({"type": "signal", "sig": number})
        os.eventfd_write(guest.wake, 1)
    if guest.peer_pid == os.getpid():
        return  # a client inside the vkernel's own process: a message must do
    with suppress(ProcessLookupError, PermissionError):  # ended, or another user's: then the message must do
        signal.pidfd_send_signal(guest.pidfd, number)
