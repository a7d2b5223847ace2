"""The host of lifted programs by itself: guests written in WAT, in the shape that the lifter emits."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.csrc.engine.lifted.guest_wat import (
    DATA,
    DATA_SIZE,
    GPRS,
    RUNNER,
    SAFEPOINT,
    TEXT,
    Guest,
    const,
    get,
    goto,
    goto_if,
    jump,
    load,
    pc,
    put,
    store,
    syscall,
)

pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="no host of lifted programs was built for this machine")

WRITE, RT_SIGACTION, RT_SIGPROCMASK, RT_SIGRETURN, GETPID, KILL, EXIT = 1, 13, 14, 15, 39, 62, 231
MMAP, MPROTECT, MUNMAP, BRK, MREMAP, SIGALTSTACK, SETITIMER, PAUSE = 9, 10, 11, 12, 25, 131, 38, 34
SA_SIGINFO, SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESTORER = 4, 0x08000000, 0x10000000, 0x40000000, 0x04000000
STACK_TOP = 0xFFFFE000
ENOMEM, EACCES, EEXIST, EFAULT, EINTR = 12, 13, 17, 14, 4
PRIVATE, FIXED, ANONYMOUS, NOREPLACE = 2, 0x10, 0x20, 0x100000


def sigaction(handler: int, flags: int = 0, restorer: int = 0, mask: int = 0) -> bytes:
    """The kernel's struct sigaction."""
    return struct.pack("<QQQQ", handler, flags | SA_RESTORER, restorer, mask)


# `ret` of a handler: to the restorer.
RETURN = put("rsp", f"(i64.add {get('rsp')} {const(8)})") + jump(load(f"(i64.sub {get('rsp')} {const(8)})"))


def exit_with(value: str) -> str:
    return syscall(EXIT, value)


def results(count: int, at: int = DATA + 0x800) -> list[str]:
    """Steps that write `count` stored i64 to stdout and end."""
    return [syscall(WRITE, 1, at, 8 * count), syscall(EXIT, 0)]


def record(n: int, at: int = DATA + 0x800) -> str:
    return store(const(at + 8 * n), get("rax"))


def answers(folder: Path, *calls: str, data: bytes = b"\0") -> tuple[int, ...]:
    """What each syscall of a guest gave it."""
    steps = [step for n, call in enumerate(calls) for step in (call, record(n))]
    result = Guest(folder, [*steps, *results(len(calls))], data.ljust(0x1000, b"\0")).run()
    assert result.returncode == 0, result
    return struct.unpack(f"<{len(calls)}q", result.stdout)


def test_a_guest_starts_with_the_stack_that_execve_makes(tmp_path: Path) -> None:
    dump = syscall(WRITE, 1, get("rsp"), f"(i64.sub {const(STACK_TOP)} {get('rsp')})")
    guest = Guest(tmp_path, [dump, syscall(EXIT, 0)])
    result = guest.run("arg zero", "", "two", env={"HOME": "/x", "EMPTY": ""})
    assert result.returncode == 0, result
    base = STACK_TOP - len(result.stdout)
    assert base % 16 == 0

    def word(n: int) -> int:
        return int(struct.unpack_from("<Q", result.stdout, 8 * n)[0])

    def text(address: int) -> bytes:
        return result.stdout[address - base :].split(b"\0")[0]

    assert word(0) == 3
    assert [text(word(1 + n)) for n in range(3)] == [b"arg zero", b"", b"two"]
    assert word(4) == 0
    assert {text(word(5 + n)) for n in range(2)} == {b"HOME=/x", b"EMPTY="}
    assert word(7) == 0
    aux = dict(struct.iter_unpack("<QQ", result.stdout[64 : 64 + 16 * 19]))
    assert (aux[3], aux[4], aux[5]) == (0x400040, 56, 3)  # AT_PHDR, AT_PHENT, AT_PHNUM
    assert (aux[6], aux[7], aux[9], aux[23]) == (4096, 0, TEXT, 0)  # AT_PAGESZ, AT_BASE, AT_ENTRY, AT_SECURE
    assert (aux[11], aux[12], aux[13]) == (os.getuid(), os.geteuid(), os.getgid())
    assert text(aux[31]) == str(guest.files[0]).encode()  # AT_EXECFN
    assert text(aux[15]) == b"x86_64"
    assert base < aux[25] < STACK_TOP - 16  # AT_RANDOM
    assert aux[16] == 0x078BFBFF  # AT_HWCAP: CPUID's answer
    assert 33 not in aux  # no vDSO
    assert result.stdout.endswith(b"\0" * 8)


