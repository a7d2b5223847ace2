"""What inspecting an image finds, for images that are well-formed. The hostile ones are in test_oci_hostile.py."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from recompiler.errors import Error
from recompiler.image.read import Image, is_image, read_image
from tests import image_writer as w

INTERPRETER = b"/lib64/ld-linux-x86-64.so.2"
PIE = w.elf(3, interpreter=INTERPRETER, dynamic=[(0x6FFFFFFB, 0x08000000)])
SCRIPT = b"#!/bin/sh -e\necho\n"
BASE = w.tar(
    w.directory("bin"),
    w.file("bin/tool", PIE, 0o755),
    w.hard_link("bin/same", "bin/tool"),
    w.symlink("bin/alias", "tool"),
    w.file("bin/run", SCRIPT, 0o755),
    w.directory("etc"),
    w.file("etc/passwd", b"root"),
    w.file("etc/notes", SCRIPT, 0o644),
)


def paths(image: Image) -> dict[str, str]:
    return {each.path: each.program.kind for each in image.executables}


def read_layers(folder: Path, *layers: bytes, compression: str = "none") -> Image:
    layout = w.Layout()
    layout.image(layers, compression)
    return read_image(str(layout.write(folder)))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layout_gives_layers_and_executables(tmp_path: Path, compression: str) -> None:
    layout = w.Layout()
    row = layout.image([BASE], compression, tag="v1")
    image = read_image(str(layout.write(tmp_path)))
    assert (image.format, image.platform, image.manifest) == ("oci-layout", "linux/amd64", row["digest"])
    assert image.reference == f"oci:{tmp_path}:v1"
    stored = w.compress(BASE, compression)
    (layer,) = image.layers
    assert (layer.digest, layer.diff_id) == (w.sha256(stored), w.sha256(BASE))
    assert (layer.size, layer.tar_size, layer.entries) == (len(stored), len(BASE), 8)
    assert paths(image) == {
        "/bin/run": "script /bin/sh",
        "/bin/same": "elf x86_64 pie",
        "/bin/tool": "elf x86_64 pie",
    }
    tool = image.executables[2]
    assert (tool.layer, tool.mode, tool.program.size) == (0, 0o755, len(PIE))
    assert tool.program.blake3 == blake3(PIE).hexdigest()
    assert tool.program.interpreter == INTERPRETER.decode()
    assert image.executables[0].program.argument == "-e"


def test_archive_of_a_layout_reads_like_the_layout(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE])
    from_directory = read_image(str(layout.write(tmp_path / "layout")))
    from_archive = read_image(str(layout.archive(tmp_path / "image.tar")))
    assert from_archive.format == "oci-archive"
    assert from_archive.layers == from_directory.layers
    assert from_archive.executables == from_directory.executables


def test_docker_archive_reads_like_the_layout(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(w.docker_archive([BASE, w.tar(w.whiteout("bin/run"))]))
    image = read_image(str(tmp_path / "image.tar"))
    assert (image.format, image.manifest, image.platform) == ("docker-archive", None, "linux/amd64")
    assert image.reference.endswith("image.tar:demo:1")
    assert set(paths(image)) == {"/bin/same", "/bin/tool"}
    assert image.layers[0].digest == image.layers[0].diff_id == w.sha256(BASE)


def test_docker_archive_follows_the_link_of_a_repeated_layer(tmp_path: Path) -> None:
    archive = w.docker_archive([BASE])
    first = archive.index(b"manifest.json") // 512 * 512
    layer = f"{0:064x}/layer.tar"
    moved = w.file("shared/layer.tar", BASE) + w.symlink(layer, "../shared/layer.tar")
    start = len(w.file(layer, BASE))
    (tmp_path / "image.tar").write_bytes(moved + archive[start:])
    assert first > start
    assert set(paths(read_image(str(tmp_path / "image.tar")))) == {"/bin/run", "/bin/same", "/bin/tool"}


def test_docker_archive_with_two_images_is_chosen_by_tag(tmp_path: Path) -> None:
    one = w.docker_archive([BASE])
    row = one[one.rindex(b'[{"Config"') : one.rindex(b"}]") + 2].decode()
    two = row[:-1] + "," + row[1:].replace("demo:1", "demo:2")
    (tmp_path / "image.tar").write_bytes(w.docker_archive([BASE], manifest_json=two.encode()))
    with pytest.raises(Error, match=r"E_IMAGE: 2 images fit; choose by tag: 'demo:1 demo:2'"):
        read_image(str(tmp_path / "image.tar"))
    assert read_image(str(tmp_path / "image.tar"), tag="demo:2").reference.endswith(":demo:2")


def test_plain_directory_is_read_without_following_symlinks(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_bytes(PIE)
    (root / "bin/tool").chmod(0o4755)
    os.link(root / "bin/tool", root / "bin/same")
    os.symlink("loop", root / "bin/loop")
    os.symlink(tmp_path, root / "up")
    os.mkfifo(root / "fifo")
    image = read_image(str(root))
    assert (image.format, image.layers, image.platform) == ("directory", [], None)
    assert paths(image) == {"/bin/same": "elf x86_64 pie", "/bin/tool": "elf x86_64 pie"}
    assert {each.mode for each in image.executables} == {0o4755}


@pytest.mark.parametrize(
    ("data", "mode", "kind"),
    [
        (w.elf(2), 0o755, "elf x86_64 static"),
        (w.elf(2, machine=183), 0o755, "elf aarch64 static"),
        (w.elf(2, interpreter=INTERPRETER), 0o755, "elf x86_64 dynamic"),
        (w.elf(3, interpreter=INTERPRETER, dynamic=[]), 0o755, "elf x86_64 pie"),
        (w.elf(3, dynamic=[(0x6FFFFFFB, 0x08000001)]), 0o755, "elf x86_64 static-pie"),
        (w.elf(3, dynamic=[(14, 1)]), 0o644, "elf x86_64 library"),
        (w.elf(3, interpreter=INTERPRETER, dynamic=[(14, 1)]), 0o755, "elf x86_64 library"),
        (w.elf(3, interpreter=INTERPRETER, dynamic=[(14, 1)], gap=200_000), 0o755, "elf x86_64 library"),
        (w.elf(2, tail=b"RCMPLR-TRAILER-1"), 0o755, "elf x86_64 static +trailer"),
        (w.elf(2, tail=bytes(65_530) + b"RCMPLR-TRAILER-1"), 0o755, "elf x86_64 static +trailer"),
        (w.elf(2, tail=b"RCMPLR-TRAILER-1\n"), 0o755, "elf x86_64 static"),
        (w.elf(2)[:56] + b"\xff\xff" + w.elf(2)[58:], 0o755, "elf x86_64"),
        (b"#! /usr/bin/env \t python3  -I \nx", 0o755, "script /usr/bin/env"),
        (b"#!" + b"a" * 300, 0o755, "script"),  # cut inside the interpreter: execve(2) refuses it
        (b"\0asm\x01\0\0\0", 0o644, "wasm module"),
        (b"\0asm\x0d\0\x01\0", 0o644, "wasm component"),
        (w.elf(1), 0o755, None),
        (b"\x7fELF", 0o755, None),
        (b"\0asm\x02\0\0\0", 0o755, None),
        (SCRIPT, 0o644, None),
        (b"", 0o755, None),
    ],
)
def test_kind_of_a_file_follows_from_its_bytes(tmp_path: Path, data: bytes, mode: int, kind: str | None) -> None:
    image = read_layers(tmp_path, w.tar(w.file("x", data, mode)))
    assert paths(image) == ({"/x": kind} if kind else {})


def test_script_argument_is_one_word_as_execve_passes_it(tmp_path: Path) -> None:
    image = read_layers(tmp_path, w.tar(w.file("x", b"#! /bin/env \t -S a  b \n", 0o755)))
    assert (image.executables[0].program.interpreter, image.executables[0].program.argument) == ("/bin/env", "-S a  b")


# ---- layers on layers


def test_whiteout_hides_a_file_of_a_lower_layer(tmp_path: Path) -> None:
    image = read_layers(tmp_path, BASE, w.tar(w.whiteout("bin/tool"), w.whiteout("bin/absent")))
    assert set(paths(image)) == {"/bin/run", "/bin/same"}


def test_whiteout_hides_a_directory_of_a_lower_layer(tmp_path: Path) -> None:
    assert paths(read_layers(tmp_path, BASE, w.tar(w.whiteout("bin")))) == {}


@pytest.mark.parametrize("order", [1, -1])
def test_whiteout_spares_its_own_layer_in_either_order(tmp_path: Path, order: int) -> None:
    entries = [w.directory("bin"), w.whiteout("bin"), w.file("bin/new", SCRIPT, 0o755)]
    assert set(paths(read_layers(tmp_path, BASE, w.tar(*entries[::order])))) == {"/bin/new"}


@pytest.mark.parametrize("order", [1, -1])
def test_opaque_directory_hides_lower_layers_alone(tmp_path: Path, order: int) -> None:
    entries = [w.directory("bin"), w.file("bin/new", SCRIPT, 0o755), w.opaque("bin")]
    assert set(paths(read_layers(tmp_path, BASE, w.tar(*entries[::order])))) == {"/bin/new"}


def test_aufs_bookkeeping_is_no_whiteout(tmp_path: Path) -> None:
    image = read_layers(tmp_path, BASE, w.tar(w.file(".wh..wh.plnk"), w.file("bin/.wh..wh.aufs")))
    assert len(image.executables) == 3


def test_upper_layer_replaces_a_file_and_names_its_layer(tmp_path: Path) -> None:
    image = read_layers(tmp_path, BASE, w.tar(w.file("bin/tool", w.elf(2), 0o700)))
    found = {each.path: (each.program.kind, each.layer, each.mode) for each in image.executables}
    assert found["/bin/tool"] == ("elf x86_64 static", 1, 0o700)
    assert found["/bin/same"] == ("elf x86_64 pie", 0, 0o755)


def test_upper_file_replaces_a_lower_directory(tmp_path: Path) -> None:
    assert set(paths(read_layers(tmp_path, BASE, w.tar(w.file("bin", SCRIPT, 0o755))))) == {"/bin"}


def test_upper_directory_keeps_what_lower_layers_put_there(tmp_path: Path) -> None:
    image = read_layers(tmp_path, BASE, w.tar(w.directory("bin", 0o700)))
    assert len(image.executables) == 3


def test_entry_under_a_symlinked_directory_lands_in_its_target(tmp_path: Path) -> None:
    base = w.tar(w.directory("usr"), w.directory("usr/bin"), w.symlink("bin", "usr/bin"))
    image = read_layers(tmp_path, base, w.tar(w.file("bin/tool", PIE, 0o755)))
    assert set(paths(image)) == {"/usr/bin/tool"}


def test_symlink_that_climbs_stays_at_the_root(tmp_path: Path) -> None:
    base = w.tar(w.symlink("out", "../../../etc"), w.directory("etc"))
    image = read_layers(tmp_path, base, w.tar(w.file("out/tool", PIE, 0o755)))
    assert set(paths(image)) == {"/etc/tool"}


def test_hard_link_reaches_into_a_lower_layer(tmp_path: Path) -> None:
    image = read_layers(tmp_path, BASE, w.tar(w.hard_link("copy", "bin/tool"), w.whiteout("bin/tool")))
    found = {each.path: each for each in image.executables}
    assert found["/copy"].program.blake3 == blake3(PIE).hexdigest()
    assert (found["/copy"].layer, found["/bin/same"].layer) == (1, 0)


def test_layer_may_stand_twice_in_an_image(tmp_path: Path) -> None:
    assert len(read_layers(tmp_path, BASE, BASE).layers) == 2


def test_empty_image_has_no_layers(tmp_path: Path) -> None:
    assert read_layers(tmp_path).layers == []


# ---- names and archives


def test_long_names_by_pax_gnu_and_ustar_prefix(tmp_path: Path) -> None:
    long = "d" * 120 + "/tool"
    gnu_name = ("g" * 130).encode() + b"\0"
    gnu = w.header(b"././@LongLink", len(gnu_name), b"L") + w.padded(gnu_name)
    prefix = bytearray(w.header(b"tool", len(PIE), mode=0o755))
    prefix[345:350] = b"p/q/r"
    prefix[148:156] = b"%06o\0 " % (sum(prefix[:148]) + 256 + sum(prefix[156:]))
    image = read_layers(
        tmp_path,
        w.tar(
            w.file(long, PIE, 0o755),
            gnu + w.header(b"g", len(PIE), mode=0o755) + w.padded(PIE),
            bytes(prefix) + w.padded(PIE),
        ),
    )
    assert set(paths(image)) == {f"/{long}", "/" + "g" * 130, "/p/q/r/tool"}


def test_pax_size_and_base_256_size_count(tmp_path: Path) -> None:
    by_pax = w.pax({"size": b"%d" % len(PIE)}) + w.header(b"a", 0, mode=0o755) + w.padded(PIE)
    number = b"\x80" + len(PIE).to_bytes(11, "big")
    by_number = w.header(b"b", mode=0o755, size=number) + w.padded(PIE)
    assert set(paths(read_layers(tmp_path, w.tar(by_pax, by_number)))) == {"/a", "/b"}


def test_names_are_relative_to_the_root_however_they_begin(tmp_path: Path) -> None:
    image = read_layers(tmp_path, w.tar(w.directory("."), w.file("./a", PIE), w.file("/b", PIE), w.file("c//d", PIE)))
    assert set(paths(image)) == {"/a", "/b", "/c/d"}


def test_name_that_is_not_utf8_is_escaped_in_json(tmp_path: Path) -> None:
    image = read_layers(tmp_path, w.tar(w.header(b"caf\xe9", len(PIE)) + w.padded(PIE)))
    assert image.as_dict()["executables"][0]["path"] == "/caf\\xe9"


def test_archive_without_end_mark_is_read(tmp_path: Path) -> None:
    assert set(paths(read_layers(tmp_path, w.file("a", PIE)))) == {"/a"}


def test_gzip_of_many_members_and_zstd_of_many_frames_read_as_one(tmp_path: Path) -> None:
    pieces = [BASE[i : i + 700] for i in range(0, len(BASE), 700)]
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0" + bytes(4)
    for how, extra in (("gzip", w.compress(b"", "gzip")), ("zstd", skippable)):
        layout = w.Layout()
        row = layout.blob(b"".join(w.compress(piece, how) for piece in pieces) + extra, f"{w.LAYER}+{how}")
        layout.image([BASE], how, manifest={"layers": [row]})
        assert len(read_image(str(layout.write(tmp_path / how))).executables) == 3


def test_zstd_frame_without_content_size_is_read(tmp_path: Path) -> None:
    layout = w.Layout()
    data = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(BASE)
    layout.image([BASE], "zstd", manifest={"layers": [layout.blob(data, f"{w.LAYER}+zstd")]})
    assert len(read_image(str(layout.write(tmp_path))).executables) == 3


# ---- choosing


def two_platforms() -> w.Layout:
    layout = w.Layout()
    layout.image([BASE], architecture="arm64", tag="v1")
    layout.image([w.tar(w.file("only", PIE))], architecture="amd64", tag="v1")
    return layout


def test_of_several_platforms_linux_amd64_is_taken(tmp_path: Path) -> None:
    assert set(paths(read_image(str(two_platforms().write(tmp_path))))) == {"/only"}


def test_platform_chooses_the_image(tmp_path: Path) -> None:
    folder = str(two_platforms().write(tmp_path))
    assert read_image(folder, "linux/arm64").platform == "linux/arm64"
    assert read_image(folder, "linux/arm64/v8").platform == "linux/arm64"
    with pytest.raises(Error, match="no image for linux/riscv64; there are: 'linux/amd64 linux/arm64'"):
        read_image(folder, "linux/riscv64")
    with pytest.raises(Error, match="E_USAGE"):
        read_image(folder, "Linux")


def test_a_single_image_is_taken_whatever_its_platform(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE], architecture="riscv64")
    assert read_image(str(layout.write(tmp_path))).platform == "linux/riscv64"


def test_nested_index_is_followed(tmp_path: Path) -> None:
    layout = two_platforms()
    row = layout.blob(w.document(layout.index), w.INDEX)
    row["annotations"] = {"org.opencontainers.image.ref.name": "v9"}
    layout.index = {"schemaVersion": 2, "manifests": [row]}
    assert read_image(str(layout.write(tmp_path)), tag="v1").platform == "linux/amd64"


def test_several_tags_need_a_tag(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE], tag="v1")
    layout.image([w.tar(w.file("only", PIE))], tag="v2")
    folder = str(layout.write(tmp_path))
    with pytest.raises(Error, match="choose by tag: 'v1 v2'"):
        read_image(folder)
    assert set(paths(read_image(folder, tag="v2"))) == {"/only"}
    with pytest.raises(Error, match="no image has the tag 'v3'"):
        read_image(folder, tag="v3")


def test_buildkit_attestations_are_passed_over(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE])
    row = layout.image([w.tar()], architecture="unknown", config={"os": "unknown"})
    row["platform"] = {"os": "unknown", "architecture": "unknown"}
    row["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    assert len(read_image(str(layout.write(tmp_path))).executables) == 3


def test_is_image_tells_images_from_programs(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(w.docker_archive([BASE]))
    (tmp_path / "gz").write_bytes(w.compress(BASE, "gzip"))
    (tmp_path / "elf").write_bytes(PIE)
    (tmp_path / "empty").write_bytes(b"")
    assert [is_image(str(tmp_path / name)) for name in (".", "tar", "gz", "elf", "empty")] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_another_writer_read_the_same(tmp_path: Path, form: int) -> None:
    buffer = io.BytesIO()
    names = ["bin/tool", "d" * 60 + "/" + "n" * 80, "caf\u00e9/tool"]
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(PIE), 0o755, 1.25 if form == tarfile.PAX_FORMAT else 1
            archive.addfile(member, io.BytesIO(PIE))
        link = tarfile.TarInfo("again")
        link.type, link.linkname = tarfile.LNKTYPE, names[1 if form != tarfile.USTAR_FORMAT else 0]  # at most 100 bytes
        archive.addfile(link)
    image = read_layers(tmp_path, buffer.getvalue())
    assert set(paths(image)) == {"/again", *(f"/{name}" for name in names)}
    assert {each.program.blake3 for each in image.executables} == {blake3(PIE).hexdigest()}
