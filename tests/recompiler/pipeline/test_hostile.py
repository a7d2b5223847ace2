"""In: images that want to write elsewhere, or more than they should. Out: nothing outside the bundle, and E_IMAGE."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recompiler.errors import Error
from tests import image_writer as w
from tests.recompiler.pipeline.images import ONE, built, built_of, layout, tree

PROGRAM = w.file("bin/one", ONE, 0o755)


def test_nothing_is_written_through_a_symlink(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("safe")
    built_of(
        tmp_path,
        PROGRAM,
        w.symlink("out", str(outside)),
        w.file("out/new", b"new"),
        w.symlink("up", "../../../../../.." + str(outside)),
        w.file("up/more", b"more"),
        w.symlink("victim", str(outside / "victim")),
        w.file("etc/passwd", b"root"),
        w.symlink("etc/shadow", "/etc/shadow"),
    )
    assert tree(outside) == {"victim": ((outside / "victim").stat().st_mode & 0o7777, b"safe")}
    rootfs = tree(tmp_path / "bundle" / "rootfs")
    # In a container, an absolute target begins at its root.
    assert rootfs[str(outside)[1:] + "/new"][1] == b"new"
    assert rootfs[str(outside)[1:] + "/more"][1] == b"more"
    assert rootfs["out"] == (0, str(outside).encode())


HOSTILE = {
    "a name that leaves the root": [w.file("../x", b"x")],
    "a name that leaves the root later": [w.file("bin/../../x", b"x")],
    "a hard link out of the root": [w.hard_link("x", "../../etc/passwd")],
    "a hard link to nothing": [w.hard_link("x", "/etc/passwd")],
    "a file below a file": [w.file("bin/one/x", b"x")],
    "a name twice": [w.file("bin/one", b"x")],
    "a loop of symlinks on the way": [w.symlink("a", "b"), w.symlink("b", "a"), w.file("a/x", b"x")],
    "a component of 256 bytes": [w.file("x" * 256, b"x")],
    "a symlink to nothing at all": [w.symlink("x", "")],
    "directories too deep": [w.file("d/" * 257 + "x", b"x")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_container_could_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Error, match="E_IMAGE"):
        built_of(tmp_path, PROGRAM, *HOSTILE[name])
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_a_tree_that_symlinks_make_deeper_than_any_path_is_refused(tmp_path: Path) -> None:
    half = "d/" * 45
    entries = [w.file(f"{half}x", b""), w.symlink("s", f"/{half}"), w.file("s/" + "e/" * 230 + "y", b"")]
    with pytest.raises(Error, match="E_IMAGE: directories deeper than 256"):
        built_of(tmp_path, PROGRAM, *entries)
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_devices_fifos_and_set_id_bits_do_not_come_along(tmp_path: Path) -> None:
    device = w.header(b"dev/sda", kind=b"4", mode=0o666)
    fifo = w.header(b"fifo", kind=b"6", mode=0o666)
    setid = [w.file("bin/su", b"#!/bin/one\n", 0o6755), w.directory("share", 0o2777), w.file("locked", b"x", 0)]
    built_of(tmp_path, PROGRAM, device, fifo, *setid)
    rootfs = tree(tmp_path / "bundle" / "rootfs")
    assert "dev/sda" not in rootfs
    assert "fifo" not in rootfs
    assert (rootfs["bin/su"][0], rootfs["share"][0], rootfs["locked"][0]) == (0o755, 0o777, 0o400)
    owners = {os.lstat(tmp_path / "bundle" / "rootfs" / path).st_uid for path in rootfs}
    assert owners == {os.geteuid()}


def test_names_of_the_bundles_own_files_are_just_names(tmp_path: Path) -> None:
    """What an image calls its files does not confuse whoever reads the bundle."""
    names = ["oci-layout", "index.json", "bundle.sig", "container.wasm", ".wh.x/y", "manifest.json"]
    image = tmp_path / "plain"
    for name in [*names[2:], "bin/one"]:
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_bytes(ONE)
        (image / name).chmod(0o755)
    (row,) = built(image, tmp_path / "bundle").entries.values()
    assert len(row.paths) == 5
    layered = w.tar(PROGRAM, w.file("oci-layout", b"{}"), w.file("index.json", b"{}"))
    built(layout(tmp_path / "image", layered), tmp_path / "other")
    assert set(tree(tmp_path / "other" / "rootfs")) == {"bin", "bin/one", "oci-layout", "index.json"}


def test_a_bundles_own_rootfs_has_no_program_to_build_from(tmp_path: Path) -> None:
    built_of(tmp_path, PROGRAM)
    with pytest.raises(Error, match="an inert original: its code is in another bundle"):
        built(tmp_path / "bundle" / "rootfs", tmp_path / "again")


def test_an_image_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    folder = Path(layout(tmp_path / "image"))
    blob = max((folder / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(blob.read_bytes())
    data[-9] ^= 1
    blob.write_bytes(data)
    with pytest.raises(Error, match="E_IMAGE"):
        built(folder, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["image"]