@pytest.mark.parametrize(
    ("step", "status"),
    {
        "a write to the zero page": (store(const(8), const(1)), -signal.SIGSEGV),
        "a read above the stack": (put("rax", load(const(0xFFFFFFF8))), -signal.SIGSEGV),
        "a write to the text": (store(const(TEXT), const(1)), -signal.SIGSEGV),
        "a read of the guard below the stack": (put("rax", load(const(0xFF700000))), -signal.SIGSEGV),
        "a jump to the data": (jump(const(DATA)), -signal.SIGSEGV),
        "a jump beyond 4 GiB": (jump(const(1 << 40)), -signal.SIGSEGV),
        "a division by zero": (f"(call $fault (i32.const {signal.SIGFPE}) HERE)", -signal.SIGFPE),
        "ud2": (f"(call $fault (i32.const {signal.SIGILL}) HERE)", -signal.SIGILL),
        "int3": (f"(call $fault (i32.const {signal.SIGTRAP}) HERE)", -signal.SIGTRAP),
        "endless recursion": (put("rax", f"(call $deep {const(0)})"), -signal.SIGSEGV),
        "kill of itself": (syscall(KILL, get("rax"), signal.SIGTERM), -signal.SIGTERM),
        "a sent SIGSEGV": (syscall(KILL, get("rax"), signal.SIGSEGV), -signal.SIGSEGV),
        "the zeros behind the file": (put("rax", load(const(DATA + DATA_SIZE - 8))), 99),
        "a last page of the file": (put("rax", load(const(DATA + 0xF00))), 99),
    }.items(),
    ids=lambda item: None if isinstance(item, tuple) else item,
)
def test_a_guest_dies_of_what_a_native_program_dies_of(tmp_path: Path, step: str, status: tuple[str, int]) -> None:
    assert Guest(tmp_path, [syscall(GETPID), status[0]]).run().returncode == status[1], step


def test_an_unlifted_instruction_names_its_address_and_is_sigill(tmp_path: Path) -> None:
    result = Guest(tmp_path, [f"(call $unlifted {const(0x401234)})"]).run()
    assert result.returncode == -signal.SIGILL
    line = f"recompiler: {tmp_path}/program: not lifted: the instruction at 0x401234, which begins{' cc' * 15}\n"
    assert result.stderr == line.encode()


def test_mmap_gives_pages_of_the_four_gigabytes_and_never_code(tmp_path: Path) -> None:
    a = 0x20000000
    anonymous = PRIVATE | ANONYMOUS
    got = answers(
        tmp_path,
        syscall(MMAP, 0, 0x3000, 3, anonymous, -1, 0),  # the highest place
        syscall(MMAP, 0, 0x1000, 3, anonymous, -1, 0),  # below it
        syscall(MMAP, a, 0x3000, 3, anonymous, -1, 0),  # a hint that is free
        syscall(MMAP, a, 0x1000, 3, anonymous | NOREPLACE, -1, 0),
        syscall(MMAP, 0, 0x1000, 5, anonymous, -1, 0),  # PROT_EXEC
        syscall(MPROTECT, a, 0x1000, 5),
        syscall(MMAP, 1 << 32, 0x1000, 3, anonymous | FIXED, -1, 0),
        syscall(MMAP, 0, 1 << 33, 3, anonymous, -1, 0),
        syscall(MMAP, 0x1000, 0x1000, 3, anonymous | FIXED, -1, 0),  # the zero page's neighbour
        syscall(MUNMAP, a + 0x1000, 0x1000),
        syscall(MPROTECT, a, 0x3000, 1),  # a hole in it
        syscall(MREMAP, a, 0x1000, 0x2000, 0, 0),  # into the hole
        syscall(MREMAP, a, 0x2000, 0x8000, 0, 0),  # no room
        syscall(MREMAP, a, 0x2000, 0x8000, 1, 0),  # moves
        syscall(BRK, 0),
        syscall(BRK, DATA + DATA_SIZE + 0x5123),
        syscall(BRK, DATA - 1),
        syscall(WRITE, 1, 0xFFFFF000, 1 << 30),  # nothing is there, and nothing of the host behind it
        syscall(WRITE, 1, 1 << 32, 1),
    )
    top = 0xFFFFE000 - resource.getrlimit(resource.RLIMIT_STACK)[0] - (1 << 20)
    assert got[:3] == (top - 0x3000, top - 0x4000, a)
    assert got[3:9] == (-EEXIST, -EACCES, -EACCES, -ENOMEM, -ENOMEM, -1)
    assert got[9:13] == (0, -ENOMEM, a, -ENOMEM)
    assert got[13] == top - 0x4000 - 0x8000
    assert got[14:17] == (DATA + DATA_SIZE, DATA + DATA_SIZE + 0x5123, DATA + DATA_SIZE + 0x5123)
    assert got[17:] == (-EFAULT, -EFAULT)


