"""In: modules and bundles without an artifact. Out: the artifact, and a manifest that names it; or nothing changed."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from blake3 import blake3

from recompiler import aot
from recompiler.format.manifest import parse
from recompiler.pipeline.build import build
from recompiler.signing import keyfile
from tests.bundles import BUILT
from tests.recompiler.pipeline.images import TWO, layout, order, tree
from tests.testbed import Signer, recompiler

TARGET = f"{platform.machine()}-linux"
FOREIGN = next(target for target in aot.TARGETS if target != TARGET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unsigned bundle without an artifact."""
    build(order(layout(tmp_path / "image"), tmp_path / "bundle"))
    return tmp_path / "bundle"


def test_a_bundle_gets_its_artifact_and_the_row(folder: Path, tmp_path: Path) -> None:
    recompiler("compile", folder)
    artifact = (folder / f"container.{TARGET}.cwasm").read_bytes()
    assert artifact == aot.compile_module((folder / "container.wasm").read_bytes(), TARGET)
    (row,) = parse((folder / "manifest.json").read_bytes()).document["aot"]
    assert row == {
        "target": TARGET,
        "engine": aot.engine(),
        "settings": aot.settings(TARGET),
        "blake3": blake3(artifact).hexdigest(),
        "size": len(artifact),
    }
    build(order(tmp_path / "image", tmp_path / "at-once", target=TARGET))
    assert (tmp_path / "at-once" / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_a_second_time_needs_force_and_replaces_the_row(folder: Path) -> None:
    recompiler("compile", folder)
    before = tree(folder)
    refused = recompiler("compile", folder, check=False)
    assert (refused.returncode, b"E_OUTPUT" in refused.stderr) == (3, True)
    recompiler("compile", folder, "--force")
    assert tree(folder) == before


def test_a_row_of_another_target_stays(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_bytes())
    other = {"target": FOREIGN, "engine": "e", "settings": "s", "blake3": "ab" * 32, "size": 1}
    (folder / "manifest.json").write_text(json.dumps(document | {"aot": [other]}))
    recompiler("compile", folder)
    rows = parse((folder / "manifest.json").read_bytes()).document["aot"]
    assert sorted(row["target"] for row in rows) == sorted(aot.TARGETS)
    assert other in rows


def test_a_module_by_itself_goes_where_it_is_told(tmp_path: Path) -> None:
    module = tmp_path / "two.wasm"
    module.write_bytes(TWO)
    result = recompiler("compile", module)
    made = tmp_path / f"two.{TARGET}.cwasm"
    assert result.stdout.decode().startswith(f"{made}: {made.stat().st_size} bytes for {TARGET}, wasmtime-")
    recompiler("compile", module, "-o", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == made.read_bytes()


def test_what_cannot_be_compiled_changes_nothing(folder: Path, tmp_path: Path) -> None:
    before = tree(folder)
    (tmp_path / "no.wasm").write_bytes(TWO[:-2])
    cases = [
        ((folder, "--target", FOREIGN), 3, b"E_COMPILER: wasmtime's wheel compiles for its own machine only"),
        ((tmp_path / "no.wasm",), 11, b"E_WASM_INVALID"),
        ((tmp_path / "nothing.wasm",), 3, b"E_OPEN"),
        ((tmp_path,), 3, b"E_OPEN"),
        ((tmp_path / "no.wasm", "--manifest", folder / "manifest.json"), 11, b"E_MANIFEST_WASM"),
        ((folder, "--target", "sparc-linux"), 2, b"E_USAGE"),
    ]
    for arguments, status, text in cases:
        refused = recompiler("compile", *arguments, check=False)
        assert (refused.returncode, text in refused.stderr) == (status, True), refused.stderr
    assert tree(folder) == before
    assert not list(tmp_path.glob("*.cwasm"))


@pytest.mark.skipif(not BUILT, reason="no engine was built for this machine")
def test_a_missing_artifact_is_made_signed_and_run(signer: Signer, folder: Path) -> None:
    """What a run without one says is what makes it."""
    run = ("run", "--pubkeys", signer.pubkeys, folder, "--", "two")
    files = ["--blob", folder / "container.wasm", "--manifest", folder / "manifest.json"]
    append = ["append", "--detached", "--force", *files, "--key", signer.key, "-o", folder / "bundle.sig"]
    recompiler(*append)
    refused = recompiler(*run, check=False)
    assert (refused.returncode, b"E_AOT_MISSING" in refused.stderr) == (3, True)
    assert f"recompiler compile {folder}".encode() in refused.stderr
    recompiler("compile", folder)
    recompiler(*append, "--aot", folder / f"container.{TARGET}.cwasm")
    assert recompiler(*run, check=False).returncode == 2
    assert recompiler(*run[:-1], "nested", check=False).returncode == 1


@pytest.mark.skipif(not BUILT, reason="no engine was built for this machine")
def test_what_was_built_runs_each_of_its_programs(signer: Signer, tmp_path: Path) -> None:
    seeds = [keyfile.read_private(signer.key)]
    build(order(layout(tmp_path / "image"), tmp_path / "bundle", target=TARGET, seeds=seeds))
    run = ("run", "--pubkeys", signer.pubkeys, tmp_path / "bundle", "--")
    statuses = {"/bin/one": 1, "/bin/two": 2, "/bin/deux": 2, "/bin/sh": 1, "hello": 1, "/usr/bin/nested": 1}
    assert {path: recompiler(*run, path, check=False).returncode for path in statuses} == statuses
    refused = recompiler(*run, "/bin/native", check=False)
    assert (refused.returncode, b"unknown hash" in refused.stderr) == (14, True)
