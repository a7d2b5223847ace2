"""In: a WebAssembly module. Out: its AOT artifact (.cwasm), native code that the engine (csrc/engine/) maps and runs.

The settings below are the only place they stand: csrc/build.py writes them into the engine too, so an artifact made
with others is refused there. The same module and settings give the same bytes.
"""

from __future__ import annotations

import platform
import struct
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from recompiler.errors import Error

if TYPE_CHECKING:
    import wasmtime

# Name of the C API's setter (wasmtime_config_NAME_set), value.
SETTINGS: Final[tuple[tuple[str, int], ...]] = (
    ("wasm_threads", 0),
    ("shared_memory", 0),
    ("wasm_tail_call", 1),
    ("wasm_reference_types", 1),
    ("wasm_function_references", 0),
    ("wasm_gc", 0),
    ("gc_support", 0),
    ("wasm_simd", 1),
    ("wasm_relaxed_simd", 1),  # truncation to integers as the processor does it
    ("wasm_bulk_memory", 1),
    ("wasm_multi_value", 1),
    ("wasm_multi_memory", 1),
    ("wasm_memory64", 0),
    ("wasm_wide_arithmetic", 1),  # 64 x 64 -> 128 bits of lifted programs
    ("wasm_exceptions", 0),
    ("wasm_component_model", 0),
    ("concurrency_support", 0),
    ("consume_fuel", 0),
    ("epoch_interruption", 0),  # 14 to 27 % slower; a runaway guest dies by SIGKILL
    ("debug_info", 0),
    ("native_unwind_info", 0),
    ("signals_based_traps", 1),
    ("memory_init_cow", 1),
    ("memory_may_move", 0),
    ("memory_reservation", 1 << 32),
    ("memory_guard_size", 1 << 25),
    ("memory_reservation_for_growth", 0),
    ("async_stack_size", 5 << 20),  # unused; must not be less than the next
    ("max_wasm_stack", 4 << 20),  # of the 8 MiB that Linux gives a main thread
    ("cranelift_nan_canonicalization", 0),  # a NaN is the processor's, and floats are 2.6 to 3 times as fast
    ("cranelift_opt_level", 1),  # speed
)
# Target of the manifest: wasmtime's triple, and the CPU features beyond the least that the loader asks for as well.
TARGETS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "x86_64-linux": (
        "x86_64-unknown-linux-gnu",
        ("has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt", "has_cmpxchg16b"),
    ),
    "aarch64-linux": ("aarch64-unknown-linux-gnu", ()),
}
# Sections of an artifact that only profilers and backtraces read: a fifth of it.
UNUSED: Final = frozenset((b".wasmtime.addrmap", b".symtab", b".strtab"))
_HEADER: Final = struct.Struct("<16s2HI3QI6H")  # Elf64_Ehdr
_SECTION: Final = struct.Struct("<2I4Q2I2Q")  # Elf64_Shdr


def engine() -> str:
    """The manifest's `engine`: name and version of what compiles, and must run, the artifact."""
    return f"wasmtime-{version('wasmtime')}"


def settings(target: str) -> str:
    """The manifest's `settings`: every setting and CPU feature, in the order of the tables. Raises Error (E_USAGE)."""
    _, features = _target(target)
    return " ".join([*(f"{name}={value}" for name, value in SETTINGS), *features])


def artifact_row(target: str, data: bytes) -> dict[str, Any]:
    """The manifest's row of `aot` for an artifact that was made here and now."""
    made = {"engine": engine(), "settings": settings(target)}
    return {"target": target, **made, "blake3": blake3(data).hexdigest(), "size": len(data)}


def header() -> str:
    """The settings as the C header that csrc/engine/wasmtime/config.c includes."""
    rows = " \\\n".join(f"    X({name}, {value})" for name, value in SETTINGS)
    texts = "".join(f'#define RC_AOT_{t.split("-")[0].upper()} "{engine()} {settings(t)}"\n' for t in TARGETS)
    return (
        f"/* Written by csrc/build.py from tools/recompiler/aot.py. */\n#define RC_AOT_SETTINGS(X) \\\n{rows}\n{texts}"
    )


def compile_module(wasm: bytes, target: str) -> bytes:
    """The artifact of a module for one target.

    Raises Error: E_USAGE (no such target), E_COMPILER (this wheel has no code generator for it), E_WASM_INVALID.
    """
    import wasmtime

    triple, features = _target(target)
    if target.split("-")[0] != platform.machine():  # asked for another, the library ends the process
        raise Error("E_COMPILER", f"wasmtime's wheel compiles for its own machine only: make {target} on one of these")
    config = _config()
    config.target = triple
    for feature in features:
        config.cranelift_flag_enable(feature)
    try:
        return stripped(bytes(wasmtime.Module(wasmtime.Engine(config), wasm).serialize()))
    except wasmtime.WasmtimeError as error:
        raise _invalid(error) from error


def stripped(artifact: bytes) -> bytes:
    """An artifact (an ELF file of sections alone) without those that nothing here reads."""
    header = list(_HEADER.unpack_from(artifact))
    begin, count, names = header[6], header[12], header[13]
    sections = [list(_SECTION.unpack_from(artifact, begin + n * _SECTION.size)) for n in range(count)]
    text = artifact[sections[names][4] :]
    name = [text[section[0] : text.index(b"\0", section[0])] for section in sections]
    kept = [n for n in range(count) if name[n] not in UNUSED]
    out = bytearray(artifact[: _HEADER.size])
    for n in kept[1:]:
        offset, size, align = sections[n][4], sections[n][5], sections[n][8]
        out += bytes(-len(out) % max(align, 1))
        sections[n][4] = len(out)
        out += artifact[offset : offset + size]
    out += bytes(-len(out) % 8)
    header[6], header[12], header[13] = len(out), len(kept), kept.index(names)
    out[: _HEADER.size] = _HEADER.pack(*header)
    return bytes(out) + b"".join(_SECTION.pack(*sections[n]) for n in kept)


def validate(wasm: bytes) -> None:
    """Says whether compile_module would take a module, on any target. Raises Error E_WASM_INVALID."""
    import wasmtime

    try:
        wasmtime.Module.validate(wasmtime.Engine(_config()), wasm)
    except wasmtime.WasmtimeError as error:
        raise _invalid(error) from error


def _config() -> wasmtime.Config:
    import wasmtime  # 40 ms: only what makes artifacts pays for it
    from wasmtime import _ffi as ffi

    config = wasmtime.Config()
    for name, value in SETTINGS:
        getattr(ffi, f"wasmtime_config_{name}_set")(config.ptr(), value)
    return config


def _invalid(error: Exception) -> Error:
    reason = ascii(str(error).splitlines()[0] if str(error) else "")[1:-1]
    return Error("E_WASM_INVALID", f"wasmtime refuses the module: {reason[:160]}")


def _target(target: str) -> tuple[str, tuple[str, ...]]:
    if target not in TARGETS:
        raise Error("E_USAGE", f"no target {target!r}; there are: {', '.join(TARGETS)}")
    return TARGETS[target]
