"""Attempts of machine code in a guest: syscalls that ptrace puts into it. Its filter kills it for most (SIGSYS)."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.attacks.table import Attack
from tests.csrc.engine.inject import syscall_in
from tests.csrc.engine.test_lockdown import OF_NO_GUEST

KILLED: Final = "signal 31"
AF_UNIX, AF_INET, AF_NETLINK, AF_PACKET, AF_VSOCK = 1, 2, 16, 17, 40
ROOT_FD, DENIED_FD = 1000, 1001


class Inside:
    """A guest that waits in a syscall, and what its code could ask of the kernel."""

    def __init__(self, pid: int, outside: Path) -> None:
        self.pid = pid
        self.outside = outside
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        self._free = int(next(line.split("-")[0] for line in maps if line.endswith("[stack]")), 16)

    def call(self, number: int, *arguments: int) -> int:
        return syscall_in(self.pid, number, *arguments)

    def bytes(self, data: bytes) -> int:
        """Their address in its memory."""
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(self._free)
            memory.write(data)
        address, self._free = self._free, self._free + (len(data) + 15) // 16 * 16
        return address

    def open(self, path: str, flags: int = os.O_RDONLY, at: int = -100, resolve: int = 0) -> int:
        return self.call(
            437, at, self.bytes(path.encode() + b"\0"), self.bytes(struct.pack("QQQ", flags, 0, resolve)), 24
        )

    def artifact(self) -> int:
        """Its fd of the module's memory file."""
        folder = f"/proc/{self.pid}/fd"
        return next(int(fd) for fd in os.listdir(folder) if "memfd:aot" in os.readlink(f"{folder}/{fd}"))

    def connect(self, port: int) -> int:
        address = self.bytes(struct.pack("<H", AF_INET) + port.to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8))
        fd = self.call(41, AF_INET, 1, 0)
        return self.call(42, fd, address, 16)


