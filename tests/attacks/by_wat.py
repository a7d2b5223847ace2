"""Attempts in WebAssembly itself: addresses, tables, stacks, and pointers handed to the host. One function per row."""

from __future__ import annotations

from typing import Final

from tests.attacks.table import Attack

_FAULT, _INVAL, _ERROR = "exit 21", "exit 28", r"exit (?!0\b)\d+"  # WASI's errno
_SEGV, _ILL, _FPE, _ABRT = (f"signal {number}" for number in (11, 4, 8, 6))


_END = "(i32.mul (memory.size) (i32.const 65536))"


def _call(name: str, *arguments: int | str) -> str:
    """A call with constants: i32, or "i64 N"."""
    words = [f"(i64.const {word[4:]})" if isinstance(word, str) else f"(i32.const {word})" for word in arguments]
    return f"(call ${name} {' '.join(words)})"


def _vector(at: int, length: int) -> str:
    """An iovec at 16."""
    return _call("vector", at, length)


# class -> attempt -> the function's body, its i32 is the exit status; what comes of it
_TABLE: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "pointers": {
        "load at 2^32 - 16": ("(i32.load (i32.const -16))", _SEGV),
        "load at the end of memory": (f"(i32.load {_END})", _SEGV),
        "load across the end": (f"(i32.wrap_i64 (i64.load (i32.sub {_END} (i32.const 4))))", _SEGV),
        "load at 2^32 - 1 with offset 2^32 - 1": ("(i32.load8_u offset=0xffffffff (i32.const -1))", _SEGV),
        "load whose offset wraps to 0": ("(i32.load8_u offset=1 (i32.const -1))", _SEGV),
        "store at 2^31": ("(i32.store (i32.const 0x80000000) (i32.const 1)) (i32.const 0)", _SEGV),
        "memory.fill over the end": ("(memory.fill (i32.const 9) (i32.const 1) (i32.const -1)) (i32.const 0)", _SEGV),
        "memory.copy from outside": ("(memory.copy (i32.const 0) (i32.const -8) (i32.const 8)) (i32.const 0)", _SEGV),
        "fd_write: iovec array outside": (_call("fd_write", 1, -8, 1, 8), _FAULT),
        "fd_write: buffer outside": (_vector(-4, 4) + _call("fd_write", 1, 16, 1, 8), _FAULT),
        "fd_write: buffer + length wraps": (_vector(4096, -1) + _call("fd_write", 1, 16, 1, 8), _ERROR),
        "fd_write: 2^32 - 1 iovecs": (_call("fd_write", 1, 16, -1, 8), _ERROR),
        "fd_write: array wraps": (_call("fd_write", 1, 16, 0x20000000, 8), _ERROR),
        "fd_write: result outside": (_vector(0, 0) + _call("fd_write", 1, 16, 1, -2), _FAULT),
        "fd_read: buffer outside": (_vector(-4, 4) + _call("fd_read", 0, 16, 1, 8), _FAULT),
        "args_get outside": (_call("args_get", -4, 0), _FAULT),
        "args_get: text outside": (_call("args_get", 0, -1), _FAULT),
        "environ_sizes_get outside": (_call("environ_sizes_get", -1, 0), _FAULT),
        "clock_time_get outside": (_call("clock_time_get", 0, "i64 0", -4), _FAULT),
        "random_get of 4 GiB": (_call("random_get", 0, -1), _FAULT),
        "random_get that wraps": (_call("random_get", -16, 32), _FAULT),
        "path_open: path outside": (_call("open", -4, 4, 8), _FAULT),
        "path_open: path of 4 GiB": (_call("open", 0, -1, 8), _ERROR),
        "path_open: result outside": ("(i32.store8 (i32.const 64) (i32.const 46))" + _call("open", 64, 1, -2), _FAULT),
        "path_open: a NUL in the path": (
            "(i32.store (i32.const 64) (i32.const 0x65007465))" + _call("open", 64, 4, 8),
            _INVAL,
        ),
        "fd_prestat_dir_name outside": (_call("fd_prestat_dir_name", 3, -1, 1), _FAULT),
        "fd_readdir into the outside": (_call("fd_readdir", 3, 0, -1, "i64 0", 8), _FAULT),
        "poll_oneoff of 2^32 - 1": (_call("poll_oneoff", 0, 0, -1, 8), _ERROR),
        "poll_oneoff outside": (_call("poll_oneoff", -48, 0, 1, 8), _FAULT),
        "sock_connect: address outside": (_call("sock_connect", 3, -8, 16), _ERROR),
    },
    "tables and stacks": {
        "indirect call beyond the table": ("(call_indirect (type $none) (i32.const 4096))", _SEGV),
        "indirect call at 2^32 - 1": ("(call_indirect (type $none) (i32.const -1))", _SEGV),
        "indirect call of a null entry": ("(call_indirect (type $none) (i32.const 200))", _SEGV),
        "indirect call of another type": ("(call_indirect (type $other) (i64.const 1) (i32.const 0))", _ILL),
        "recursion without end": (_call("deep", 1), _SEGV),
        "unreachable": ("(unreachable)", _ABRT),
        "division by zero": ("(i32.div_u (i32.const 1) (i32.load (i32.const 60000)))", _FPE),
        "INT_MIN / -1": ("(i32.div_s (i32.const 0x80000000) (i32.sub (i32.load (i32.const 99)) (i32.const 1)))", _FPE),
        "a float that no integer holds": ("(i32.trunc_f64_s (f64.const 1e300))", _FPE),
        "a branch table with any index": (
            "(block (block (br_table 0 1 (i32.const -1))) (return (i32.const 1))) (i32.const 7)",
            "exit 7",
        ),
    },
    "memory bomb": {
        "memory.grow by 4 GiB": ("(i32.eq (memory.grow (i32.const 65535)) (i32.const -1))", "exit 1"),
        "memory.grow by 2^32 - 1 pages": ("(i32.eq (memory.grow (i32.const -1)) (i32.const -1))", "exit 1"),
        "memory.grow, page by page, to the end": (
            "(loop $on (br_if $on (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) (i32.shr_u (memory.size) (i32.const 11))",  # noqa: E501
            "exit 0",
        ),
    },
}  # fmt: skip
ATTACKS: Final = tuple(
    Attack(kind, attempt, "wat", expected) for kind, table in _TABLE.items() for attempt, (_, expected) in table.items()
)

