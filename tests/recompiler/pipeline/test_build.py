"""In: images in every format. Out: the bundle has their programs, scripts and files, and says what it left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3

from recompiler.errors import Error
from recompiler.format import wasm
from recompiler.merge import routes
from recompiler.pipeline import entries, inert
from recompiler.pipeline.build import build
from recompiler.pipeline.scan import Found, Scan
from recompiler.wasm import reader
from tests import image_writer as w
from tests.recompiler.pipeline.images import ENV, ONE, THREE, TWO, built, built_of, layout, order, program, tree, wat


def b3(data: bytes) -> str:
    return blake3(data).hexdigest()


def key(original: bytes) -> str:
    return b3(inert.make(b3(original)))


def test_an_image_becomes_a_bundle_of_its_programs_and_scripts(tmp_path: Path) -> None:
    manifest = built(layout(tmp_path / "image"), tmp_path / "bundle")
    found = manifest.entries
    hello, nested = b3(b"#!/bin/sh -x y\n"), b3(b"#!/usr/bin/env hello\n")
    assert set(found) == {key(ONE), key(TWO), hello, nested}
    one, two = found[key(ONE)], found[key(TWO)]
    assert (one.kind, one.paths, one.original) == ("wasi", ("/bin/one",), b3(ONE))
    assert two.paths == ("/bin/deux", "/bin/two")
    script = found[hello]
    assert (script.kind, script.entry, script.export) == ("script", one.entry, one.export)
    assert (script.interpreter, script.argument) == (key(ONE), "-x y")
    assert (found[nested].interpreter, found[nested].argument, found[nested].entry) == (hello, "hello", one.entry)
    assert [row["path"] for row in manifest.document["omitted"]] == ["/bin/native"]
    module = reader.read((tmp_path / "bundle" / "container.wasm").read_bytes())
    assert {(r.digest.hex(), r.entry, r.name) for r in routes.read(module)} == {
        (b3(ONE), one.entry, "one"),
        (b3(TWO), two.entry, "deux"),
    }


def test_rootfs_is_the_image_with_inert_originals(tmp_path: Path) -> None:
    built(layout(tmp_path / "image"), tmp_path / "bundle")
    rootfs = tmp_path / "bundle" / "rootfs"
    assert tree(rootfs) == {
        "bin": (0o755, b""),
        "bin/one": (0o755, inert.make(b3(ONE))),
        "bin/two": (0o755, inert.make(b3(TWO))),  # no set-id bit
        "bin/deux": (0o755, inert.make(b3(TWO))),
        "bin/sh": (0, b"/bin/one"),
        "bin/native": (0o755, w.elf()),
        "etc": (0o755, b""),
        "etc/conf": (0o640, b"a = 1\n"),
        "root": (0o700, b""),
        "tmp": (0o1777, b""),
        "usr": (0o755, b""),
        "usr/bin": (0o755, b""),
        "usr/bin/hello": (0o755, b"#!/bin/sh -x y\n"),
        "usr/bin/nested": (0o755, b"#!/usr/bin/env hello\n"),
    }
    assert (rootfs / "bin/two").samefile(rootfs / "bin/deux")


def test_an_inert_original_is_a_valid_module_without_code() -> None:
    data = inert.make(b3(ONE))
    wasm.validate(data)
    module = reader.read(data)
    assert (module.bodies, module.exports, module.imports) == ([], [], [])
    assert [(name, data[start:end]) for name, start, end in module.custom] == [
        (b"recompiler.inert", blake3(ONE).digest())
    ]
    assert inert.is_inert(data)
    assert not inert.is_inert(ONE)


def test_a_layout_its_archive_and_a_directory_make_the_same_module(tmp_path: Path) -> None:
    one = w.Layout()
    one.image([w.tar(w.file("bin/one", ONE, 0o755), w.file("bin/two", TWO, 0o755))], config=ENV, tag="v1")
    folder, archive = one.write(tmp_path / "layout"), one.archive(tmp_path / "image.tar")
    (tmp_path / "docker.tar").write_bytes(
        w.docker_archive([w.tar(w.file("bin/one", ONE, 0o755), w.file("bin/two", TWO, 0o755))])
    )
    plain = tmp_path / "plain" / "bin"
    plain.mkdir(parents=True)
    for name, data in (("one", ONE), ("two", TWO)):
        (plain / name).write_bytes(data)
        (plain / name).chmod(0o755)
    images = [folder, archive, tmp_path / "docker.tar", plain.parent]
    found = [built(image, tmp_path / f"bundle{number}") for number, image in enumerate(images)]
    modules = {(tmp_path / f"bundle{number}" / "container.wasm").read_bytes() for number in range(4)}
    assert len(modules) == 1
    assert found[0].document == found[1].document
    assert found[0].document["source"]["reference"].startswith("oci:v1@sha256:")
    assert found[2].document["source"]["reference"] == "docker-archive:demo:1"
    assert "source" not in found[3].document
    assert all(each.entries == found[0].entries for each in found)


def test_a_plain_directory_keeps_links_and_leaves_out_what_is_no_file(tmp_path: Path) -> None:
    image = tmp_path / "image"
    (image / "bin").mkdir(parents=True)
    (image / "bin/one").write_bytes(ONE)
    (image / "bin/one").chmod(0o6755)
    os.link(image / "bin/one", image / "bin/uno")
    (image / "outside").symlink_to(tmp_path)
    os.mkfifo(image / "fifo")
    result = build(order(image, tmp_path / "bundle"))
    assert result.left_out == 1
    rootfs = tmp_path / "bundle" / "rootfs"
    assert set(tree(rootfs)) == {"bin", "bin/one", "bin/uno", "outside"}
    assert tree(rootfs)["bin/one"] == (0o755, inert.make(b3(ONE)))
    assert tree(rootfs)["outside"] == (0, os.fsencode(tmp_path))
    assert (image / "bin/one").read_bytes() == ONE


IMPORT = '(import "wasi_snapshot_preview1" "{}" (func {}))'
LEFT_OUT = {
    "an ELF program": (w.elf(), 0o755, "x86_64 ELF program: native code, which has to be lifted to WebAssembly"),
    "an ELF library": (w.elf(3, dynamic=[(14, 1)]), 0o644, "x86_64 ELF library: native code, which has to be lifted"),
    "an ELF program of another machine": (w.elf(machine=183), 0o755, "aarch64 ELF program"),
    "text without an interpreter": (b"echo\n", 0o755, "no program: neither ELF, nor WebAssembly, nor a script"),
    "an empty file": (b"", 0o755, "no program"),
    "a component": (b"\0asm\x0d\0\x01\0", 0o755, "a WebAssembly component"),
    "a module that is not executable": (TWO, 0o644, "no execute bit"),
    "a module that ends early": (TWO[:-3], 0o755, "ends|passes|unexpected"),
    "a library": (wat("", start="run"), 0o755, "does not export the function `_start`"),
    "a `_start` with a result": (wat("(result i32) (i32.const 1)"), 0o755, "parameters or results"),
    "no memory": (wat("", memory=""), 0o755, "does not export the memory `memory`"),
    "a foreign import": (wat("", more='(import "env" "f" (func))'), 0o755, r"env\.f"),
    "an unknown WASI function": (wat("", more=IMPORT.format("fd_magic", "")), 0o755, "fd_magic"),
    "a WASI function of another type": (
        wat("", more=IMPORT.format("fd_close", "(param i64)")),
        0o755,
        r"fd_close.*i\(i\)",
    ),
    "an imported memory": (wat("", more='(import "env" "m" (memory 1))', memory=""), 0o755, "env"),
    "a body that does not validate": (TWO.replace(b"\x41\x02\x10\x00", b"\x1a\x1a\x1a\x01"), 0o755, "wasmtime refuses"),
    "what the engine does not run": (
        wat("(drop (memory.size))", memory='(memory (export "memory") i64 1)'),
        0o755,
        "64",
    ),
    "an inert original": (inert.make("ab" * 32), 0o755, "inert original"),
    "an unknown interpreter": (b"#!/bin/bash\n", 0o755, "'/bin/bash' is no program of the bundle"),
    "a script without an interpreter": (b"#!\n", 0o755, "names no interpreter"),
    "a script that is not UTF-8": (b"#!/bin/one \xff\n", 0o755, "not UTF-8"),
    "a script that interprets itself": (b"#!/bin/x\n", 0o755, "'/bin/x' is no program"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_cannot_run_is_left_out_with_the_reason(name: str, tmp_path: Path) -> None:
    data, mode, reason = LEFT_OUT[name]
    manifest = built_of(tmp_path, w.file("bin/one", ONE, 0o755), w.file("bin/x", data, mode))
    assert set(manifest.entries) == {key(ONE)}
    (row,) = manifest.document["omitted"]
    assert (row["path"], row["blake3"]) == ("/bin/x", b3(data))
    with pytest.raises(Error, match=reason):
        raise Error("E_IMAGE", row["reason"])
    assert (tmp_path / "bundle/rootfs/bin/x").read_bytes() == data


def test_plain_data_is_no_row(tmp_path: Path) -> None:
    manifest = built_of(tmp_path, w.file("bin/one", ONE, 0o755), w.file("x", b"data"), w.file("y", b"#!/bin/x\n"))
    assert "omitted" not in manifest.document


def test_an_image_without_a_program_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"E_IMAGE: no program that can run.*'/bin/x' \(x86_64 ELF"):
        built_of(tmp_path, w.file("bin/x", w.elf(), 0o755))
    with pytest.raises(Error, match="E_IMAGE: no program that can run; executable files: none"):
        built_of(tmp_path / "empty", w.file("x", b""))
    assert not [*tmp_path.glob("**/bundle"), *tmp_path.glob("**/.bundle*")]


def test_names_of_any_bytes_stay_and_cannot_be_paths(tmp_path: Path) -> None:
    bad = w.header(b"bin/\xff", len(TWO), mode=0o755) + w.padded(TWO)
    also = w.header(b"bin/\x1b", len(ONE), mode=0o755) + w.padded(ONE)
    manifest = built_of(tmp_path, w.file("bin/one", ONE, 0o755), bad, also)
    assert manifest.entries[key(ONE)].paths == ("/bin/one",)
    assert [(row["path"], row["blake3"]) for row in manifest.document["omitted"]] == [("/bin/\\xff", b3(TWO))]
    found = tree(tmp_path / "bundle" / "rootfs")
    assert found[os.fsdecode(b"bin/\xff")][1] == TWO
    assert found["bin/\x1b"][1] == inert.make(b3(ONE))  # the same program, by its hash


def test_the_same_program_twice_is_one_entry_with_two_paths(tmp_path: Path) -> None:
    manifest = built_of(tmp_path, w.file("b/x", ONE, 0o755), w.file("a/y", ONE, 0o700))
    assert manifest.entries[key(ONE)].paths == ("/a/y", "/b/x")
    assert manifest.entries[key(ONE)].export == "y"


def test_programs_of_one_name_get_numbers() -> None:
    paths = {
        "0": "/bin/ls",
        "1": "/opt/ls.wasm",
        "2": "/a/ls.2",
        "3": "/sbin/memory",
        "4": "/x/memory.3",
        "5": "/x/a\x1b",
    }
    found = entries.names(Scan({hash: Found(None, [path]) for hash, path in paths.items()}))  # type: ignore[arg-type]
    assert found == {"0": "ls", "1": "ls.3", "2": "ls.2", "3": "program.memory", "4": "program.memory.3", "5": "a_"}


def test_a_long_name_and_thirty_programs_of_one_name(tmp_path: Path) -> None:
    files = [w.file(f"{number}/{'n' * 250}", program(number), 0o755) for number in range(30)]
    found = built_of(tmp_path, *files).entries.values()
    assert {each.entry for each in found} == set(range(30))
    assert len({each.export for each in found}) == 30


def test_policy_and_mapping_json(tmp_path: Path) -> None:
    terms = {"allow": ["write"], "connect": ["10.0.0.0/8:443"], "processes": 3}
    folder = tmp_path / "bundle"
    manifest = built(layout(tmp_path / "image"), folder, terms=terms, manifest="mapping.json")
    assert (manifest.policy.allow, manifest.policy.processes) == (frozenset({"write"}), 3)
    assert manifest.policy.connect == ("10.0.0.0/8:443",)
    assert sorted(path.name for path in folder.iterdir()) == ["bundle.sig", "container.wasm", "mapping.json", "rootfs"]
    with pytest.raises(Error, match="E_MANIFEST_SCHEMA"):
        built(layout(tmp_path / "image"), tmp_path / "other", terms={"connect": ["example.org:80"]})
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("layer", [THREE, b"x" * 512])
def test_a_malformed_image_leaves_nothing(tmp_path: Path, layer: bytes) -> None:
    with pytest.raises(Error, match="E_IMAGE"):
        built(layout(tmp_path / "image", layer), tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["image"]
