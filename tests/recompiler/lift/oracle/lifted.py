"""In: instructions with the flags that are wanted after each. Out: a wasm module that runs them over states.

The module is one of the contract's shape: the registers in globals, the guest in memory 0, one function per
instruction: what liveness says it reads comes from the globals, what it writes goes back. A driver goes over the states
of the shared file, which is mapped into memory 0 outside the guest's window.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wasmtime
from iced_x86 import Instruction

from recompiler.lift.asm import x87
from recompiler.lift.asm.assembler import IMPORTS, RUNTIME, Asm
from recompiler.lift.emit import objectwriter, templates
from recompiler.lift.emit.runtime import ROUTINES
from recompiler.lift.plan import liveness
from recompiler.lift.x86 import regs
from recompiler.lift.x86.decode import Facts
from recompiler.lift.x86.regs import BE, COMPOSITE, FLAG_BIT, GLOBALS, I32, I64, LE, PRIMITIVE, STATUS, L
from recompiler.wasm import leb, writer
from recompiler.wasm.model import FUNC, FUNCREF, FuncType, Limits, TableType
from tests.recompiler.lift.oracle.defined import BITS
from tests.recompiler.lift.oracle.encode import CODE, FS, GS, WINDOW
from tests.recompiler.lift.oracle.states import MXCSR, Shared, State

STATES_AT = 0x40000000
PAGE = 4096
VOID = FuncType((), ())
DRIVER = FuncType((I32, I32, I32, I32), ())  # function, first input, first output, how many
EXTRA = (("be", I32), ("l", I32), ("le", I32), ("at", I32))
EXTRA_GLOBAL = {name: len(GLOBALS) + n for n, (name, _) in enumerate(EXTRA)}
COMPOSITE_GLOBAL = {BE: EXTRA_GLOBAL["be"], L: EXTRA_GLOBAL["l"], LE: EXTRA_GLOBAL["le"]}
LOCALS = [(16, I64), (16, regs.V128), (11, I32)] + [(n, type_) for type_, n in regs.TEMPORARIES]
SPOTS = ((WINDOW, 256), (WINDOW + PAGE - 256, 512), (WINDOW + 2 * PAGE - 256, 256))
SIGSEGV = 11


@dataclass(frozen=True, slots=True)
class Case:
    """One function: an instruction and the flags wanted after it."""

    facts: Facts
    want: int
    code: bytes


def case(facts: Facts, want: int) -> Case | None:
    """The function of an instruction; None where the forms give no wasm."""
    known = liveness.info(facts)
    made = templates.template(facts, known, want)
    if made is None:
        return None
    code, places = bytearray(made[0]), made[1]
    for offset, displacement in places:
        code[offset : offset + 5] = _padded(CODE + facts.size + displacement)
    asm = Asm(Instruction(), STATUS)
    flags = liveness.flags_before(known, want)
    for local, number in _registers(known.use):
        asm.op("global.get", number)
        asm.set(local)
    for flag in _each(flags):
        asm.op("global.get", _flag_global(flag))
        asm.flag(flag)
    asm.out += code
    for local, number in _registers(known.define):
        asm.get(local)
        asm.op("global.set", number)
    for flag in _each(want & touched(known)):
        asm.get_flag(flag)
        asm.op("global.set", _flag_global(flag))
    return Case(facts, want, _locals(LOCALS) + bytes(asm.out) + b"\x42\0\x0b")


def touched(known: liveness.Info) -> int:
    """The flags, composites too, that an instruction writes."""
    return known.flag_write | sum(flag for flag, parts in regs.PARTS.items() if parts & known.flag_write)


def _flag_global(flag: int) -> int:
    return COMPOSITE_GLOBAL[flag] if flag & COMPOSITE else regs.flag_global(flag)


def _each(mask: int) -> list[int]:
    return [1 << n for n in range(10) if mask >> n & 1]


def _registers(mask: int) -> list[tuple[int, int]]:
    return regs.spills(mask & ~(PRIMITIVE << FLAG_BIT))


def _padded(value: int) -> bytes:
    """Five bytes of signed LEB128."""
    return bytes((value >> 7 * n & 0x7F) | (0x80 if n < 4 else 0) for n in range(5))


def _locals(groups: list[tuple[int, int]]) -> bytes:
    return writer.vector([leb.u32(count) + bytes((type_,)) for count, type_ in groups])


# ---- the driver


def _driver() -> bytes:
    """Goes over states; the global `at` is the one in work, so that one that traps is known."""
    asm = Asm(Instruction(), STATUS)
    source, target, end = 1, 2, 4
    asm.get(source, 3)
    asm.op("i32.const", ctypes.sizeof(State))
    asm.ops("i32.mul", "i32.add")
    asm.set(end)
    asm.op("block", 0x40)
    asm.op("loop", 0x40)
    asm.get(source, end)
    asm.op("i32.ge_u")
    asm.op("br_if", 1)
    _copy_state(asm, source, load=True)
    asm.op("i32.const", 0)
    asm.get(0)
    asm.op("call_indirect", 0, 0)
    asm.op("drop")
    _copy_state(asm, target, load=False)
    for local in (source, target):
        asm.get(local)
        asm.op("i32.const", ctypes.sizeof(State))
        asm.op("i32.add")
        asm.set(local)
    asm.op("global.get", EXTRA_GLOBAL["at"])
    asm.op("i32.const", 1)
    asm.op("i32.add")
    asm.op("global.set", EXTRA_GLOBAL["at"])
    asm.op("br", 0)
    asm.end()
    asm.end()
    return _locals([(1, I32), (1, I64)]) + bytes(asm.out) + b"\x0b"


def _copy_state(asm: Asm, record: int, *, load: bool) -> None:
    """Between a record and the globals and the window."""
    for n in range(16):
        _move(asm, record, "i64", n * 8, n, load)
        _move(asm, record, "v128", State.fx.offset + 160 + n * 16, 16 + n, load)
    _copy_x87(asm, record, load)
    if load:
        asm.get(record)
        asm.op("i64.load", State.flags.offset)
        asm.set(5)
        for flag in _each(PRIMITIVE | regs.D):
            asm.get(5)
            asm.op("i64.const", BITS[flag].bit_length() - 1)
            asm.op("i64.shr_u")
            asm.op("i32.wrap_i64")
            asm.op("i32.const", 1)
            asm.op("i32.and")
            asm.op("global.set", regs.flag_global(flag))
        _composite_globals(asm)
    else:
        asm.get(record)
        asm.op("i64.const", 0)
        for flag in _each(STATUS | regs.D):
            asm.op("global.get", _flag_global(flag))
            asm.op("i64.extend_i32_u")
            asm.op("i64.const", BITS[flag].bit_length() - 1)
            asm.op("i64.shl")
            asm.op("i64.or")
        asm.op("i64.store", State.flags.offset)
        asm.get(record)
        asm.op("i32.const", 0)
        asm.op("i32.store", State.fault.offset)
    offset = State.data.offset
    for spot, size in SPOTS:
        for n in range(0, size, 16):
            if load:
                asm.op("i32.const", spot + n)
                asm.get(record)
                asm.op("v128.load", offset + n)
                asm.op("v128.store", 0)
            else:
                asm.get(record)
                asm.op("i32.const", spot + n)
                asm.op("v128.load", 0)
                asm.op("v128.store", offset + n)
        offset += size


def _copy_x87(asm: Asm, record: int, load: bool) -> None:
    """By the functions that lifted code calls."""
    fx = State.fx.offset
    words = (("control", "16"), ("status", "16"), ("tags", "8"))
    if load:
        for n, (name, bits) in enumerate(words):
            asm.get(record)
            asm.op(f"i32.load{bits}_u", fx + 2 * n)
            asm.call(f"x87_set_{name}")
    else:
        for n, (name, bits) in enumerate(words):
            asm.get(record)
            asm.call(f"x87_{name}")
            asm.op(f"i32.store{bits}", fx + 2 * n)
    for n in range(8):
        at = fx + 32 + 16 * n
        if load:
            asm.op("i32.const", n)
            asm.get(record)
            asm.op("i64.load", at)
            asm.get(record)
            asm.op("i32.load16_u", at + 8)
            asm.call("x87_set_register")
            continue
        for name, op, offset in (("significand", "i64.store", at), ("exponent", "i32.store16", at + 8)):
            asm.get(record)
            asm.op("i32.const", n)
            asm.call(f"x87_{name}")
            asm.op(op, offset)


def _move(asm: Asm, record: int, type_: str, offset: int, number: int, load: bool) -> None:
    asm.get(record)
    if load:
        asm.op(f"{type_}.load", offset)
        asm.op("global.set", number)
    else:
        asm.op("global.get", number)
        asm.op(f"{type_}.store", offset)


def _composite_globals(asm: Asm) -> None:
    for flag, parts, how in ((BE, (regs.C, regs.Z), "i32.or"), (L, (regs.S, regs.O), "i32.xor")):
        for part in parts:
            asm.op("global.get", regs.flag_global(part))
        asm.op(how)
        asm.op("global.set", COMPOSITE_GLOBAL[flag])
    asm.op("global.get", COMPOSITE_GLOBAL[L])
    asm.op("global.get", regs.flag_global(regs.Z))
    asm.op("i32.or")
    asm.op("global.set", COMPOSITE_GLOBAL[LE])


# ---- the module


def module(bodies: Sequence[bytes]) -> bytes:
    """The module of some functions (entry) -> pc; number n is the table's function n."""
    types: dict[FuncType, int] = {objectwriter.CODE: 0, VOID: 1}
    routines = [ROUTINES.get(name) for name in RUNTIME]
    needed = [objectwriter.IMPORT_TYPES.get(name, VOID) for name in IMPORTS]
    runtime = [VOID if each is None else FuncType(each.params, each.results) for each in routines]
    for type_ in (*needed, *runtime, DRIVER):
        types.setdefault(type_, len(types))
    imports = [
        writer.name(b"linux") + writer.name(name.encode()) + b"\0" + leb.u32(types[type_])
        for name, type_ in zip(IMPORTS, needed, strict=True)
    ]
    first = len(IMPORTS) + len(RUNTIME)
    functions = [leb.u32(types[each]) for each in runtime] + [leb.u32(0)] * len(bodies) + [leb.u32(types[DRIVER])]
    # `run` needs the pc map, which no instruction here uses.
    away = {"run"}
    code = [
        b"\0\0\x0b" if each is None or name in away else each.body(0, 0)
        for name, each in zip(RUNTIME, routines, strict=True)
    ]
    code += [*bodies, _driver()]
    numbers = [leb.u32(first + n) for n in range(len(bodies))]
    exports = [(b"memory", 2, 0), (b"driver", FUNC, first + len(bodies)), (b"at", 3, EXTRA_GLOBAL["at"])]
    exports += [(name.encode(), 3, number) for name, number in regs.GLOBAL.items()]
    table = Limits(1, len(bodies), len(bodies))
    sections = [
        (1, [writer.func_type(type_, n) for type_, n in types.items()]),
        (2, imports),
        (3, functions),
        (4, [writer.table_type(TableType(FUNCREF, table))]),
        (5, [writer.limits(Limits(1, size, size)) for size in (1 << 16, 1, x87.pages())]),
        (6, [objectwriter.global_(name, type_) for name, type_ in (*GLOBALS, *EXTRA)]),
        (7, [writer.name(name) + bytes((kind,)) + leb.u32(number) for name, kind, number in exports]),
        (9, [leb.u32(0) + b"\x41\0\x0b" + writer.vector(numbers)]),
        (10, [writer.name(body) for body in code]),
        (11, x87.segments()),
    ]
    return writer.module(sections, 0, [])


