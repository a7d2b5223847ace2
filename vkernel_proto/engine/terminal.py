"""In: the caller's terminal. Out: a pty of the guest's own, and what is typed and shown passed between the two.

The caller's terminal is raw meanwhile: ^C and ^Z are bytes, which the pty's own line discipline turns into signals for
the guest's session. `close` gives the terminal back as it was.
"""

from __future__ import annotations

import fcntl
import os
import select
import termios
import tty
from contextlib import suppress
from typing import Final

from recompiler.errors import Error
from vkernel_proto.engine.loop import READ, WRITE, Loop

PIECE: Final = 1 << 14
TYPED_MAX: Final = 1 << 16  # bytes that the guest has not read; then the keyboard waits


class Terminal:
    """A pty that stands in for those of fds 0, 1 and 2 that are terminals. Fd 0 must be one."""

    def __init__(self, loop: Loop) -> None:
        """Raises Error (E_PROCESS_FDS)."""
        self._loop = loop
        self._typed = bytearray()
        self._hung_up = False
        self._keys = True
        try:
            self._before = termios.tcgetattr(0)
            self._master, self._slave = os.openpty()
        except (OSError, termios.error) as error:
            raise Error("E_PROCESS_FDS", f"no terminal to be had: {error}") from error
        os.set_blocking(self._master, False)
        self._screen = 1 if os.isatty(1) else 0
        self.resize()
        tty.setraw(0)
        loop.watch(0, READ, self._key)
        loop.watch(self._master, READ, self._turn)

    def stdio(self) -> list[int]:
        """Fds 0, 1 and 2 of the guest; the caller owns them."""
        return [os.dup(self._slave if os.isatty(fd) else fd) for fd in range(3)]

    def started(self) -> None:
        """The guest has its end: without ours, the pty hangs up when the guest ends."""
        os.close(self._slave)
        self._slave = -1

    def resize(self) -> None:
        """Gives the pty the size of the caller's terminal."""
        with suppress(OSError):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))

    def close(self) -> None:
        """Shows what is left and gives the terminal back."""
        while not self._hung_up and select.select([self._master], [], [], 0)[0] and self._show():
            pass  # a process that the guest left behind may hold the pty: what it writes is not waited for
        self._loop.forget(0)
        self._loop.forget(self._master)
        os.close(self._master)
        if self._slave >= 0:
            os.close(self._slave)
        termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def _key(self, _: int) -> None:
        data = os.read(0, PIECE)
        self._typed += data
        if not data:
            self._loop.forget(0)
            self._keys = False
        elif len(self._typed) > TYPED_MAX:
            self._loop.change(0, 0)
        self._type()

    def _turn(self, events: int) -> None:
        if events & WRITE:
            self._type()
        if events & ~WRITE and not self._show():
            self._loop.forget(self._master)  # hung up
            self._hung_up = True

    def _type(self) -> None:
        with suppress(OSError):  # full, or hung up
            del self._typed[: os.write(self._master, self._typed)]
        if not self._hung_up:
            self._loop.change(self._master, READ | (WRITE if self._typed else 0))
        if self._keys and not self._typed:
            self._loop.change(0, READ)

    def _show(self) -> bool:
        """Passes on what the guest has written; False when nothing will come any more."""
        try:
            data = os.read(self._master, PIECE)
        except BlockingIOError:
            return True
        except OSError:  # EIO: nobody has the other end
            return False
        left = data
        while left:
            left = left[os.write(self._screen, left) :]
        return bool(data)
