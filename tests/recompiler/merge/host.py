"""Modules in, what programs do under wasmtime's own WASI out: standard output and error, status, files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import wasmtime

from recompiler.format.wasm import PREAMBLE
from recompiler.merge.dispatch import EXPORT
from recompiler.wasm import leb, writer
from recompiler.wasm.leb import Cursor
from recompiler.wasm.model import MEMORY
from recompiler.wasm.reader import read

EXPORTS = 7


@dataclass(frozen=True)
class Outcome:
    """Everything of a run that a user can see."""

    status: int | str
    stdout: bytes
    stderr: bytes
    files: dict[str, bytes | None]


def showing(data: bytes, number: int) -> bytes:
    """The merged module with `_dispatch`, and the memory of program number as `memory`: where wasmtime's WASI looks."""
    module = read(data)
    rows = [each for each in module.exports if each.name == EXPORT]
    memory = module.exported(b"memory.%d" % number, MEMORY)
    items = [writer.name(each.name) + bytes((each.kind,)) + leb.u32(each.index) for each in rows]
    if memory is not None:
        items.append(writer.name(b"memory") + bytes((MEMORY,)) + leb.u32(memory))
    out, cursor = [PREAMBLE], Cursor(data, len(PREAMBLE), len(data))
    while cursor.at < cursor.end:
        id_ = cursor.byte()
        body = cursor.take(cursor.u32())
        out.append(writer.section(id_, writer.vector(items) if id_ == EXPORTS else body))
    return b"".join(out)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below folder with its bytes, every directory with None."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def run(
    module: wasmtime.Module,
    engine: wasmtime.Engine,
    export: str,
    arguments: Sequence[int],
    argv: Sequence[str],
    stdin: bytes,
    files: dict[str, bytes],
) -> Outcome:
    """Calls an export of a new instance, in a directory of its own that holds the files."""
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        folder = outside / "files"
        folder.mkdir()
        (outside / "stdin").write_bytes(stdin)
        for path, contents in files.items():
            (folder / path).write_bytes(contents)
        wasi = wasmtime.WasiConfig()
        wasi.argv = list(argv)
        wasi.env = [("HOME", "/")]
        wasi.preopen_dir(str(folder), "/")
        wasi.stdin_file = str(outside / "stdin")
        wasi.stdout_file = str(outside / "stdout")
        wasi.stderr_file = str(outside / "stderr")
        store = wasmtime.Store(engine)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        status: int | str
        try:
            function = linker.instantiate(store, module).exports(store)[export]
            assert isinstance(function, wasmtime.Func)
            status = function(store, *arguments) or 0
        except wasmtime.ExitTrap as e:
            status = e.code
        except wasmtime.Trap as e:
            status = str(e.trap_code)
        del store
        return Outcome(status, (outside / "stdout").read_bytes(), (outside / "stderr").read_bytes(), tree(folder))