def test_a_handler_runs_at_the_syscall_and_returns_with_every_register(tmp_path: Path) -> None:
    restorer, handler = 20, 10
    action = sigaction(pc(handler), SA_SIGINFO, pc(restorer))
    steps = [
        syscall(RT_SIGACTION, signal.SIGUSR1, DATA, 0, 8),
        syscall(GETPID),
        "".join(put(r, const(1000 + n)) for n, r in enumerate(GPRS) if r not in ("rax", "rsp"))
        + "(global.set $cf (i32.const 1))",
        put("r8", get("rsp")) + syscall(KILL, get("rax"), signal.SIGUSR1),
        "(global.set $of (i32.const 0))",
        # rdi, rsi, rbx, r15, rsp: as before the signal; cf too
        put("rax", f"(i64.extend_i32_u (i64.ne {get('rsp')} {get('r8')}))"),
        put("rax", f"(i64.add {get('rax')} (i64.extend_i32_u (i64.ne {get('rdi')} {const(1007)})))"),
        put("rax", f"(i64.add {get('rax')} (i64.extend_i32_u (i64.ne {get('r15')} {const(1015)})))"),
        put("rax", f"(i64.add {get('rax')} (i64.extend_i32_u (i32.ne (global.get $cf) (i32.const 1))))"),
        exit_with(get("rax")),
        # the handler: rsi is the siginfo
        store(const(DATA + 0x100), load(get("rsi"))),
        syscall(WRITE, 1, DATA + 0x100, 4),
        "".join(put(r, const(7)) for r in GPRS if r != "rsp") + "(global.set $cf (i32.const 0))",
        RETURN,
    ]
    steps += ["(unreachable)"] * (restorer - len(steps)) + [syscall(RT_SIGRETURN)]
    result = Guest(tmp_path, steps, action.ljust(0x1000, b"\0")).run()
    assert (result.returncode, result.stdout) == (0, struct.pack("<i", signal.SIGUSR1))


def counting(folder: Path, body: list[str], flags: int, timer: tuple[int, int] = (1000, 2000)) -> Guest:
    """A guest with a timer (interval, first: microseconds) whose handler counts in DATA + 0x100, and writes a byte to
    the fd in DATA + 0x108 when there is one."""
    handler, restorer = 40, 50
    steps = [syscall(RT_SIGACTION, signal.SIGALRM, DATA, 0, 8), syscall(SETITIMER, 0, DATA + 0x40, 0), *body]
    steps += ["(unreachable)"] * (handler - len(steps))
    steps += [
        store(const(DATA + 0x100), f"(i64.add {load(const(DATA + 0x100))} {const(1)})"),
        goto_if(handler + 3, f"(i64.eqz {load(const(DATA + 0x108))})"),
        syscall(WRITE, load(const(DATA + 0x108)), DATA, 1),
        RETURN,
    ]
    steps += ["(unreachable)"] * (restorer - len(steps)) + [syscall(RT_SIGRETURN)]
    data = sigaction(pc(handler), flags, pc(restorer)).ljust(0x40, b"\0")
    data += struct.pack("<4q", 0, timer[0], 0, timer[1])
    return Guest(folder, steps, data.ljust(0x1000, b"\0"))


