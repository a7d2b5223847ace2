"""In: a process that waits in a syscall. Out: what the kernel says when that process itself makes another one.

ptrace(2) puts a syscall's number and arguments into the registers and lets it run: no guest can, and so this shows what
is left to someone who has taken over the engine's code. x86-64.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

_ATTACH, _DETACH, _SINGLESTEP, _GETREGS, _SETREGS = 16, 17, 9, 12, 13
_REGISTERS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
_SYSCALL_SIZE = 2
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class _Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in _REGISTERS]


def _ptrace(request: int, pid: int, address: int = 0, data: object = None) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request})")


def _asleep(pid: int) -> None:
    """Waits until the process sleeps in its syscall: one that was just made may be on its way there."""
    for _ in range(2000):
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S":
            return
        time.sleep(0.002)
    raise TimeoutError(f"process {pid} does not come to rest")


def syscall_in(pid: int, number: int, *arguments: int) -> int:
    """The syscall's value or -errno, made by process pid. Raises ProcessLookupError when the process died of SIGSYS."""
    _asleep(pid)
    _ptrace(_ATTACH, pid)
    os.waitpid(pid, 0)
    before = _Registers()
    _ptrace(_GETREGS, pid, 0, ctypes.byref(before))
    changed = _Registers.from_buffer_copy(before)
    changed.rip -= _SYSCALL_SIZE  # it stands behind the syscall instruction of the call that waits
    changed.rax = number
    changed.orig_rax = (1 << 64) - 1  # and that call is not restarted now
    for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), (*arguments, *[0] * 6), strict=False):
        setattr(changed, name, value & (1 << 64) - 1)
    _ptrace(_SETREGS, pid, 0, ctypes.byref(changed))
    _ptrace(_SINGLESTEP, pid)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGSYS
        raise ProcessLookupError(f"syscall {number} killed the process")
    _ptrace(_GETREGS, pid, 0, ctypes.byref(changed))
    _ptrace(_SETREGS, pid, 0, ctypes.byref(before))
    _ptrace(_DETACH, pid)
    return ctypes.c_longlong(changed.rax).value
