"""In: a command. Out: the command where the kernel refuses new namespaces, as containers and hardened machines do.

A seccomp filter answers unshare, setns and clone with CLONE_NEW* flags with EPERM, and clone3 with ENOSYS, because a
filter cannot read the flags of clone3. To run all tests so: `.venv/bin/python -m tests.csrc.engine.refused make test`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

# audit.h's name of the machine, and its numbers of clone, clone3, unshare and setns.
MACHINES = {"x86_64": (0xC000003E, 56, 435, 272, 308), "aarch64": (0xC00000B7, 220, 435, 97, 268)}
CLONE_NEW = 0x7E020000  # cgroup, uts, ipc, user, pid, net, mount: clone(2)
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET|K
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, FAIL = 0x7FFF0000, 0x00050000


def program() -> bytes:
    """The filter as an array of struct sock_filter: code, jump if true, jump if false, constant."""
    machine, clone, clone3, unshare, setns = MACHINES[platform.machine()]
    rows = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 7, machine),  # jumps count from the row behind: to ALLOW
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 7, 0, clone3),
        (EQUAL, 5, 0, unshare),
        (EQUAL, 4, 0, setns),
        (EQUAL, 0, 2, clone),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (ANY_BIT, 1, 0, CLONE_NEW),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (RETURN, 0, 0, FAIL | errno.ENOSYS),
    ]
    return b"".join(struct.pack("HBBI", *row) for row in rows)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rows", ctypes.c_char_p)]


def main() -> None:
    rows = program()
    filter_ = _Program(len(rows) // 8, rows)
    libc = ctypes.CDLL(None, use_errno=True)
    filtered = (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_), 0, 0)
    if libc.prctl(*filtered) != 0:  # without CAP_SYS_ADMIN a filter needs the promise, seccomp(2)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(*filtered) != 0:
            sys.exit(f"no filter can be set: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