def until(count: int, start: int) -> str:
    return goto_if(start, f"(i64.lt_u {load(const(DATA + 0x100))} {const(count)})")


def test_a_loop_without_syscalls_takes_signals_at_its_safepoint(tmp_path: Path) -> None:
    body = [
        SAFEPOINT + put("rbx", f"(i64.add {get('rbx')} {const(1)})"),
        until(200, 2),
        exit_with(const(5)),
    ]
    assert counting(tmp_path, body, 0).run().returncode == 5


def test_no_signal_is_slept_through(tmp_path: Path) -> None:
    # The handler writes what the read waits for. A timer fires near the read, at ever other places of the way into the
    # kernel: a signal that were seen too late would be a read for ever.
    count = load(const(DATA + 0x100))
    body = [
        syscall(22, DATA + 0xC0),  # pipe
        store(const(DATA + 0x108), f"(i64.shr_u {load(const(DATA + 0xC0))} {const(32)})"),
        syscall(SETITIMER, 0, DATA + 0x40, 0) + put("rcx", const(0)),
        put("rcx", f"(i64.add {get('rcx')} {const(1)})"),
        goto_if(5, f"(i64.lt_u {get('rcx')} (i64.mul (i64.rem_u {count} {const(251)}) {const(64)}))"),
        syscall(0, f"(i64.and {load(const(DATA + 0xC0))} {const(0xFFFFFFFF)})", DATA + 0x200, 1),
        until(3000, 4),
        exit_with(const(5)),
    ]
    assert counting(tmp_path, body, SA_RESTART, (0, 20)).run().returncode == 5


@pytest.mark.parametrize(("flags", "expected"), [(0, -EINTR), (SA_RESTART, 1)])
def test_a_read_is_interrupted_or_made_again(tmp_path: Path, flags: int, expected: int) -> None:
    body = [syscall(0, 0, DATA + 0x200, 1), record(0), *results(2, DATA + 0x800)]
    body.insert(2, store(const(DATA + 0x808), load(const(DATA + 0x100))))
    guest = counting(tmp_path, body, flags)
    read_end, write_end = os.pipe()
    feed = subprocess.Popen(
        [sys.executable, "-c", "import time,os; time.sleep(0.3); os.write(1, b'x'); time.sleep(0.3)"], stdout=write_end
    )
    os.close(write_end)
    try:
        result = guest.run(stdin=read_end)
    finally:
        os.close(read_end)
        feed.kill()
        feed.wait()
    got, count = struct.unpack("<qq", result.stdout)
    assert (result.returncode, got) == (0, expected)
    assert count >= 1


def test_a_handler_of_sigsegv_on_its_own_stack_sees_the_address(tmp_path: Path) -> None:
    # Recursion runs out of the 8 MiB; the handler has a stack of its own, and tells how far away the address is.
    stack = struct.pack("<QiiQ", DATA + 0x1000, 0, 0, 0x2000)
    steps = [
        syscall(RT_SIGACTION, signal.SIGSEGV, DATA, 0, 8),
        syscall(SIGALTSTACK, DATA + 0x40, 0),
        put("rax", f"(call $deep {const(0)})"),
        "(unreachable)",
        store(const(DATA + 0x100), load(f"(i64.add {get('rsi')} {const(16)})"))
        + store(const(DATA + 0x108), get("rsp"))
        + store(const(DATA + 0x110), load(get("rsi"))),
        syscall(WRITE, 1, DATA + 0x100, 24),
        syscall(EXIT, 3),
    ]
    data = sigaction(pc(4), SA_SIGINFO | SA_ONSTACK, pc(9)).ljust(0x40, b"\0") + stack
    result = Guest(tmp_path, steps, data.ljust(0x1000, b"\0")).run()
    assert result.returncode == 3, result
    address, rsp, sig = struct.unpack("<QQQ", result.stdout)
    low = STACK_TOP - resource.getrlimit(resource.RLIMIT_STACK)[0]
    assert low - 4096 <= address < low
    assert DATA + 0x1000 <= rsp < DATA + 0x3000
    assert sig & 0xFFFFFFFF == signal.SIGSEGV


