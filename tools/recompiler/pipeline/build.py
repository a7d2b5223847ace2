"""In: an image, and what its programs may do. Out: a bundle directory, whole or not at all.

    1 read     layers or directory -> tree, every file kept
    2 scan     programs, scripts, what is left out
    3 merge    container.wasm
    4 compile  container.TARGET.cwasm
    5 write    manifest, rootfs
    6 sign     bundle.sig
    7 publish  a rename; into a directory that exists, file by file and bundle.sig last

Everything before 7 is made in a directory beside the output.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recompiler import aot
from recompiler.errors import Error
from recompiler.format import bundle, files, manifest
from recompiler.format.trailer import SECTION_LIMITS, WASM, Statement
from recompiler.image.read import read_tree
from recompiler.image.tree import where
from recompiler.merge.merger import merge
from recompiler.pipeline import entries, publish, rootfs
from recompiler.pipeline.contents import Objects
from recompiler.pipeline.scan import Scan, scan, search_path
from recompiler.signing.append import Claims, Inputs, append

NAMED = 5  # left-out files that an error names


@dataclass(frozen=True, slots=True)
class Order:
    """What to build. terms are the arguments of manifest.build that say what the programs may do."""

    image: str
    folder: Path
    name: str
    target: str | None  # None: no artifact
    claims: Claims
    manifest: str = bundle.MANIFESTS[0]
    platform: str | None = None
    tag: str | None = None
    terms: dict[str, Any] = field(default_factory=dict)
    seeds: Sequence[bytes] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """What was built. left_out: devices and FIFOs that rootfs does not have; figures: the merger's."""

    statement: Statement
    manifest: bytes
    figures: dict[str, int]
    left_out: int


def build(order: Order, progress: Callable[[str], None] = lambda _: None) -> Built:
    """Builds a bundle. progress is called with a few words before each step.

    Raises Error: E_IMAGE (malformed, hostile, without any program), E_OUTPUT, E_USAGE, E_COMPILER, E_TOO_LARGE,
    E_MANIFEST_* for a policy that is none, and the reader's codes.
    """
    publish.check(order.folder, order.force)
    with _scratch(order.folder) as scratch:
        made = scratch / "bundle"
        made.mkdir()
        objects = Objects(scratch / "objects")
        image, tree = read_tree(order.image, order.platform, order.tag, objects, progress)
        progress("scan")
        found = scan(tree, objects, search_path(image.environment))
        progress(f"merge {len(found.programs)} programs")
        merged = merge(_programs(found, objects))
        files.write_file(made / bundle.MODULE, [merged.data])
        rows = []
        if order.target is not None:
            progress(f"compile for {order.target}")
            artifact = aot.compile_module(merged.data, order.target)
            files.write_file(made / bundle.artifact_name(order.target), [artifact])
            rows.append(aot.artifact_row(order.target, artifact))
        progress("manifest, rootfs")
        text = manifest.build(
            merged.data,
            name=order.name,
            entries=entries.entries(found, merged.entries),
            aot=rows,
            omitted=entries.omitted(found),
            source=entries.source(image),
            **order.terms,
        )
        files.write_file(made / order.manifest, [text])
        left_out = rootfs.write(tree, made / bundle.ROOTFS, objects, found.programs)
        progress("sign")
        statement = append(_inputs(made, order), made / bundle.SIGNATURE, order.claims, order.seeds)
        progress("publish")
        publish.publish(made, order.folder, scratch / "old", order.force)
    return Built(statement, text, merged.figures, left_out)


def _programs(found: Scan, objects: Objects) -> list[tuple[str, bytes]]:
    """What the merger takes. Raises Error E_IMAGE for an image without programs, with what was found instead."""
    if not found.programs:
        lines = [f"{where(row.path)} ({row.reason})" for row in found.omitted[:NAMED]]
        more = len(found.omitted) - len(lines)
        text = "; ".join(lines) + (f"; and {more} more" if more else "")
        raise Error("E_IMAGE", f"no program that can run; executable files: {text or 'none'}")
    size = sum(file.content.size for file in found.programs.values())
    if size > SECTION_LIMITS[WASM]:
        raise Error("E_TOO_LARGE", f"programs of {size} bytes, the limit is {SECTION_LIMITS[WASM]}")
    return [(name, objects.read(found.programs[hash].content)) for hash, name in entries.names(found).items()]


def _inputs(made: Path, order: Order) -> Inputs:
    artifact = None if order.target is None else made / bundle.artifact_name(order.target)
    return Inputs(made / bundle.MODULE, made / order.manifest, aot=artifact)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A directory on the file system of the output, which goes whatever happens."""
    place = folder if folder.is_dir() else folder.parent
    try:
        made = tempfile.mkdtemp(prefix=f".{folder.name[:200] or 'bundle'}.", dir=place)
    except OSError as error:
        raise Error("E_OUTPUT", f"{place}: {error.strerror}") from error
    try:
        yield Path(made)
    except OSError as error:
        raise Error("E_OUTPUT", f"{error.filename or folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(os.fsencode(made), ignore_errors=True)
