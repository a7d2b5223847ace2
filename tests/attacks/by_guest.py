"""Attempts of a C program, by its verbs (attacker.c); many in one guest, since none of them ends it.

The root that it runs in has, beside the programs, what prepare() puts there; /secret outside of it is the host's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.attacks.table import Attack

# class -> attempt -> what comes of it. OUTSIDE stands for the host's directory above the root.
_TABLE: Final[dict[str, dict[str, str]]] = {
    "path tricks": {
        "open ../secret": "Capabilities insufficient",
        "open ../../../../../../../../secret": "Capabilities insufficient",
        "open /../secret": "Capabilities insufficient",
        "open /etc/../../secret": "Capabilities insufficient",
        "open /etc/../etc/../../secret": "Capabilities insufficient",
        "open //..//..//secret": "Capabilities insufficient",
        "open OUTSIDE/secret": "No such file or directory",
        "open absolute": "No such file or directory",
        "open relative": "No such file or directory",
        "open chain": "No such file or directory",
        "open loop": "Symbolic link loop",
        "list updir": "(?!.*secret)ok .*",
        "open updir/secret": "No such file or directory",
        "open updir/../secret": "No such file or directory",
        "stat absolute/": "No such file or directory",
        "through OUTSIDE/secret /own": "No such file or directory",
        "through ../secret /own": "No such file or directory",
        "through / /own/../secret": "No such file or directory",
        "write absolute": "No such file or directory",
        "write ../planted": "Capabilities insufficient",
        "write updir/planted": "ok",
        "mkdir ../planted": "Capabilities insufficient",
        "mkdir updir/planted": "File exists",
        "symlink OUTSIDE ../planted": "Capabilities insufficient",
        "rename /etc/motd ../planted": "Capabilities insufficient",
        "rename updir/secret /stolen": "No such file or directory",
        "link updir/secret /stolen": "No such file or directory",
        "link absolute /stolen": "ok|Operation not permitted",
        "open stolen": "No such file or directory",
        "unlink updir/secret": "No such file or directory",
        "unlink ../secret": "Capabilities insufficient",
        "path_open 3 ../secret": "wasi 76",
        "path_open 3 /secret": "wasi 76",
        "path_open 3 OUTSIDE/secret": "wasi 76",
        "path_open 3 etc/../../secret": "wasi 76",
        "path_open 3 updir/secret": "wasi 44",
        "path_create 3 ../planted": "wasi 76",
        "write /bin/spare": "ok|Permission denied",
        "open .": "Is a directory",
        "list ..": "Capabilities insufficient",
    },
    "fd guessing": {
        "fds 4 70000": "0 found",
        "fd 4": "wasi 8 8 8",
        "fd 1000": "wasi 8 8 8",
        "fd 1001": "wasi 8 8 8",
        "fd 0xffffffff": "wasi 8 8 8",
        "fd 0x7fffffff": "wasi 8 8 8",
        "fd 0x100000001": "wasi 8 8 8",
        "renumber 1000 9": "wasi 8",
        "renumber 1001 1": "wasi 8",
        "renumber 9 0xffffffff": "wasi 8",
        "path_open 0 secret": "wasi 76",
        "path_open 1 ../secret": "wasi 76",
        "path_open 1000 secret": "wasi 8",
        "path_open 4 secret": "wasi 8",
        "seek 1000": "wasi 8",
        "poll 1000": "wasi 8",
        "poll 0xffffffff": "wasi 8",
        "accept 1000": "Bad file descriptor",
        "hoard 16": "No file descriptors available after at least 16",
        "fd 3": "wasi 8 31 0",
    },
    "/proc": {
        "list /proc": "No such file or directory",
        "open /proc/self/mem": "No such file or directory",
        "open /proc/self/maps": "No such file or directory",
        "open /proc/1/root/secret": "No such file or directory",
        "open /proc/self/root/secret": "No such file or directory",
        "open /proc/self/fd/1000": "No such file or directory",
        "open /proc/self/cwd/../secret": "No such file or directory",
        "open /proc/sys/kernel/core_pattern": "No such file or directory",
        "write /proc/sys/kernel/core_pattern": "No such file or directory",
        "write /proc/sysrq-trigger": "No such file or directory",
        "open /sys/kernel/notes": "No such file or directory",
        "open magic": "No such file or directory",
        "open magicfd": "No such file or directory",
    },
    "devices": {
        "open /dev/mem": "Permission denied",
        "open /dev/null": "Permission denied",
        "write /dev/kmsg": "Permission denied",
        "open /dev/disk": "Permission denied",
        "write /dev/disk": "Permission denied",
        "open /dev/fifo_of_none": "No such file or directory",
        "list /dev": "ok( (mem|null|kmsg|disk|[.][.]?))+",
        "link /dev/mem /own_mem": "Permission denied|Operation not permitted",
        "rename /dev/mem /own_mem": "Permission denied",
        "open /own_mem": "No such file or directory",
    },
    "other containers": {
        "list /run/vkernel": "No such file or directory",
        "open OUTSIDE/root/etc/motd": "No such file or directory",
        "open /neighbour": "No such file or directory",
        "open upper/neighbour": "No such file or directory",
        "write /etc/motd": "ok|Permission denied",
        "unlink /etc/motd": "ok|Permission denied",
        "list /tmp": "No such file or directory",
    },
    "network and sockets": {
        "connect 127.0.0.1 TCP 0": "Permission denied",
        "connect 127.0.0.1 TCP 1": "Permission denied",
        "connect 0.0.0.0 TCP 0": "Permission denied",
        "connect 127.1.2.3 TCP 0": "Permission denied",
        "connect 10.0.0.1 80 0": "Permission denied",
        "connect 169.254.169.254 80 0": "Permission denied",
        "connect 255.255.255.255 9 1": "Permission denied",
        "connect 224.0.0.1 9 1": "Permission denied",
        "bind 0": "Permission denied",
        "bind 80": "Permission denied",
        "bind TCP": "Permission denied",
        "listen": "Permission denied",
        "socket 1 1": "Address family not supported by protocol",
        "socket 16 3": "Address family not supported by protocol",
        "socket 17 3": "Address family not supported by protocol",
        "socket 2 3": "Invalid argument",
        "socket 40 1": "Address family not supported by protocol",
        "socket 38 5": "Address family not supported by protocol",
        "accept 0": "Not a socket",
    },
    "memory bomb": {
        "grow 64": "at most 64 MiB",
    },
    "disk filling": {
        "fill 65536": "at most 65536 KiB",
        "truncate 0x7fffffffffffffff": "ok",
        "truncate 0x100000000000": "ok",
        "allocate 0x100000000000": "wasi 51",
        "far 0x7ffffffffffffff0": "ok",
        "deep 20000": "Filename too long",
        "long 255": "ok",
        "long 300": "Filename too long",
        "long 5000": "Filename too long",
        "inodes 65536": "No space left on device, at most 65536",
    },
}
ATTACKS: Final = tuple(
    Attack(kind, attempt, "guest", expected) for kind, table in _TABLE.items() for attempt, expected in table.items()
)


def prepare(root: Path, outside: Path) -> None:
    """Puts the links and nodes that the attempts are about into the root."""
    for folder in ("etc", "dev", "upper"):
        (root / folder).mkdir(exist_ok=True)
    (root / "etc" / "motd").write_text("inside\n")
    links = {
        "absolute": outside / "secret",
        "relative": "../../../../../../../../../../.." + str(outside / "secret"),
        "chain": "absolute",
        "loop": "loop",
        "updir": "..",
        "magic": "/proc/self/root" + str(outside / "secret"),
        "magicfd": "/proc/self/fd/1000/../secret",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    if os.geteuid() == 0:
        for name, mode, device in (("mem", 0o020666, (1, 1)), ("null", 0o020666, (1, 3)), ("kmsg", 0o020666, (1, 11))):
            os.mknod(root / "dev" / name, mode, os.makedev(*device))
            os.chmod(root / "dev" / name, 0o666)
        os.mknod(root / "dev" / "disk", 0o060666, os.makedev(8, 0))
        os.chmod(root / "dev" / "disk", 0o666)
