"""In: a bundle directory and a key store. Out: what two readers verified of it, and exactly those bytes to load.

    1 bundle.sig over container.wasm, manifest.json and the artifact, by docs/format.md: signature, rollback, digests
    2 the artifact that was signed is this machine's: target, engine, settings
    3 a copy of it that nobody can change has the signed digest

Nothing of the bundle is believed, mapped or started before that.
"""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recompiler import aot, memfd
from recompiler.both import verify_both
from recompiler.errors import Error
from recompiler.format import bundle
from recompiler.format.keystore import DEFAULT_PATH, KeyStore
from recompiler.format.source import FileSource, digest
from recompiler.format.trailer import AOT, DETACHED, Section
from recompiler.format.verify import Verified


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. artifact is a sealed memfd that this object owns; settings are what LOAD must say."""

    folder: Path
    verified: Verified
    artifact: int
    size: int
    digest: bytes
    settings: str

    @property
    def rootfs(self) -> Path | None:
        """The image's files, if the bundle has any."""
        path = self.folder / bundle.ROOTFS
        return path if path.is_dir() else None

    def close(self) -> None:
        """Releases the artifact."""
        os.close(self.artifact)


def is_bundle(path: Path) -> bool:
    """Whether the path is a directory that says it is a bundle."""
    return path.is_dir() and (path / bundle.SIGNATURE).exists()


def open_bundle(
    folder: Path, store: KeyStore | Path | None = None, *, default_store: bool | None = None, now: int | None = None
) -> Bundle:
    """Verifies a bundle with both readers; store None is the default one.

    Raises Error: every code of docs/format.md; E_AOT_MISSING, E_AOT_FOREIGN: what `recompiler compile` makes.
    """
    by_default = store is None if default_store is None else default_store
    signature = folder / bundle.SIGNATURE
    with bundle.open_sections(signature, {}) as fds:
        verified = _verify(signature, store or Path(DEFAULT_PATH), by_default, now, fds)
        if verified.statement.kind != DETACHED:
            raise Error("E_KIND", f"{signature} is not a detached trailer")
        section, settings = _ours(folder, verified)
        artifact = _copy(fds[AOT], section)
    return Bundle(folder, verified, artifact, section.size, section.blake3, settings)


def _verify(
    signature: Path, store: KeyStore | Path, default_store: bool, now: int | None, fds: Mapping[int, int]
) -> Verified:
    try:
        return verify_both(signature, store, default_store=default_store, now=now, section_fds=fds)
    except Error as error:
        if error.code == "E_OPEN" and AOT not in fds and "section AOT" in error.message:
            raise _missing(signature.parent, "its AOT artifact is not there") from error
        raise


def _ours(folder: Path, verified: Verified) -> tuple[Section, str]:
    """The signed artifact's section, and its engine and settings, which are this machine's."""
    section = verified.statement.section(AOT)
    if section is None:
        raise _missing(folder, "it was signed without an AOT artifact")
    target = f"{platform.machine()}-linux"
    wanted = {"target": target, "engine": aot.engine(), "settings": aot.settings(target)}
    rows = [
        row
        for row in verified.manifest.document["aot"]
        if (row["blake3"], row["size"]) == (section.blake3.hex(), section.size)
    ]
    if not any(all(row[name] == value for name, value in wanted.items()) for row in rows):
        name = next(name for name, value in wanted.items() if rows[0][name] != value)
        found, ours = _difference(rows[0][name], wanted[name])
        raise Error(
            "E_AOT_FOREIGN",
            f"{folder}: the signed artifact's {name} has {found!a}, this machine's has {ours!a}: "
            f"`recompiler compile {folder}` makes one for it, and the bundle has to be signed again",
        )
    return section, f"{wanted['engine']} {wanted['settings']}"


def _difference(found: str, ours: str) -> tuple[str, str]:
    """The first word that differs."""
    pairs = itertools.zip_longest(found.split(" "), ours.split(" "), fillvalue="")
    return next(((one[:64], other) for one, other in pairs if one != other), (found[:64], ours))


def _missing(folder: Path, why: str) -> Error:
    return Error("E_AOT_MISSING", f"{folder}: {why}: `recompiler compile {folder}` makes it, then sign the bundle")


def _copy(fd: int, section: Section) -> int:
    copy = memfd.sealed_copy(fd, section.size, "aot")
    if digest(FileSource(copy), 0, section.size) != section.blake3:
        os.close(copy)
        raise Error("E_DIGEST", "the AOT artifact changed after it was verified")
    return copy
