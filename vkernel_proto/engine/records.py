"""The records of the engine's control sockets (docs/engine.md): Python values in, messages out, and back."""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.format import netrule
from recompiler.format.manifest import Policy
from vkernel_proto.wire.syscalls import SYSCALLS

RECORD: Final = struct.Struct("<IHHQ6q")
CONTAINER: Final = struct.Struct("<64sQQIIIIII")
RULE: Final = struct.Struct("<BBBxHxx16s")
MAGIC: Final = 0x31454352
LOAD, CREATE, SPAWN, SIGNAL, STOP, REPLY = 1, 2, 3, 4, 5, 0x8000
EXITED, STOPPED, DENIED = 0x4001, 0x4002, 0x4003
TTY: Final = 1  # flag of SPAWN: fd 0 is the terminal
DATA_MAX: Final = 128 << 10
RULES_MAX: Final = 256
PROCESSES_MAX: Final = 4096
OPEN_FILES_MIN: Final = 16
MEMORY_MAX: Final = 1 << 40
DISK_BYTES: Final = 64 << 20  # of an overlay, when CREATE says 0

# enum in_force of csrc/engine/control/container.h, bit by bit
FORCE_NAMES: Final = (
    *("user_ns", "mount_ns", "pid_ns", "net_ns", "ipc_ns", "uts_ns", "root", "chroot", "overlay", "no_devices"),
    *("landlock_files", "landlock_net", "landlock_scope", "no_capabilities", "no_new_privileges", "seccomp"),
    "cgroup",
)
FORCE: Final = {name: 1 << bit for bit, name in enumerate(FORCE_NAMES)}

_NUMBERS: Final = {call.name: call.nr for call in SYSCALLS}
_CUT: Final = int(socket.MSG_TRUNC)  # an int: & of the enum costs 10 us
_SPACE: Final = socket.CMSG_SPACE(4 * 4)
_ROOM: Final = 1 << 13  # bytes of the longest record that the engine sends: its texts are short


@dataclass(slots=True)
class Message:
    """One record as it came; the receiver owns fds."""

    type: int
    id: int
    value: tuple[int, ...]
    data: bytes
    fds: list[int]

    @property
    def text(self) -> str:
        """The data of a failure or a notice: `E_CODE: message`."""
        return self.data.decode("utf-8", "backslashreplace")


def send(
    sock: socket.socket, kind: int, ident: int, values: Sequence[int] = (), data: bytes = b"", fds: Sequence[int] = ()
) -> None:
    """Sends one record. Raises OSError (BlockingIOError when a socket that does not wait is full)."""
    record = RECORD.pack(MAGIC, kind, 0, ident, *values, *(0,) * (6 - len(values)))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else ()
    sock.sendmsg((record, data), rights, socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> Message | None:
    """The next record; None when the engine is gone. Raises OSError (BlockingIOError), Error (E_RPC_FRAME)."""
    try:
        data, ancillary, flags, _ = sock.recvmsg(_ROOM, _SPACE, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None
    if not data:
        return None
    fds = array.array("i")
    for _, kind, rights in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(rights)
    if len(data) < RECORD.size or flags & _CUT:
        raise Error("E_RPC_FRAME", f"the engine sent {len(data)} bytes that are no record")
    magic, kind, _, ident, *values = RECORD.unpack_from(data)
    if magic != MAGIC:
        raise Error("E_RPC_FRAME", "the engine sent something else than a record")
    return Message(kind, ident, tuple(values), data[RECORD.size :], fds.tolist())


def bitmap(names: Iterable[str]) -> bytes:
    """The allow-list as CREATE wants it; names that the engine does not have are not allowed by it either."""
    bits = 0
    for name in names:
        bits |= 1 << _NUMBERS[name] if name in _NUMBERS else 0
    return bits.to_bytes(64, "little")


def rule(text: str, *, bind: bool) -> bytes:
    """A network rule of the manifest in binary. Raises Error (E_MANIFEST_SCHEMA)."""
    parsed = netrule.parse(text)
    if parsed is None:
        raise Error("E_MANIFEST_SCHEMA", f"{text!r} is not ADDRESS:PORT")
    network, port = parsed.network, parsed.port or 0
    if network is None:
        return RULE.pack(bind, 0, 0, port, b"")
    return RULE.pack(bind, network.version, network.prefixlen, port, network.network_address.packed)


def create(policy: Policy, name: str, *, disk_bytes: int = DISK_BYTES, required: int = 0, unwanted: int = 0) -> bytes:
    """CREATE's data for a manifest's policy; larger limits than the engine's are the engine's.

    Raises Error (E_SANDBOX: a policy that no container of the engine can keep).
    """
    rules = [rule(text, bind=False) for text in policy.connect] + [rule(text, bind=True) for text in policy.bind]
    if len(rules) > RULES_MAX:
        raise Error("E_SANDBOX", f"{len(rules)} network rules; the engine decides by at most {RULES_MAX}")
    if policy.open_files < OPEN_FILES_MIN:
        raise Error("E_SANDBOX", f"open_files {policy.open_files}: the engine needs {OPEN_FILES_MIN}")
    spec = CONTAINER.pack(
        bitmap(policy.allow),
        *(min(policy.memory_bytes, MEMORY_MAX), disk_bytes),
        *(min(policy.processes, PROCESSES_MAX), min(policy.open_files, 0xFFFFFFFF)),
        *(required, unwanted, len(rules), 0),
    )
    return spec + b"".join(rules) + name.encode()


def spawn(argv: Sequence[str], env: Sequence[str], cwd: str) -> bytes:
    """SPAWN's data: every string with its NUL. Raises ValueError for a string that holds one."""
    strings = [*argv, *env, cwd]
    data = "\0".join(strings).encode() + b"\0"
    if data.count(b"\0") != len(strings):
        raise ValueError("a NUL in argv, env or cwd")
    return data
