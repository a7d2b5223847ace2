"""In: layers as lists of entries. Out: OCI layouts and docker archives, byte for byte reproducible, and broken ones.

Headers are written here with bytes alone, so that a test can write what no tar library would.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from recompiler.errors import Error
from recompiler.image.read import read_image

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def header(
    name: bytes,
    size: int | bytes = 0,
    kind: bytes = b"0",
    mode: int = 0o644,
    target: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """One ustar header of 512 bytes; size as bytes is the field as it stands, checksum None the right one."""
    size_field = b"%011o\0" % size if isinstance(size, int) else size
    head = name.ljust(100, b"\0") + b"%07o\0" % mode + b"0000000\0" * 2 + size_field + b"%011o\0" % 0
    tail = kind + target.ljust(100, b"\0") + b"ustar\00000".ljust(255, b"\0")
    return head + (checksum or b"%06o\0 " % (sum(head) + 8 * 32 + sum(tail))) + tail


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def file(name: str, data: bytes = b"", mode: int = 0o644) -> bytes:
    return long(path=name) + header(name.encode()[:100], len(data), mode=mode) + padded(data)


def directory(name: str, mode: int = 0o755) -> bytes:
    return header(name.encode() + b"/", kind=b"5", mode=mode)


def symlink(name: str, target: str) -> bytes:
    return long(linkpath=target) + header(name.encode(), kind=b"2", mode=0o777, target=target.encode()[:100])


def hard_link(name: str, target: str) -> bytes:
    return header(name.encode(), kind=b"1", target=target.encode())


def whiteout(name: str) -> bytes:
    head, _, last = name.rpartition("/")
    return file(f"{head}/.wh.{last}" if head else f".wh.{last}")


def opaque(name: str) -> bytes:
    return file(f"{name}/.wh..wh..opq")


def pax(records: dict[str, bytes], kind: bytes = b"x") -> bytes:
    """An extension header; LENGTH of a record counts itself."""
    data = b""
    for key, value in records.items():
        body = b" " + key.encode() + b"=" + value + b"\n"
        length = len(body) + 1
        while len(b"%d" % length) + len(body) != length:
            length += 1
        data += b"%d" % length + body
    return header(b"pax", len(data), kind) + padded(data)


def long(**names: str) -> bytes:
    """The extension header for what has no room in the other."""
    found = {key: name.encode() for key, name in names.items() if len(name.encode()) > 100}
    return pax(found) if found else b""


def tar(*entries: bytes) -> bytes:
    return b"".join(entries) + bytes(1024)


def compress(data: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(data, mtime=0)
    if how == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    return data


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def document(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


@dataclass
class Layout:
    """An OCI layout in memory. Change any part before write or archive to break it."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    index: dict[str, Any] = field(default_factory=lambda: {"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    version: bytes = b'{"imageLayoutVersion":"1.0.0"}'

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Stores data; gives its descriptor."""
        self.blobs[sha256(data)] = data
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    def image(
        self,
        layers: Sequence[bytes],
        compression: str = "gzip",
        architecture: str = "amd64",
        tag: str | None = None,
        config: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Adds an image to the index; config and manifest override members of the documents. Gives its row."""
        suffix = "" if compression == "none" else f"+{compression}"
        rows = [self.blob(compress(layer, compression), LAYER + suffix) for layer in layers]
        diff_ids = [sha256(layer) for layer in layers]
        config_value: dict[str, Any] = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        config_row = self.blob(document(config_value | (config or {})), CONFIG)
        value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config_row, "layers": rows}
        row = self.blob(document(value | (manifest or {})), MANIFEST)
        row["platform"] = {"os": "linux", "architecture": architecture}
        if tag:
            row["annotations"] = {"org.opencontainers.image.ref.name": tag}
        self.index["manifests"].append(row)
        return row

    def files(self) -> dict[str, bytes]:
        parts = {"oci-layout": self.version, "index.json": document(self.index)}
        return parts | {"blobs/" + digest.replace(":", "/"): data for digest, data in self.blobs.items()}

    def write(self, folder: Path) -> Path:
        for name, data in self.files().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    def archive(self, path: Path) -> Path:
        path.write_bytes(tar(*(file(name, data) for name, data in sorted(self.files().items()))))
        return path


def docker_archive(layers: Sequence[bytes], tags: Sequence[str] = ("demo:1",), **replace: bytes) -> bytes:
    """What docker save wrote before version 25. replace: other contents for members, by name with `.` as `_`."""
    config = document(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
        }
    )
    name = sha256(config).removeprefix("sha256:") + ".json"
    names = [f"{i:064x}/layer.tar" for i in range(len(layers))]
    manifest = document([{"Config": name, "RepoTags": list(tags), "Layers": names}])
    members = [file(n, layer) for n, layer in zip(names, layers, strict=True)]
    members.append(file(name, replace.get("config", config)))
    members.append(file("manifest.json", replace.get("manifest_json", manifest)))
    return tar(*members)


def elf(
    kind: int = 2,
    machine: int = 62,
    interpreter: bytes | None = None,
    dynamic: Sequence[tuple[int, int]] | None = None,
    tail: bytes = b"",
    gap: int = 0,
) -> bytes:
    """An ELF64 with just the program headers that say what it is; gap puts their contents further back."""
    parts = [(3, interpreter + b"\0")] if interpreter is not None else []
    if dynamic is not None:
        parts.append((2, b"".join(struct.pack("<QQ", *pair) for pair in [*dynamic, (0, 0)])))
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = ident + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, len(parts), 0, 0, 0)
    offset = 64 + 56 * len(parts) + gap
    rows, body = b"", bytes(gap)
    for type_, data in parts:
        rows += struct.pack("<IIQQQQQQ", type_, 4, offset, offset, offset, len(data), len(data), 1)
        body += data
        offset += len(data)
    return head + rows + body + tail


def refuse(path: Path, why: str, code: str = "E_IMAGE", **options: str) -> None:
    """Reads the image; holds that it is refused with this code, and a message of printable ASCII that matches `why`."""
    with pytest.raises(Error, match=why) as caught:
        read_image(str(path), **options)
    assert caught.value.code == code
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