def test_a_handler_of_a_division_changes_registers_and_says_where_to_go_on(tmp_path: Path) -> None:
    rip, rax = 8 + 16 + 24 + 16 * 8, 8 + 16 + 24 + 13 * 8  # in the frame at rsp: pretcode, flags and link, stack, gpr
    at_rip, at_rax = (f"(i64.add {get('rsp')} {const(offset)})" for offset in (rip, rax))
    steps = [
        syscall(RT_SIGACTION, signal.SIGFPE, DATA, 0, 8),
        put("rax", const(40)) + f"(call $fault (i32.const {signal.SIGFPE}) HERE)",
        "(unreachable)",
        exit_with(f"(i64.add {get('rax')} {get('rbx')})"),
        *["(unreachable)"] * 4,
        store(at_rip, f"(i64.add {load(at_rip)} {const(4)})")
        + store(at_rax, f"(i64.add {load(at_rax)} {const(2)})")
        + put("rbx", const(99)),
        RETURN,
        syscall(RT_SIGRETURN),
    ]
    result = Guest(tmp_path, steps, sigaction(pc(8), SA_SIGINFO, pc(10)).ljust(0x1000, b"\0")).run()
    assert result.returncode == 42


def test_signals_in_handlers_nest_and_masks_hold(tmp_path: Path) -> None:
    # SIGUSR1's handler blocks SIGUSR2: sent inside, it arrives behind; with SA_NODEFER the handler itself nests.
    restorer = 30
    first = sigaction(pc(10), SA_NODEFER, pc(restorer), 1 << (signal.SIGUSR2 - 1))
    second = sigaction(pc(20), 0, pc(restorer))
    say = [syscall(WRITE, 1, DATA + 0x200 + n, 1) for n in range(8)]
    steps = [
        syscall(RT_SIGACTION, signal.SIGUSR1, DATA, 0, 8),
        syscall(RT_SIGACTION, signal.SIGUSR2, DATA + 0x40, 0, 8),
        syscall(GETPID),
        store(const(DATA + 0x100), get("rax")),
        syscall(KILL, load(const(DATA + 0x100)), signal.SIGUSR1),
        say[4],
        exit_with(const(0)),
        *["(unreachable)"] * 3,
        say[0],  # 10: SIGUSR1
        syscall(KILL, load(const(DATA + 0x100)), signal.SIGUSR2),  # blocked here
        store(const(DATA + 0x108), f"(i64.add {load(const(DATA + 0x108))} {const(1)})"),
        goto_if(15, f"(i64.gt_u {load(const(DATA + 0x108))} {const(1)})"),
        syscall(KILL, load(const(DATA + 0x100)), signal.SIGUSR1),  # nests
        say[1],
        RETURN,
        *["(unreachable)"] * 3,
        say[2],  # 20: SIGUSR2
        RETURN,
    ]
    steps += ["(unreachable)"] * (restorer - len(steps)) + [syscall(RT_SIGRETURN)]
    data = first.ljust(0x40, b"\0") + second
    result = Guest(tmp_path, steps, data.ljust(0x200, b"\0") + b"(),x!".ljust(0xE00, b"\0")).run()
    # ( outer, ( inner, its ), the outer's ), then the one SIGUSR2 that waited
    assert (result.returncode, result.stdout) == (0, b"(()),!")


def test_goto_of_the_tests_is_a_loop(tmp_path: Path) -> None:
    steps = [
        put("rbx", f"(i64.add {get('rbx')} {const(1)})"),
        goto_if(0, f"(i64.lt_u {get('rbx')} {const(9)})"),
        goto(3),
    ]
    assert Guest(tmp_path, [*steps, exit_with(get("rbx"))]).run().returncode == 9
