"""In: a guest as a list of steps. Out: what the host of lifted programs takes: an ELF, an artifact, a pc map.

The steps are the module that a lifter would emit for a program whose instructions are two bytes long each (as `syscall`
is): step n is at TEXT + 2 * n and every step is an entry. So the host is tested by itself."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import wasmtime

from recompiler import aot
from tests.testbed import ROOT

RUNNER = ROOT / "tools" / "recompiler" / "engine" / "rc-lifted"
TARGET = "x86_64-linux"
TEXT, DATA, DATA_SIZE = 0x401000, 0x402000, 0x3000  # the data segment's last page is not in the file
GPRS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"]
FLAGS = ["cf", "pf", "af", "zf", "sf", "of", "df"]


def pc(step: int) -> int:
    return TEXT + 2 * step


def const(value: int) -> str:
    return f"(i64.const {value})"


def get(register: str) -> str:
    return f"(global.get ${register})"


def put(register: str, value: str) -> str:
    return f"(global.set ${register} {value})"


def load(address: str) -> str:
    return f"(i64.load (i32.wrap_i64 {address}))"


def store(address: str, value: str) -> str:
    return f"(i64.store (i32.wrap_i64 {address}) {value})"


def syscall(nr: int, *arguments: int | str) -> str:
    """A step that makes a syscall; its result is in rax."""
    texts = [a if isinstance(a, str) else const(a) for a in (*arguments, *[0] * (6 - len(arguments)))]
    return f"""
        (call $syscall {const(nr)} {" ".join(texts)} NEXT) (local.set $pc) (global.set $rax)
        (if (i64.ne (local.get $pc) NEXT) (then (return (local.get $pc))))"""


def goto(step: int) -> str:
    return f"(local.set $entry (i32.const {step})) (br $again)"


def goto_if(step: int, condition: str) -> str:
    return f"(if {condition} (then {goto(step)}))"


def jump(address: str) -> str:
    """An indirect jump: the address is given back to whoever runs the guest."""
    return f"(return {address})"


# At a loop's header: out of the function, to `run`, which asks the host. A call here would cost the loop its registers.
SAFEPOINT = "(if (global.get $pending) (then (return HERE)))"


def module(steps: Sequence[str]) -> str:
    """The WAT of a guest."""
    count = len(steps)
    labels = " ".join(str(n) for n in range(count))
    body = f"(br_table {labels} (local.get $entry))"
    for n, step in enumerate(steps):
        body = f"(block $b{n} {body})\n;; {pc(n):#x}\n" + step.replace("NEXT", const(pc(n + 1))).replace(
            "HERE", const(pc(n))
        )
    registers = "".join(f'(global ${r} (export "{r}") (mut i64) (i64.const 0))' for r in (*GPRS, "fs", "gs"))
    registers += "".join(
        f'(global $xmm{n} (export "xmm{n}") (mut v128) (v128.const i64x2 {n} {n + 100}))' for n in range(16)
    )
    registers += "".join(f'(global ${r} (export "{r}") (mut i32) (i32.const 0))' for r in (*FLAGS, "pending"))
    return f"""(module
        (import "linux" "syscall" (func $syscall (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64 i64)))
        (import "linux" "fault" (func $fault (param i32 i64)))
        (import "linux" "unlifted" (func $unlifted (param i64)))
        (import "linux" "cpuid" (func $cpuid (param i32 i32) (result i32 i32 i32 i32)))
        (import "linux" "rdtsc" (func $rdtsc (result i64)))
        (import "linux" "safepoint" (func $safepoint (param i64) (result i64)))
        (memory $memory (export "memory") 65536 65536)
        (memory $pcmap (export "pcmap") 1 1)
        {registers}
        (func $f (param $entry i32) (result i64) (local $pc i64)
            (loop $again {body})
            (return (i64.const 0)))
        (func $deep (param $n i64) (result i64) ;; a call, as a lifted function makes one
            (global.set $rsp (i64.sub (global.get $rsp) (i64.const 16)))
            (i64.store (i32.wrap_i64 (global.get $rsp)) (local.get $n))
            (i64.add (i64.const 1) (call $deep (i64.add (local.get $n) (i64.const 1)))))
        (func (export "run") (param $pc i64) (result i64) (local $slot i32)
            (loop $next
                (if (global.get $pending) (then (local.set $pc (call $safepoint (local.get $pc)))))
                (if (i64.lt_u (i64.sub (local.get $pc) {const(TEXT)}) {const(2 * count)}) (then
                    (local.set $slot (i32.load $pcmap (i32.shl
                        (i32.wrap_i64 (i64.sub (local.get $pc) {const(TEXT)})) (i32.const 2))))
                    (if (local.get $slot) (then
                        (local.set $pc (call $f (i32.and (local.get $slot) (i32.const 0x3fff))))
                        (br $next))))))
            (local.get $pc)))"""


def elf(data: bytes, pie: bool = False) -> bytes:
    """A static program: text at TEXT (never read), data at DATA, zeros behind."""
    headers = [(5, TEXT, 0x1000, 16, 16), (6, DATA, 0x2000, len(data), DATA_SIZE)]
    result = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3 if pie else 2, 62, 1, TEXT, 64, 0, 0, 64, 56, 3, 64, 0, 0
    )
    result += struct.pack("<IIQQQQQQ", 1, 4, 0, 0x400000, 0x400000, 64 + 56 * 3, 64 + 56 * 3, 4096)
    for flags, address, offset, size, memory in headers:
        result += struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, size, memory, 4096)
    return result.ljust(0x1000, b"\0").ljust(0x2000, b"\xcc") + data


class Guest:
    """The three files of a guest in a folder."""

    def __init__(self, folder: Path, steps: Sequence[str], data: bytes = b"\0") -> None:
        self.files = [folder / name for name in ("program", "program.cwasm", "program.pcmap")]
        wasm = bytes(wasmtime.wat2wasm(module([*steps, syscall(231, 99)])))
        entries = [(1 << 31 | n) if half == 0 else 0 for n in range(len(steps) + 1) for half in (0, 1)]
        contents = (elf(data), aot.compile_module(wasm, TARGET), struct.pack(f"<{len(entries)}I", *entries))
        for path, content in zip(self.files, contents, strict=True):
            path.write_bytes(content)
        self.files[0].chmod(0o755)

    def run(
        self, *argv: str, env: dict[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        command = [str(RUNNER), *map(str, self.files), *(argv or ("program",))]
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command, capture_output=True, timeout=60, check=False, env=env or dict(os.environ), **options
        )
