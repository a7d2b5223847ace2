"""Signed bundles for tests: programs in, a bundle directory out, made with the parts of the build."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from recompiler import aot
from recompiler.format import bundle, manifest, strictjson
from recompiler.merge.merger import merge
from recompiler.pipeline import inert
from recompiler.signing.append import Claims, Inputs, append
from recompiler.signing.keyfile import read_private
from tests.testbed import Signer
from vkernel_proto.engine.zygote import ENGINE
from vkernel_proto.stub.syscalls import TABLE

TARGET = f"{platform.machine()}-linux"
EVERYTHING = tuple(sorted(row.name for row in TABLE))
BUILT = ENGINE.exists()  # an engine for this machine


@dataclass(frozen=True)
class TestBundle:
    """A bundle directory. hash: of each program's or script's file in rootfs, by its path."""

    __test__ = False

    folder: Path
    signer: Signer
    hash: Mapping[str, str]

    @property
    def rootfs(self) -> Path:
        return self.folder / bundle.ROOTFS

    def sign(self, security_version: int = 0, aot_file: str | None = bundle.artifact_name(TARGET)) -> None:
        """Signs what lies in the directory now."""
        aot_path = self.folder / aot_file if aot_file else None
        inputs = Inputs(self.folder / bundle.MODULE, self.folder / "manifest.json", None, aot_path)
        claims = Claims(signed_at=int(time.time()), security_version=security_version)
        append(inputs, self.folder / bundle.SIGNATURE, claims, [read_private(self.signer.key)], force=True)


def make_bundle(
    folder: Path,
    signer: Signer,
    programs: Mapping[str, bytes],
    scripts: Mapping[str, tuple[str, str]] | None = None,
    *,
    name: str = "test/bundle",
    security_version: int = 0,
    allow: tuple[str, ...] = EVERYTHING,
    cached: Mapping[bytes, bytes] | None = None,
    **limits: Any,
) -> TestBundle:
    """Makes and signs a bundle: programs by path, scripts as path -> (text, path of the interpreter).

    cached: wasm -> cwasm that was compiled before; limits: memory_bytes, processes, open_files, connect, bind.
    """
    rootfs = folder / bundle.ROOTFS
    merged = merge([(path.rpartition("/")[2], data) for path, data in programs.items()])
    artifact = (cached or {}).get(merged.data) or aot.compile_module(merged.data, TARGET)
    entries, hashes = {}, {}
    for path, data in programs.items():
        row = merged.entries[blake3(data).hexdigest()]
        original = blake3(data).hexdigest()
        hashes[path] = inert.digest(original)
        entries[hashes[path]] = {**row, "paths": [path], "original": original}
        _write(rootfs, path, inert.make(original))
    for path, (text, interpreter) in (scripts or {}).items():
        hashes[path] = blake3(text.encode()).hexdigest()
        row = {**entries[hashes[interpreter]], "kind": "script", "paths": [path], "interpreter": hashes[interpreter]}
        row.pop("original", None)
        entries[hashes[path]] = row
        _write(rootfs, path, text.encode())
    document = strictjson.loads(
        manifest.build(merged.data, name=name, allow=allow, **limits), max_depth=16, code="E_INTERNAL"
    )
    document["entries"] = entries
    document["aot"] = [aot.artifact_row(TARGET, artifact)]
    (folder / bundle.MODULE).write_bytes(merged.data)
    (folder / "manifest.json").write_bytes(strictjson.dumps(document))
    (folder / bundle.artifact_name(TARGET)).write_bytes(artifact)
    made = TestBundle(folder, signer, hashes)
    made.sign(security_version)
    return made


def _write(rootfs: Path, path: str, data: bytes) -> None:
    file = rootfs / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(0o755)
