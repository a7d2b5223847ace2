"""Making files with a trailer: stub, module, manifest and perhaps AOT code in, one file out, signed or not yet.

What is signed was read once and checked in full first: the module by wasmtime's validator and by the walk that the stub
will repeat, the manifest against the statement, the stub against its own extent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from recompiler.errors import Error
from recompiler.format import elf, files, manifest, records, trailer, wasm
from recompiler.format.source import FileSource, digest
from recompiler.format.trailer import AOT, DETACHED, EXECUTABLE, MANIFEST, SECTION_LIMITS, STUB, WASM, Statement


@dataclass(frozen=True, slots=True)
class Claims:
    """What the signer says in the statement, apart from the sections."""

    signed_at: int
    expires_at: int = 0
    security_version: int = 0
    signers: int = 1


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of the sections; without a stub the trailer is detached (kind 2)."""

    wasm: Path
    manifest: Path
    stub: Path | None = None
    aot: Path | None = None

    def paths(self) -> list[Path]:
        """All that are given."""
        return [path for path in (self.stub, self.wasm, self.manifest, self.aot) if path is not None]


@dataclass(slots=True)
class _Part:
    """One section's content: in memory, or (AOT) in a file too large for it."""

    type: int
    size: int
    digest: bytes
    data: bytes = b""
    fd: int | None = None

    def chunks(self) -> Iterator[bytes]:
        if self.fd is None:
            yield self.data
            return
        hasher = blake3(max_threads=blake3.AUTO)
        for chunk in files.chunks(self.fd, self.size):
            hasher.update(chunk)
            yield chunk
        if hasher.digest() != self.digest:
            raise Error("E_CHANGED", "the AOT file changed while it was copied")


def append(
    inputs: Inputs, output: str | os.PathLike[str], claims: Claims, seeds: Sequence[bytes] = (), *, force: bool = False
) -> Statement:
    """Makes the file and signs it with each private seed; without seeds it is recognised but unsigned.

    Raises Error: E_OUTPUT, E_USAGE (as many seeds as signers, or none), the reader's codes for inputs that would be
    refused later, E_WASM_INVALID, E_ENGINE_*.
    """
    if seeds and len(seeds) != claims.signers:
        raise Error("E_USAGE", f"{len(seeds)} keys for {claims.signers} signers: a file has all its signatures or none")
    parts = _read_parts(inputs)
    try:
        statement = _state(inputs, parts, claims)
        signed = [records.sign(seed, statement.raw) for seed in seeds]
        if len({record.key_id for record in signed}) != len(signed):
            raise Error("E_USAGE", "the same key is given twice")
        mode = 0o644 if inputs.stub is None else 0o755
        content = _file(statement, parts, signed)
        files.write_file(output, content, mode=mode, force=force, inputs=inputs.paths())
    finally:
        for part in parts:
            if part.fd is not None:
                os.close(part.fd)
    return statement


def _read_parts(inputs: Inputs) -> list[_Part]:
    executable = inputs.stub is not None
    parts = []
    if inputs.stub is not None:
        stub = _small(STUB, inputs.stub)
        elf.check(stub.data)
        elf.check_extent(stub.data)
        parts.append(stub)
    module = _small(WASM, inputs.wasm)
    wasm.check(module.data, executable=executable)
    wasm.validate(module.data)
    if executable:
        _check_engine(module.data)
    parts += [module, _small(MANIFEST, inputs.manifest)]
    if inputs.aot is not None:
        fd, size = files.open_regular(inputs.aot, SECTION_LIMITS[AOT])
        parts.append(_Part(AOT, size, digest(FileSource(fd), 0, size), fd=fd))
    return parts


def _check_engine(module: bytes) -> None:
    try:
        from recompiler import native
    except ImportError as e:
        raise Error("E_INTERNAL", str(e)) from None
    native.wasm_check_engine(module)


def _small(type_: int, path: Path) -> _Part:
    data = files.read_file(path, SECTION_LIMITS[type_])
    return _Part(type_, len(data), blake3(data, max_threads=blake3.AUTO).digest(), data)


def _state(inputs: Inputs, parts: Sequence[_Part], claims: Claims) -> Statement:
    kind = DETACHED if inputs.stub is None else EXECUTABLE
    text = next(part.data for part in parts if part.type == MANIFEST)
    statement = trailer.build_statement(
        kind=kind,
        subject=manifest.parse(text).name,
        sections=trailer.lay_out(kind, [(part.type, part.size, part.digest) for part in parts]),
        signed_at=claims.signed_at,
        expires_at=claims.expires_at,
        security_version=claims.security_version,
        signer_count=claims.signers,
    )
    manifest.parse(text, statement)
    return statement


def _file(statement: Statement, parts: Sequence[_Part], signed: Sequence[records.Record]) -> Iterator[bytes]:
    end = 0
    if statement.kind == EXECUTABLE:
        for part in parts:
            yield from part.chunks()
            end += part.size
            padding = trailer.align16(end) - end
            yield bytes(padding)
            end += padding
    yield statement.raw + records.build(signed) + trailer.build_footer(len(signed), end)
