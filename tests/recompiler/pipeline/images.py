"""Small wasm programs, an image of them in every format, and a build in this process."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import wasmtime

from recompiler.format.manifest import Manifest, parse
from recompiler.pipeline.build import Order, build
from recompiler.signing.append import Claims
from tests import image_writer as w

MOMENT = 1790000000


def wat(body: str, memory: str = '(memory (export "memory") 1)', start: str = "_start", more: str = "") -> bytes:
    """A module with one function that has this body, and proc_exit as $exit."""
    imports = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'
    return bytes(wasmtime.wat2wasm(f'(module {imports} {more} {memory} (func (export "{start}") {body}))'))


def program(status: int) -> bytes:
    """A WASI command that exits with this status."""
    return wat(f"(call $exit (i32.const {status}))")


ONE, TWO, THREE = program(1), program(2), program(3)

BASE = w.tar(
    w.directory("bin"),
    w.directory("tmp", 0o1777),
    w.directory("root", 0o700),
    w.file("bin/one", ONE, 0o755),
    w.file("bin/old", THREE, 0o755),
    w.file("bin/two", b"replaced", 0o755),
    w.file("etc/conf", b"a = 1\n", 0o640),
)
TOP = w.tar(
    w.whiteout("bin/old"),
    w.file("bin/two", TWO, 0o4755),
    w.hard_link("bin/deux", "bin/two"),
    w.symlink("bin/sh", "/bin/one"),
    w.file("usr/bin/hello", b"#!/bin/sh -x y\n", 0o755),
    w.file("usr/bin/nested", b"#!/usr/bin/env hello\n", 0o755),
    w.file("bin/native", w.elf(), 0o755),
)
ENV = {"config": {"Env": ["PATH=/bin:/usr/bin"]}}


def layout(folder: Path, *layers: bytes, **more: Any) -> str:
    """An OCI layout of these layers, of BASE and TOP if none is given."""
    made = w.Layout()
    made.image(layers or (BASE, TOP), config=more.pop("config", ENV), **more)
    return str(made.write(folder))


def order(image: str | Path, folder: Path, **more: Any) -> Order:
    """A build without an artifact, unsigned."""
    return Order(
        **{"name": "test/image", "target": None, "claims": Claims(MOMENT), **more}, image=str(image), folder=folder
    )


def built(image: str | Path, folder: Path, **more: Any) -> Manifest:
    """The manifest of what was built of an image in folder."""
    return parse(build(order(image, folder, **more)).manifest)


def built_of(folder: Path, *entries: bytes, **more: Any) -> Manifest:
    """The same of a layout with one layer of these entries; the bundle is folder/bundle."""
    return built(layout(folder / "image", w.tar(*entries), **more), folder / "bundle")


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All that is below a directory: mode, and contents or target."""
    found: dict[str, tuple[int, bytes]] = {}
    for place, directories, files in os.walk(os.fsencode(folder)):
        for name in directories + files:
            path = os.path.join(place, name)
            status = os.lstat(path)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(folder)))
            if stat.S_ISLNK(status.st_mode):
                found[key] = (0, os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                found[key] = (stat.S_IMODE(status.st_mode), Path(os.fsdecode(path)).read_bytes())
            else:
                found[key] = (stat.S_IMODE(status.st_mode), b"")
    return found
