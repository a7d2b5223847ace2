"""In: C compiler arguments (or one WAT file). Out: a wasm32-wasi module that wasm3 and wasmtime both accept.

The compiler is ziglang's clang. wasm3 0.5.0 has no reference types and no SIMD, so the target's defaults are narrowed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from recompiler import native
from recompiler.errors import Error
from recompiler.format import wasm

TARGET = ("-target", "wasm32-wasi", "-mcpu=generic-reference_types-call_indirect_overlong")
INCLUDE = Path(__file__).parent / "include"
# Where a flag is absent, its default: (prefixes that count as given, flag).
DEFAULTS = ((("-O",), "-O2"), (("-g", "-s"), "-s"))
# Flags after which the compiler does not link.
NO_LINK = frozenset({"-c", "-S", "-E", "-M", "-MM", "--version", "-v", "--help", "-print-file-name", "-dumpmachine"})
# Data and stack share the first pages; a small stack keeps an idle guest small.
LINK = ("-Wl,-z,stack-size=65536",)


def command(arguments: Sequence[str]) -> list[str]:
    """The full compiler command line for these user arguments."""
    defaults = [flag for prefixes, flag in DEFAULTS if not any(a.startswith(prefixes) for a in arguments)]
    link = [] if NO_LINK.intersection(arguments) else LINK
    return [sys.executable, "-m", "ziglang", "cc", *TARGET, f"-I{INCLUDE}", *defaults, *link, *arguments]


def output_of(arguments: Sequence[str]) -> Path | None:
    """The module these arguments link, or None when they do not link."""
    if NO_LINK.intersection(arguments) or not arguments:
        return None
    for position, argument in enumerate(arguments):
        if argument == "-o" and position + 1 < len(arguments):
            return Path(arguments[position + 1])
        if argument.startswith("-o") and len(argument) > 2:
            return Path(argument[2:])
    return Path("a.out")


def _compile(arguments: Sequence[str]) -> int:
    try:
        return subprocess.run(command(arguments), check=False).returncode
    except OSError as error:
        raise Error("E_COMPILER", f"the compiler cannot be started: {error.strerror}") from error


def _assemble(source: Path, module: Path) -> int:
    from wasmtime import WasmtimeError, wat2wasm

    try:
        module.write_bytes(wat2wasm(source.read_text()))
    except OSError as error:
        raise Error("E_COMPILER", f"{error.filename}: {error.strerror}") from error
    except (UnicodeDecodeError, WasmtimeError) as error:
        raise Error("E_COMPILER", f"{source}: {error}") from error
    return 0


def compile_c(arguments: Sequence[str]) -> int:
    """Runs the compiler and, when it linked a module, checks it as `recompiler append` will; returns the exit status.

    Raises Error (E_COMPILER, E_WASM_*, E_ENGINE_*); a module that fails its check is removed.
    """
    module = output_of(arguments)
    if module is not None and arguments[0].endswith(".wat"):
        status = _assemble(Path(arguments[0]), module)
    else:
        status = _compile(arguments)
    if status != 0 or module is None:
        return status
    try:
        data = module.read_bytes()
        wasm.check(data)
        native.wasm_check_engine(data)
    except Error:
        module.unlink(missing_ok=True)
        raise
    # Executable by itself it is not: only inside a signed file.
    module.chmod(module.stat().st_mode & ~0o111)
    return 0
