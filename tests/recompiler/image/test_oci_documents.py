"""Images whose documents and digests lie: index, manifest, config, descriptors. Each is refused with E_IMAGE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import image_writer as w
from tests.image_writer import refuse

PROGRAM = w.elf(2)
BASE = w.tar(w.directory("bin"), w.file("bin/tool", PROGRAM, 0o755))


# ---- digests


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
@pytest.mark.parametrize("as_archive", [False, True])
def test_digest_mismatch_is_refused(tmp_path: Path, part: str, as_archive: bool) -> None:
    layout = w.Layout()
    row = layout.image([BASE])
    manifest = json.loads(layout.blobs[row["digest"]])
    digest = {"manifest": row, "config": manifest["config"], "layer": manifest["layers"][0]}[part]["digest"]
    data = bytearray(layout.blobs[digest])
    data[-5 if part == "layer" else 2] ^= 1  # in a gzip member: its CRC
    layout.blobs[digest] = bytes(data)
    path = layout.archive(tmp_path / "a.tar") if as_archive else layout.write(tmp_path)
    refuse(path, "(does not have its digest|is not gzip)")


def test_layer_changed_to_another_good_archive_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE], "none")
    changed = BASE.replace(b"tool", b"tooo", 1)
    checksum = bytearray(changed)
    checksum[512 + 148 : 512 + 156] = b"%06o\0 " % (sum(changed[512:660]) + 256 + sum(changed[668:1024]))
    layout.blobs[w.sha256(BASE)] = bytes(checksum)
    refuse(layout.write(tmp_path), "layer 0 does not have its digest")


def test_wrong_diff_id_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE], config={"rootfs": {"type": "layers", "diff_ids": [w.sha256(b"other")]}})
    refuse(layout.write(tmp_path), "layer 0, decompressed, does not have its digest")


def test_swapped_layers_are_refused(tmp_path: Path) -> None:
    other = w.tar(w.file("x", b"y"))
    layout = w.Layout()
    diff_ids = [w.sha256(other), w.sha256(BASE)]
    layout.image([BASE, other], config={"rootfs": {"type": "layers", "diff_ids": diff_ids}})
    refuse(layout.write(tmp_path), "layer 0, decompressed, does not have its digest")


def test_docker_archive_with_a_changed_config_is_refused(tmp_path: Path) -> None:
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [w.sha256(BASE)]}}
    (tmp_path / "a.tar").write_bytes(w.docker_archive([BASE], config=w.document(config)))
    refuse(tmp_path / "a.tar", "does not have its digest")


def test_docker_archive_with_a_changed_layer_is_refused(tmp_path: Path) -> None:
    data = bytearray(w.docker_archive([BASE]))
    at = data.index(PROGRAM) + len(PROGRAM) - 1
    data[at] ^= 1
    (tmp_path / "a.tar").write_bytes(data)
    refuse(tmp_path / "a.tar", "layer 0, decompressed, does not have its digest")


@pytest.mark.parametrize(
    ("compression", "cut", "why"),
    [("gzip", 9, "ends inside a gzip member"), ("zstd", 9, "digest|ends inside"), ("none", 1500, "ends inside")],
)
def test_layer_cut_short_is_refused(tmp_path: Path, compression: str, cut: int, why: str) -> None:
    layout = w.Layout()
    row = layout.blob(
        w.compress(BASE, compression)[:-cut], w.LAYER + ("" if compression == "none" else f"+{compression}")
    )
    layout.image([BASE], compression, manifest={"layers": [row]})
    refuse(layout.write(tmp_path), why)


def test_bytes_after_a_compressed_layer_are_refused(tmp_path: Path) -> None:
    for how in ("gzip", "zstd"):
        layout = w.Layout()
        row = layout.blob(w.compress(BASE, how) + b"trailing", f"{w.LAYER}+{how}")
        layout.image([BASE], how, manifest={"layers": [row]})
        refuse(layout.write(tmp_path / how), f"is not {how}")


# ---- documents


def descriptor(**change: Any) -> dict[str, Any]:
    return {"mediaType": w.MANIFEST, "digest": "sha256:" + "0" * 64, "size": 1} | change


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (descriptor(digest="sha256:../../../etc/passwd"), "malformed digest"),
        (descriptor(digest="sha256:" + "A" * 64), "malformed digest"),
        (descriptor(digest="md5:" + "0" * 32), "malformed digest"),
        (descriptor(digest=7), "has no str 'digest'"),
        (descriptor(size=-1), "has no size"),
        (descriptor(size="1"), "has no size"),
        (descriptor(size=True), "has no size"),
        (descriptor(mediaType="text/html"), "unknown media type 'text/html'"),
        (descriptor(mediaType=None), "has no str 'mediaType'"),
        (descriptor(annotations=[]), "names no image|malformed annotations|No such file"),
        (descriptor(annotations=["x"]), "malformed annotations"),
        (descriptor(annotations={"org.opencontainers.image.ref.name": "a b"}), "malformed tag"),
        (descriptor(platform={"os": "Linux!", "architecture": "amd64"}), "malformed platform"),
        (descriptor(platform=7), "malformed platform"),
        (descriptor(), "No such file"),
        (7, "is not an object"),
    ],
)
def test_malformed_row_of_an_index_is_refused(tmp_path: Path, row: Any, why: str) -> None:
    layout = w.Layout()
    layout.index["manifests"].append(row)
    refuse(layout.write(tmp_path), why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schemaVersion": 1}, "schemaVersion"),
        ({"mediaType": w.INDEX}, "disagree on its media type"),
        ({"manifests": []}, "an index and a manifest at once"),
        ({"layers": {}}, "has no list 'layers'"),
        ({"layers": []}, "1 diff_ids for 0 layers"),
        ({"layers": [7]}, "layer 0 is not an object"),
        ({"layers": [{}] * 1001}, "has 1001 layers"),
        ({"layers": [descriptor(mediaType="application/vnd.oci.image.layer.v1.tar+xz")]}, "unknown media type"),
        ({"layers": [descriptor(mediaType=w.LAYER + "+encrypted")]}, "unknown media type"),
        ({"layers": [descriptor(mediaType=w.LAYER)]}, "No such file"),
        ({"config": descriptor()}, "the config has the unknown media type"),
        ({"config": None}, "has no dict 'config'"),
    ],
)
def test_malformed_manifest_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    layout = w.Layout()
    layout.image([BASE], manifest=change)
    refuse(layout.write(tmp_path), why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rootfs": None}, "has no dict 'rootfs'"),
        ({"rootfs": {"diff_ids": ["sha256:x"]}}, "malformed diff_id"),
        ({"rootfs": {"diff_ids": [w.sha256(BASE)] * 2}}, "2 diff_ids for 1 layers"),
        ({"os": "windows"}, "the index says linux/amd64, the config says windows/amd64"),
        ({"architecture": 7}, "malformed platform"),
    ],
)
def test_malformed_config_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    layout = w.Layout()
    layout.image([BASE], config=change)
    refuse(layout.write(tmp_path), why)


def test_size_that_differs_from_the_descriptor_is_refused(tmp_path: Path) -> None:
    for part in ("manifest", "layer"):
        layout = w.Layout()
        row = layout.image([BASE])
        target = row if part == "manifest" else json.loads(layout.blobs[row["digest"]])["layers"][0]
        layout.blobs[target["digest"]] += b"\n"
        refuse(layout.write(tmp_path / part), "its descriptor says")


def test_layer_of_another_compression_than_its_media_type_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE], manifest={"layers": [layout.blob(w.compress(BASE, "gzip"), w.LAYER)]})
    refuse(layout.write(tmp_path), "layer 0 is gzip, its media type says none")


def test_index_that_contains_itself_or_nests_deep_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE])
    for _ in range(5):
        layout.index = {"schemaVersion": 2, "manifests": [layout.blob(w.document(layout.index), w.INDEX)]}
    refuse(layout.write(tmp_path), "nested deeper than 4")


def test_index_that_is_also_a_manifest_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE])
    layout.index["layers"] = []
    refuse(layout.write(tmp_path), "an index and a manifest at once")


@pytest.mark.parametrize("version", [b"{}", b'{"imageLayoutVersion":"2.0.0"}', b"x"])
def test_unknown_layout_version_is_refused(tmp_path: Path, version: bytes) -> None:
    layout = w.Layout(version=version)
    layout.image([BASE])
    refuse(layout.write(tmp_path), "oci-layout")


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b"[7]",
        b"[{}]",
        b'[],"a":[]',
        b'[{"Config":7,"Layers":[]}]',
        b'[{"Config":"x.json","Layers":[]}]',
        b'[{"Config":"../../etc/passwd","Layers":[]}]',
        b'[{"Config":"x.json","Layers":[],"RepoTags":7}]',
        b'[{"Config":"x.json","Layers":[],"RepoTags":["\\u001b[2J"]}]',
    ],
)
def test_malformed_docker_manifest_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(w.docker_archive([BASE], manifest_json=text))
    refuse(tmp_path / "a.tar", "E_IMAGE")