Attempt = Callable[[Inside], int]
_ABSENT, _DENIED = "ENOENT", "EACCES"
# class -> attempt -> how, what comes of it
_TABLE: Final[dict[str, dict[str, tuple[Attempt, str]]]] = {
    "native code": {
        "openat2 of a host path, nothing resolved": (lambda i: i.open(str(i.outside / "secret")), _ABSENT),
        "openat2 of .. out of the root's fd": (lambda i: i.open("../../../../secret", at=ROOT_FD), _ABSENT),
        "openat2 of .. out of the working directory": (lambda i: i.open("../../../secret"), _ABSENT),
        "openat2 through an absolute link": (lambda i: i.open("/absolute"), _ABSENT),
        "openat2 through a link to /proc/self/root": (lambda i: i.open("/magic"), _ABSENT),
        "openat2 for writing where only the host has it": (
            lambda i: i.open(str(i.outside / "planted"), os.O_CREAT | os.O_WRONLY),
            _ABSENT,
        ),
        "write nonsense to the pipe for refusals": (
            lambda i: i.call(1, DENIED_FD, i.bytes(bytes(77)), 77),
            "ok",
        ),
    },
    "/proc": {
        "openat2 /proc/self/environ": (lambda i: i.open("/proc/self/environ"), _ABSENT),
        "openat2 /proc/1/mem for writing": (lambda i: i.open("/proc/1/mem", os.O_RDWR), _ABSENT),
    },
    "devices": {
        "openat2 /dev/mem": (lambda i: i.open("/dev/mem", os.O_RDWR), f"{_DENIED}|{_ABSENT}"),
        "openat2 /dev/disk": (lambda i: i.open("/dev/disk", os.O_RDWR), f"{_DENIED}|{_ABSENT}"),
    },
    "memfd": {
        "write to the artifact's sealed memory file": (
            lambda i: i.call(18, i.artifact(), i.bytes(b"\xcc"), 1, 4096),
            "EBADF|EPERM",
        ),
        "map the artifact shared and writable": (lambda i: i.call(9, 0, 4096, 3, 1, i.artifact(), 0), "EACCES|EPERM"),
        "truncate the artifact": (lambda i: i.call(77, i.artifact(), 0), "EINVAL|EPERM"),
        "map the artifact as code": (lambda i: i.call(9, 0, 4096, 5, 2, i.artifact(), 0), KILLED),
        "fcntl F_ADD_SEALS": (lambda i: i.call(72, i.artifact(), 1033, 0), KILLED),
    },
    "network and sockets": {
        "socket AF_UNIX (for abstract names)": (lambda i: i.call(41, AF_UNIX, 1, 0), KILLED),
        "socket AF_NETLINK": (lambda i: i.call(41, AF_NETLINK, 3, 0), KILLED),
        "socket AF_PACKET": (lambda i: i.call(41, AF_PACKET, 3, 0), KILLED),
        "socket AF_VSOCK": (lambda i: i.call(41, AF_VSOCK, 1, 0), KILLED),
        "connect to a listener of the host": (lambda i: i.connect(_port(i)), "EACCES|ENETUNREACH"),
    },
    "signals to others": {
        "kill -1": (lambda i: i.call(62, -1, 9), KILLED),
        "kill 0": (lambda i: i.call(62, 0, 9), KILLED),
        "kill of a process of the host": (lambda i: i.call(62, os.getpid(), 9), KILLED),
        "fcntl F_SETOWN (signals by I/O)": (lambda i: i.call(72, 0, 8, os.getpid()), KILLED),
        "fcntl F_SETSIG": (lambda i: i.call(72, 0, 10, 9), KILLED),
        "fcntl F_NOTIFY": (lambda i: i.call(72, 0, 1026, 1), KILLED),
        "fcntl F_SETLEASE": (lambda i: i.call(72, 0, 1024, 1), KILLED),
    },
}
# the same classes for what test_lockdown.py knows to be deadly
_OF_CLASS: Final = {
    "memfd": ("memfd_create", "memfd_secret"),
    "ptrace": (
        *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_open", "pidfd_getfd", "kcmp"),
        *("perf_event_open", "bpf", "userfaultfd"),
    ),
    "signals to others": ("kill of another", "tgkill of another", "ioctl TIOCSTI"),
    "fork bomb": ("clone", "fork", "vfork", "clone3", "clone CLONE_NEWUSER", "unshare"),
    "devices": ("mknodat", "iopl", "swapon", "init_module", "kexec_load", "reboot"),
    "disk filling": ("quotactl", "acct"),
    "memory bomb": ("shmget", "prlimit64", "remap_file_pages"),
    "arguments and inherited fds": ("recvmsg", "sendmsg", "dup2"),
    "new code": (
        *("mmap PROT_EXEC", "mmap PROT_EXEC, high bits set", "mprotect PROT_EXEC", "pkey_mprotect", "execve"),
        *("execveat", "shmat", "personality READ_IMPLIES_EXEC", "modify_ldt", "uselib"),
    ),
}
_NAMED: Final = {name for names in _OF_CLASS.values() for name in names}


def _deadly(name: str) -> Attempt:
    return lambda inside: inside.call(*OF_NO_GUEST[name])


def _port(inside: Inside) -> int:
    return int((inside.outside / "port").read_text())


for _kind, _names in (*_OF_CLASS.items(), ("native code", tuple(name for name in OF_NO_GUEST if name not in _NAMED))):
    _TABLE.setdefault(_kind, {}).update({name: (_deadly(name), KILLED) for name in _names})
ATTEMPTS: Final = {(kind, name): how for kind, table in _TABLE.items() for name, (how, _) in table.items()}
ATTACKS: Final = tuple(
    Attack(kind, name, "syscall", expected) for kind, table in _TABLE.items() for name, (_, expected) in table.items()
)


def make(attack: Attack, inside: Inside) -> str:
    """What the kernel said: ok, or an errno's name. Raises ProcessLookupError when it killed the guest."""
    value = ATTEMPTS[attack.kind, attack.attempt](inside)
    return "ok" if value >= 0 else errno.errorcode[-value]
