"""In: a connected socket. Out: the process at its other end, held by a pidfd.

A stub that verifies itself proves nothing about a stub that was replaced. So the vkernel asks the kernel which process
connected (SO_PEERPIDFD), and vkernel_proto.verdict verifies that process's executable.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.format.verify import Verified

SO_PEERPIDFD: Final = 77  # Linux 6.5; not in Python's socket module
CREDENTIALS: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid


@dataclass(frozen=True)
class Peer:
    """The process at the other end when it connected (a socketpair: its creator). pidfd is owned by this object."""

    pid: int
    uid: int
    gid: int
    pidfd: int

    def alive(self) -> bool:
        """Whether the process has not ended: until then its pid names no other one."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Releases the pidfd."""
        os.close(self.pidfd)


# Proves what a peer runs; vkernel_proto.verdict has the real one. Raises Error.
PeerVerifier = Callable[[Peer], Verified]


def credentials(sock: socket.socket) -> tuple[int, int, int]:
    """pid, uid and gid of the peer when it connected. Raises Error (E_SOCK_PEER)."""
    try:
        pid, uid, gid = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    except OSError as error:
        raise Error("E_SOCK_PEER", f"the socket does not name its peer: {error.strerror}") from error
    if pid <= 0:
        raise Error("E_SOCK_PEER", "the peer is in a pid namespace that this vkernel cannot see")
    return pid, uid, gid


def open_peer(sock: socket.socket) -> Peer:
    """The peer with a pidfd that names it for good. Raises Error (E_SOCK_PEER)."""
    pid, uid, gid = credentials(sock)
    try:
        pidfd = sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
        os.set_inheritable(pidfd, False)
    except OSError:
        # Before Linux 6.5 the pid may have been reused since connect. Whoever has it now did not say hello: the
        # kernel stamps hello with its sender's pid, and a sender that shares it is this very process.
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise Error("E_SOCK_PEER", f"process {pid} cannot be held: {error.strerror}") from error
    return Peer(pid, uid, gid, pidfd)
