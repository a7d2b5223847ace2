"""In: a guest and a signal. Out: the guest has been told, and its process as well."""

from __future__ import annotations

import os
import signal
from typing import Final, Protocol

# signal(7), default action: ignored, or stop and continue. All others end the guest.
IGNORED: Final = frozenset({signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})
STOPPING: Final = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT})
SIGNAL_MAX: Final = 64


class Target(Protocol):
    """What a signal needs to know of a guest."""

    @property
    def pidfd(self) -> int: ...
    @property
    def wake(self) -> int: ...
    def tell(self, message: dict[str, object]) -> bool: ...


def deliver(guest: Target, number: int) -> bool:
    """Sends one signal; True when it ends the guest. number is 0 (nothing is sent) to 64.

    The message comes first, so that a guest which waits for a reply dies in order; the pidfd reaches one that computes
    or does not read. Blocking calls of the guest return -EINTR.
    """
    if number == 0 or number in IGNORED:
        return False
    ends = number not in STOPPING
    if ends:
        guest.tell({"type": "signal", "sig": number})
        os.eventfd_write(guest.wake, 1)
    try:
        signal.pidfd_send_signal(guest.pidfd, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended, or runs as another user: then the message must do
    return ends