_IMPORTS: Final = {
    "fd_write": "i32 i32 i32 i32",
    "fd_read": "i32 i32 i32 i32",
    "args_get": "i32 i32",
    "environ_sizes_get": "i32 i32",
    "clock_time_get": "i32 i64 i32",
    "random_get": "i32 i32",
    "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32",
    "fd_prestat_dir_name": "i32 i32 i32",
    "fd_readdir": "i32 i32 i32 i64 i32",
    "poll_oneoff": "i32 i32 i32 i32",
}


def module() -> str:
    """All rows in one program: its first argument is the number of the row."""
    bodies = [body for table in _TABLE.values() for body, _ in table.values()]
    imports = "\n".join(
        f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {types}) (result i32)))'
        for name, types in _IMPORTS.items()
    )
    functions = "\n".join(f"(func $row{n} (type $none) {body})" for n, body in enumerate(bodies))
    names = " ".join(f"$row{n}" for n in range(len(bodies)))
    return f"""(module
{imports}
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
(import "recompiler_sock_v1" "sock_connect" (func $sock_connect (param i32 i32 i32) (result i32)))
(type $none (func (result i32)))
(type $other (func (param i64) (result i32)))
(memory (export "memory") 1)
(table 256 funcref)
(elem (i32.const 0) {names})
(func $vector (param $at i32) (param $len i32)
  (i32.store (i32.const 16) (local.get $at)) (i32.store (i32.const 20) (local.get $len)))
(func $open (param $path i32) (param $len i32) (param $result i32) (result i32)
  (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len) (i32.const 0)
    (i64.const 2) (i64.const 0) (i32.const 0) (local.get $result)))
(func $deep (param $n i32) (result i32)
  (i32.add (call $deep (i32.add (local.get $n) (i32.const 1))) (local.get $n)))
{functions}
(func (export "_start") (local $at i32) (local $row i32)
  (drop (call $args_get (i32.const 1024) (i32.const 2048)))
  (local.set $at (i32.load (i32.const 1028)))
  (loop $digit
    (local.set $row (i32.add (i32.mul (local.get $row) (i32.const 10))
      (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $digit (i32.load8_u (local.get $at))))
  (call $proc_exit (call_indirect (type $none) (local.get $row)))))
"""
