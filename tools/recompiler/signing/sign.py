"""Signing what append left unsigned: the statement out to a KMS, its signature back in; or both with a key at hand.

Nothing is handed out or signed before its sections have been read and fit the statement.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from recompiler.errors import Error
from recompiler.format import ed25519, files, records, trailer
from recompiler.format.keyid import key_id
from recompiler.format.records import Record
from recompiler.format.source import FileSource
from recompiler.format.trailer import Footer, Statement
from recompiler.format.verify import check_content

StrPath = str | os.PathLike[str]


def statement(path: StrPath, section_fds: Mapping[int, int] | None = None) -> Statement:
    """The statement of a file, signed or not, whose sections fit it (stages 1 to 3, 7 and 8).

    Raises Error: the codes of these stages.
    """
    fd, _ = files.open_regular(path)
    try:
        return _read(fd, section_fds)[1]
    finally:
        os.close(fd)


def attach(
    path: StrPath,
    signatures: Iterable[tuple[bytes, bytes]],
    output: StrPath | None = None,
    *,
    force: bool = False,
    section_fds: Mapping[int, int] | None = None,
) -> Statement:
    """Adds (public key, signature) pairs to an unsigned file, in its place or to output.

    Raises Error: E_SIG_INVALID (a signature of something else), E_USAGE (signed already, or not as many signatures as
    the statement has signers), E_OUTPUT, and the codes of statement().
    """
    pairs = list(signatures)

    def sign_all(raw: bytes) -> list[Record]:
        for public, signature in pairs:
            if not ed25519.verify(public, signature, raw):
                raise Error("E_SIG_INVALID", f"key {key_id(public).hex()[:16]} did not sign this statement")
        return [Record(key_id(public), signature) for public, signature in pairs]

    return _add(path, sign_all, output, force, section_fds)


def sign(
    path: StrPath,
    seeds: Sequence[bytes],
    output: StrPath | None = None,
    *,
    force: bool = False,
    section_fds: Mapping[int, int] | None = None,
) -> Statement:
    """Signs an unsigned file with each private seed, in its place or to output. Raises Error as attach."""
    return _add(path, lambda raw: [records.sign(seed, raw) for seed in seeds], output, force, section_fds)


def _add(
    path: StrPath,
    sign_all: Callable[[bytes], list[Record]],
    output: StrPath | None,
    force: bool,
    section_fds: Mapping[int, int] | None,
) -> Statement:
    fd, _ = files.open_regular(path)
    try:
        footer, found = _read(fd, section_fds)
        if footer.sig_count:
            raise Error("E_USAGE", f"{os.fspath(path)} is signed already; a new statement is made by append")
        added = sign_all(found.raw)
        if len(added) != found.signer_count:
            raise Error("E_USAGE", f"{len(added)} signatures, the statement asks for {found.signer_count} at once")
        if len({record.key_id for record in added}) != len(added):
            raise Error("E_USAGE", "the same key is given twice")
        mode = stat.S_IMODE(os.fstat(fd).st_mode) & 0o777
        content = _signed_file(fd, footer, added)
        if output is None:
            files.write_file(path, content, mode=mode, force=True)
        else:
            files.write_file(output, content, mode=mode, force=force, inputs=[path])
        return found
    finally:
        os.close(fd)


def _read(fd: int, section_fds: Mapping[int, int] | None) -> tuple[Footer, Statement]:
    source = FileSource(fd)
    if source.size < trailer.MIN_FILE:
        raise Error("E_TOO_SMALL", f"the file has {source.size} bytes, a trailer needs more", 0)
    footer, found = trailer.parse(source)
    check_content(source, found, {type_: partial(FileSource, f) for type_, f in (section_fds or {}).items()})
    return footer, found


def _signed_file(fd: int, footer: Footer, added: list[Record]) -> Iterator[bytes]:
    source = FileSource(fd)
    yield from files.chunks(fd, footer.statement_off + trailer.STATEMENT_SIZE)
    source.check_unchanged()
    yield records.build(added) + trailer.build_footer(len(added), footer.statement_off)
