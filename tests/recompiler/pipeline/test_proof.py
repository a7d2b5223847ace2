"""In: bundles, whole and changed. Out: `verify --routes` proves each entry, and names what is wrong."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recompiler.errors import Error
from recompiler.format import bundle, strictjson
from recompiler.format.manifest import parse
from recompiler.pipeline.build import build
from recompiler.pipeline.proof import prove
from recompiler.signing import keyfile
from tests.recompiler.pipeline.images import ONE, layout, order
from tests.testbed import Signer, recompiler

Document = dict[str, Any]


@pytest.fixture
def folder(signer: Signer, tmp_path: Path) -> Path:
    """A signed bundle."""
    build(order(layout(tmp_path / "image"), tmp_path / "bundle", seeds=[keyfile.read_private(signer.key)]))
    return tmp_path / "bundle"


def row(document: Document, kind: str, number: int = 0) -> Document:
    """One entry of a kind, in the order of its id and path."""
    rows = [each for each in document["entries"].values() if each["kind"] == kind]
    return sorted(rows, key=lambda each: (each["entry"], each["paths"]))[number]  # type: ignore[no-any-return]


def renamed(document: Document, kind: str) -> None:
    hash = next(hash for hash, each in document["entries"].items() if each is row(document, kind))
    document["entries"]["ab" * 32] = document["entries"].pop(hash)


# A change of the manifest -> what is said of it.
MANIFESTS: dict[str, tuple[Callable[[Document], object], str]] = {
    "two programs exchanged": (
        lambda d: row(d, "wasi", 0).update(entry=1) or row(d, "wasi", 1).update(entry=0),
        "id 1 is the program one",
    ),
    "an id that is not there": (lambda d: row(d, "wasi").update(entry=7), "the module has no id 7"),
    "another name": (lambda d: row(d, "wasi").update(export="ls"), "id 0 is the program deux"),
    "another original": (lambda d: row(d, "wasi").update(original="cd" * 32), "is made of another file"),
    "no original": (lambda d: row(d, "wasi").pop("original"), "is made of another file"),
    "another hash": (lambda d: renamed(d, "wasi"), "its hash is not that of the inert original"),
    "a program less": (lambda d: d["entries"].pop(next(iter(d["entries"]))), "."),
    "a script of another program": (lambda d: row(d, "script").update(entry=0), r"lead to one \(id 1\)"),
    "a script of another export": (lambda d: row(d, "script").update(export="two"), "lead to one"),
    "an interpreter that is no entry": (lambda d: row(d, "script").update(interpreter="ab" * 32), "is no entry"),
    "a script that interprets itself": (
        lambda d: [each.update(interpreter=hash) for hash, each in d["entries"].items() if each["kind"] == "script"],
        "nested deeper than 4",
    ),
    "another argument": (lambda d: row(d, "script").update(argument="-c"), "another argument in its first line"),
    "another path": (lambda d: row(d, "wasi").update(paths=["/bin/one"]), "/bin/one is another file"),
    "a path that is not there": (lambda d: row(d, "wasi").update(paths=["/bin/zwei"]), "/bin/zwei is not in rootfs"),
    "a path of a symlink": (lambda d: row(d, "wasi", 1).update(paths=["/bin/sh"]), "/bin/sh is not in rootfs"),
    "nothing left out": (lambda d: d.pop("omitted"), "/bin/native is a program, and neither an entry nor left out"),
    "another file left out": (lambda d: d["omitted"][0].update(path="/etc/conf"), "/etc/conf, which was left out"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_leads_elsewhere_is_not_proved(name: str, folder: Path) -> None:
    change, expected = MANIFESTS[name]
    wasm = (folder / "container.wasm").read_bytes()
    good = parse((folder / "manifest.json").read_bytes())
    assert prove(good, wasm, folder / "rootfs").messages == []
    document = copy.deepcopy(good.document)
    change(document)
    messages = prove(parse(strictjson.dumps(document)), wasm, folder / "rootfs").messages
    assert messages
    with pytest.raises(Error, match=expected):
        raise Error("E_ROUTES", "; ".join(messages))


def test_a_route_without_an_entry_is_named(folder: Path) -> None:
    document = parse((folder / "manifest.json").read_bytes()).document
    document["entries"] = {hash: each for hash, each in document["entries"].items() if each["export"] == "one"}
    proof = prove(parse(strictjson.dumps(document)), (folder / "container.wasm").read_bytes(), None)
    assert proof.messages == ["deux (id 0) has no entry"]


ROOTFS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (
        lambda r: (r / "bin/one").write_bytes((r / "bin/one").read_bytes()[:-1] + b"x"),
        "/bin/one is another",
    ),
    "the program itself": (lambda r: (r / "bin/one").write_bytes(ONE), "/bin/one is another file"),
    "a changed script": (
        lambda r: (r / "usr/bin/hello").write_bytes(b"#!/bin/two\n"),
        "/usr/bin/hello is another file",
    ),
    "a program less": (lambda r: (r / "bin/one").unlink(), "/bin/one is not in rootfs"),
    "no execute bit": (lambda r: (r / "bin/one").chmod(0o644), "/bin/one is not executable"),
    "a set-id bit": (lambda r: (r / "bin/one").chmod(0o4755), "/bin/one has a set-id bit"),
    "a new program": (lambda r: (r / "new").write_bytes(ONE), "/new is a program"),
    "a new script": (lambda r: os.chmod(r / "etc/conf", 0o755), "/etc/conf is a program"),
    "a FIFO": (lambda r: os.mkfifo(r / "fifo"), "/fifo is a device, FIFO or socket"),
    "another interpreter": (
        lambda r: (r / "bin/sh").unlink() or (r / "bin/sh").symlink_to("two"),
        "its interpreter /bin/sh is another file",
    ),
    "no interpreter": (lambda r: (r / "bin/sh").unlink(), "'/bin/sh' is no program of the bundle"),
}


@pytest.mark.parametrize("name", ROOTFS)
def test_a_changed_rootfs_is_named(name: str, folder: Path) -> None:
    change, expected = ROOTFS[name]
    change(folder / "rootfs")
    manifest = parse((folder / "manifest.json").read_bytes())
    messages = prove(manifest, (folder / "container.wasm").read_bytes(), folder / "rootfs").messages
    assert any(expected in message for message in messages), messages


def test_a_copy_under_another_name_is_still_the_program(folder: Path) -> None:
    """By hash: another name for an entry's file is no other program."""
    os.link(folder / "rootfs/bin/one", folder / "rootfs/bin/uno")
    manifest = parse((folder / "manifest.json").read_bytes())
    assert prove(manifest, (folder / "container.wasm").read_bytes(), folder / "rootfs").messages == []