# ---- running


class Fault(Exception):
    """The guest's CPU would raise this signal here."""

    def __init__(self, signal: int, pc: int) -> None:
        super().__init__(signal, pc)
        self.signal, self.pc = signal, pc


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_ENGINE: list[Any] = []


def _engine() -> Any:
    if not _ENGINE:
        config = wasmtime.Config()
        config.wasm_multi_memory = True
        config.wasm_wide_arithmetic = True
        _ENGINE.append(wasmtime.Engine(config))
    return _ENGINE[0]


class Lifted:
    """The instance of a module of functions over the shared file."""

    def __init__(self, bodies: Sequence[bytes], shared: int) -> None:
        store = wasmtime.Store(_engine())
        linker = wasmtime.Linker(store.engine)
        compiled = wasmtime.Module(store.engine, module(bodies))
        for each in compiled.imports:
            linker.define_func("linux", each.name, each.type, _IMPORTED.get(each.name, _absent(str(each.name))))
        self.store = store
        exports = linker.instantiate(store, compiled).exports(store)
        self.driver, self.at = exports["driver"], exports["at"]
        self.bases = [(exports["fs"], FS), (exports["gs"], GS)]
        memory = exports["memory"]
        self.base = ctypes.cast(memory.data_ptr(store), ctypes.c_void_p).value or 0
        # Only the window exists for the guest, and the shared file far from it.
        _check(_LIBC.mprotect(self.base, 1 << 32, 0))
        _check(_LIBC.mprotect(self.base + WINDOW, 2 * PAGE, 3))
        size = ctypes.sizeof(Shared)
        _check(_LIBC.mmap(self.base + STATES_AT, size, 3, 0x11, shared, 0) != self.base + STATES_AT)

    def run(self, number: int, shared: Any, n: int) -> None:
        """Function number over n inputs of the shared file: outputs and faults into its `lifted`."""
        ctypes.memset(self.base + WINDOW, 0xA5, 2 * PAGE)
        for segment, base in self.bases:
            segment.set_value(self.store, base)
        done, size = 0, ctypes.sizeof(State)
        while done < n:
            self.at.set_value(self.store, done)
            inputs, outputs = (STATES_AT + getattr(Shared, name).offset + done * size for name in ("inputs", "lifted"))
            try:
                try:
                    _ldmxcsr(shared.task.mxcsr)
                    self.driver(self.store, number, inputs, outputs, n - done)
                finally:
                    _ldmxcsr(MXCSR[0])
                return
            except Fault as fault:
                signal, pc = fault.signal, fault.pc
            except wasmtime.Trap as trap:
                if trap.trap_code != wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS:
                    raise
                signal, pc = SIGSEGV, CODE
            done = self.at.value(self.store)
            shared.lifted[done].fault, shared.lifted[done].fault_pc = signal, pc - CODE
            at = 0
            for spot, length in SPOTS:
                ctypes.memmove(ctypes.addressof(shared.lifted[done].data) + at, self.base + spot, length)
                at += length
            done += 1

    def stray(self) -> bool:
        """Whether a byte of the window outside of the data was written."""
        window = ctypes.string_at(self.base + WINDOW, 2 * PAGE)
        low, middle = SPOTS[0], SPOTS[1][0] - WINDOW
        rest = window[low[1] : middle] + window[middle + 512 : 2 * PAGE - 256]
        return rest.count(0xA5) != len(rest)


def _fault(signal: int, pc: int) -> None:
    raise Fault(signal, pc)


def _absent(name: str) -> Any:
    def call(*_: object) -> None:
        raise AssertionError(f"an instruction called {name}")

    return call


# MXCSR of lifted code is the CPU's (forms/sse_state.py): push rdi; ldmxcsr [rsp]; pop rdi; ret, and stmxcsr's like.
_CODE = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_CODE.write(bytes.fromhex("57 0fae1424 5f c3 90 50 0fae1c24 58 c3"))
_PLACE = ctypes.addressof(ctypes.c_char.from_buffer(_CODE))
_ldmxcsr = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(_PLACE)
_stmxcsr = ctypes.CFUNCTYPE(ctypes.c_uint32)(_PLACE + 8)
_IMPORTED = {"fault": _fault, "ldmxcsr": _ldmxcsr, "stmxcsr": _stmxcsr}


def _check(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), "mmap or mprotect of the guest's memory")