def test_the_command_prints_a_table_or_json(signer: Signer, folder: Path) -> None:
    arguments = ("verify", "--routes", "--pubkeys", signer.pubkeys)
    by_folder, by_file = (recompiler(*arguments, path) for path in (folder, folder / "bundle.sig"))
    assert by_folder.stdout == by_file.stdout
    lines = by_folder.stdout.decode().splitlines()
    assert lines[0].split() == ["entry", "export", "kind", "blake3", "route", "path"]
    assert [line.split()[4] for line in lines[1:5]] == ["proved"] * 4
    assert lines[5] == "4 entries, rootfs of 7 files, 0 problems"
    (folder / "rootfs" / "bin" / "one").chmod(0o644)
    refused = recompiler(*arguments, "--json", folder, check=False)
    report = json.loads(refused.stdout)
    assert (refused.returncode, report["result"], report["exit_code"]) == (12, "refused", 12)
    (file,) = report["files"]
    assert file["error"]["code"] == "E_ROUTES"
    problems = [problem for each in file["routes"]["entries"] for problem in each["problems"]]
    assert "/bin/one is not executable" in problems
    assert recompiler("verify", "--pubkeys", signer.pubkeys, folder).returncode == 0  # rootfs is not signed


def test_the_signature_comes_first(signer: Signer, folder: Path) -> None:
    """Nothing of the routes is looked at in a bundle whose bytes are not the signed ones."""
    module = bytearray((folder / "container.wasm").read_bytes())
    module[-1] ^= 1
    (folder / "container.wasm").write_bytes(module)
    refused = recompiler("verify", "--routes", "--pubkeys", signer.pubkeys, folder, check=False)
    assert (refused.returncode, refused.stdout) == (12, b"")
    assert b"E_DIGEST" in refused.stderr


def test_routes_are_of_bundles_with_a_merged_module(signer: Signer, folder: Path, compile_guest: Any) -> None:
    from tests.testbed import ROOT

    program = signer.sign(compile_guest(ROOT / "examples" / "hello" / "hello.c"), "demo/hello")
    refused = recompiler("verify", "--routes", "--pubkeys", signer.pubkeys, program, check=False)
    assert (refused.returncode, b"E_USAGE" in refused.stderr) == (2, True)
    with pytest.raises(Error, match=r"E_WASM_INVALID: .*not a merged module"):
        prove(parse((folder / "manifest.json").read_bytes()), ONE, None)


def test_a_rootfs_that_is_a_symlink_is_not_read(folder: Path) -> None:
    os.rename(folder / "rootfs", folder / "elsewhere")
    (folder / "rootfs").symlink_to("elsewhere")
    with pytest.raises(Error, match="E_OPEN"):
        prove(
            parse((folder / "manifest.json").read_bytes()), (folder / "container.wasm").read_bytes(), folder / "rootfs"
        )
    assert bundle.signature_of(folder) == folder / "bundle.sig"
    assert bundle.signature_of(folder / "elsewhere") == folder / "elsewhere"
