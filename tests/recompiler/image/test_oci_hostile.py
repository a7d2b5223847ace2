"""Images that lie: each is refused with E_IMAGE and a reason, in bounded memory and without a file written."""

from __future__ import annotations

import gzip
import os
import random
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from recompiler.errors import Error
from recompiler.image import read, source, tree
from recompiler.image.read import read_image
from tests import image_writer as w
from tests.image_writer import refuse
from tests.testbed import FIGURES

PROGRAM = w.elf(2)
BASE = w.tar(w.directory("bin"), w.file("bin/tool", PROGRAM, 0o755))


def refuse_layers(folder: Path, why: str, *layers: bytes, compression: str = "none") -> None:
    layout = w.Layout()
    layout.image(layers, compression)
    refuse(layout.write(folder), why)


# ---- names


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x", "a/..", ".."])
def test_name_that_leaves_the_root_is_refused(tmp_path: Path, name: str) -> None:
    refuse_layers(tmp_path, r"has a component '\.\.'", w.tar(w.file(name, PROGRAM)))


def test_hard_link_that_leaves_the_root_is_refused(tmp_path: Path) -> None:
    refuse_layers(tmp_path, r"has a component '\.\.'", w.tar(w.hard_link("x", "../../etc/passwd")))


@pytest.mark.parametrize("target", ["absent", "bin", "x"])
def test_hard_link_to_no_file_is_refused(tmp_path: Path, target: str) -> None:
    refuse_layers(tmp_path, "which is no file", BASE, w.tar(w.hard_link("x", target)))


def test_whiteout_that_leaves_the_root_is_refused(tmp_path: Path) -> None:
    refuse_layers(tmp_path, r"has a component '\.\.'", BASE, w.tar(w.whiteout("../x")))


@pytest.mark.parametrize("hidden", ["", ".", ".."])
def test_whiteout_of_no_name_is_refused(tmp_path: Path, hidden: str) -> None:
    refuse_layers(tmp_path, "a whiteout of no name", BASE, w.tar(w.file("bin/.wh." + hidden)))


def test_cyclic_symlinks_are_harmless_until_something_goes_through_them(tmp_path: Path) -> None:
    cycle = w.symlink("a", "b") + w.symlink("b", "a")
    layout = w.Layout()
    layout.image([w.tar(cycle, w.file("tool", PROGRAM))], "none")
    assert len(read_image(str(layout.write(tmp_path / "fine"))).executables) == 1
    refuse_layers(tmp_path / "through", "a loop of symlinks", w.tar(cycle, w.file("a/tool", PROGRAM)))
    refuse_layers(tmp_path / "whiteout", "a loop of symlinks", w.tar(cycle), w.tar(w.whiteout("a/tool")))


def test_symlink_to_itself_through_its_parent_ends(tmp_path: Path) -> None:
    refuse_layers(tmp_path, "a loop of symlinks", w.tar(w.symlink("a", "a/a/a/a/a/a"), w.file("a/b", PROGRAM)))


def test_file_under_a_file_is_refused(tmp_path: Path) -> None:
    refuse_layers(tmp_path, "not a directory", w.tar(w.file("a", b""), w.file("a/b", PROGRAM)))


def test_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    refuse_layers(tmp_path, "is the root and not a directory", w.tar(w.file("./", b"x")))


@pytest.mark.parametrize(
    "again", [w.file("bin/tool", b"other"), w.symlink("bin/tool", "x"), w.file("./bin//tool", PROGRAM)]
)
def test_duplicate_entry_is_refused(tmp_path: Path, again: bytes) -> None:
    refuse_layers(tmp_path, "stands twice in one layer", BASE[:-1024] + again)


def test_file_that_replaces_a_directory_of_its_own_layer_is_refused(tmp_path: Path) -> None:
    refuse_layers(tmp_path, "in one layer", BASE, w.tar(w.file("bin/new", PROGRAM), w.file("bin", b"")))


def test_component_longer_than_any_file_system_allows_is_refused(tmp_path: Path) -> None:
    refuse_layers(tmp_path, "more than 255 bytes", w.tar(w.file("a" * 256, PROGRAM)))


def test_escape_sequences_in_a_name_do_not_reach_the_message(tmp_path: Path) -> None:
    refuse_layers(tmp_path, r"x1b\[2J", w.tar(w.file("\x1b[2J\u202e/../x", PROGRAM)))


# ---- headers of the tar format


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (w.header(b"x", checksum=b"000000\0 "), "checksum is wrong"),
        (w.header(b"x", checksum=b"zzzzzz\0 "), "checksum is wrong"),
        (b"\x01" * 512, "checksum is wrong"),
        (w.header(b"x", size=b"99999999999\0"), "size is not a number"),
        (w.header(b"x", size=b"-0000000001\0"), "size is not a number"),
        (w.header(b"x", size=b"\xff" * 12), "size is not a number"),
        (w.header(b"x", size=b"\x80" + b"\xff" * 11), "size is too large"),
        (w.header(b"x", 1 << 32), "ends inside an entry"),
        (w.header(b"x", 10) + b"abc", "ends inside an entry"),
        (w.header(b"x", 1 << 20) + bytes(512 * 400), "ends inside an entry"),
        (w.header(b"x", 10) + b"0123456789", "ends inside an entry"),
        (w.header(b"x")[:511], "ends inside a header"),
        (w.header(b"x", kind=b"S"), "unknown type 'S'"),
        (w.header(b"x", kind=b"V"), "unknown type 'V'"),
        (w.header(b"x", kind=b"\xff"), "unknown type"),
        (w.header(b"x/", 512, b"5") + bytes(512), "a directory with 512 bytes"),
        (w.header(b"x", 512, b"2") + bytes(512), "a symlink with 512 bytes"),
        (w.header(b"x", 512, b"1") + bytes(512), "a link with 512 bytes"),
        (bytes(512) + w.file("x", PROGRAM), "data after the end"),
        (bytes(1024) + b"x", "data after the end"),
        (w.pax({"path": b"x"}), "ends inside a header"),
        (w.pax({"path": b"x"}) + bytes(1024), "an extension header without an entry"),
        (w.pax({"path": b"a\0b"}) + w.header(b"x"), "a path with a NUL byte"),
        (w.pax({"path": b"a" * 5000}) + w.header(b"x"), "a path of 5000 bytes"),
        (w.pax({"linkpath": b"a" * 5000}) + w.header(b"x"), "a linkpath of 5000 bytes"),
        (w.pax({"size": b"-1"}) + w.header(b"x"), "a pax size that is not a number"),
        (w.pax({"size": b"9" * 19}) + w.header(b"x"), "a pax size that is not a number"),
        (w.pax({"size": "\u0661".encode()}) + w.header(b"x"), "a pax size that is not a number"),
        (w.pax({"path": b"x"}, b"g") + w.header(b"x"), "a global header that sets path"),
        (w.pax({"GNU.sparse.major": b"1"}) + w.header(b"x"), "a sparse file"),
        (w.header(b"p", 2 << 20, b"x") + bytes(2 << 20), "an extension header of 2097152 bytes"),
        (w.header(b"p", 1 << 32, b"L"), "an extension header of 4294967296 bytes"),
        (w.header(b"p", 4, b"x") + w.padded(b"zz z"), "malformed record"),
        (w.header(b"p", 9, b"x") + w.padded(b"999 a=bc\n"), "malformed record"),
        (w.header(b"p", 7, b"x") + w.padded(b"0 a=bc\n"), "malformed record"),
        (w.header(b"p", 7, b"x") + w.padded(b"2 a=bc\n"), "malformed record"),
        (w.header(b"p", 5, b"x") + w.padded(b"5 ab\n"), "malformed record"),
        (w.header(b"p", 5, b"x") + w.padded(b"     "), "malformed record"),
    ],
)
def test_header_that_readers_could_disagree_on_is_refused(tmp_path: Path, archive: bytes, why: str) -> None:
    refuse_layers(tmp_path, why, archive)


# ---- size


def limited(what: str, memory: int = 1 << 29) -> str:
    """A child's program that reads argv[1] with little address space; prints what the reader said."""
    return f"""
import resource, sys
from recompiler.image import read, tree
from recompiler.errors import Error
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
{what}
try:
    read.read_image(sys.argv[1])
except Error as error:
    print(error)
"""


def run_limited(path: Path, what: str = "") -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", limited(what), str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_bomb_is_read_in_bounded_memory_and_stopped_at_the_limit(tmp_path: Path, compression: str) -> None:
    size = 1 << (30 if FIGURES else 29)
    head = w.header(b"zeros", size, mode=0o755)
    if compression == "gzip":
        mebibyte = gzip.compress(bytes(1 << 20), mtime=0)
        data = gzip.compress(head, mtime=0) + mebibyte * (size >> 20)
    else:
        compressor = zstandard.ZstdCompressor()
        data = compressor.compress(head) + compressor.compress(bytes(1 << 27)) * (size >> 27)
    layout = w.Layout()
    row = layout.blob(data, f"{w.LAYER}+{compression}")
    layout.image([BASE], compression, manifest={"layers": [row]})
    folder = layout.write(tmp_path)
    assert "does not have its digest" in run_limited(folder)
    assert "larger than 268435456 bytes" in run_limited(folder, "read.MAX_LAYER = 1 << 28")


def test_zstd_that_asks_for_a_huge_window_is_refused(tmp_path: Path) -> None:
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(41 - 10) << 3]) + b"\x01\0\0"
    layout = w.Layout()
    row = layout.blob(frame, f"{w.LAYER}+zstd")
    layout.image([BASE], "zstd", manifest={"layers": [row]})
    refuse(layout.write(tmp_path), "is not zstd")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_ENTRIES", 100)
    refuse_layers(tmp_path / "a", "more than 100 files", w.tar(*(w.file(f"f{i}") for i in range(101))))
    refuse_layers(tmp_path / "b", "more than 100 files", w.tar(w.file("/".join("d" * 101) + "/x")))


def test_too_much_text_in_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_TEXT", 1000)
    again = [w.tar(w.symlink("a", "t" * 90)) for _ in range(20)]
    refuse_layers(tmp_path / "a", "more than 1000 bytes of names", *again)
    scripts = [w.file(f"{i}", b"#!" + b"i" * 200, 0o755) for i in range(6)]
    refuse_layers(tmp_path / "b", "more than 1000 bytes of names", w.tar(*scripts))


def test_work_without_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_STEPS", 1000)
    long = w.pax({"linkpath": b"d/../" * 800}) + w.symlink("long", "d")
    refuse_layers(tmp_path / "a", "more than 1000 names", w.tar(w.directory("d"), long, w.file("long/x")))
    files = [w.file(f"d/{i}") for i in range(100)]
    whiteouts = [w.whiteout("d")] * 20
    refuse_layers(tmp_path / "b", "more than 1000 names", w.tar(*files, *whiteouts))


def test_too_many_executables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_EXECUTABLES", 3)
    refuse_layers(tmp_path, "more than 3 executables", w.tar(*(w.file(f"{i}", PROGRAM) for i in range(4))))


def test_too_many_members_of_an_archive_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_MEMBERS", 3)
    (tmp_path / "a.tar").write_bytes(w.tar(*(w.file(f"{i}") for i in range(4))))
    refuse(tmp_path / "a.tar", "more than 3 members")


def test_huge_document_is_refused_unread(tmp_path: Path) -> None:
    w.Layout().write(tmp_path)
    with open(tmp_path / "index.json", "wb") as stream:
        stream.truncate(1 << 40)
    refuse(tmp_path, "more than 4194304")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b"[" * 100_000,
        b"\xff\xfe{}",
        b'{"a":"\\ud800"}',
        b"9" * 9999,
    ],
)
def test_index_that_is_not_strict_json_is_refused(tmp_path: Path, text: bytes) -> None:
    w.Layout().write(tmp_path)
    (tmp_path / "index.json").write_bytes(text)
    refuse(tmp_path, r"'index\.json'")


# ---- the archive and the directory themselves


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(w.tar(w.file("etc/passwd", b"root")))
    refuse(tmp_path / "a.tar", "neither an OCI layout")


def test_compressed_archive_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(w.compress(w.docker_archive([BASE]), "gzip"))
    refuse(tmp_path / "a.tar.gz", "compressed with gzip: decompress it first")


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 4096])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    refuse(tmp_path / "a", "neither a directory nor a tar archive")


def test_archive_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(w.docker_archive([BASE])[:-1024] + w.tar(w.file("./manifest.json", b"[]")))
    refuse(tmp_path / "a.tar", "two members 'manifest.json'")


def test_archive_whose_member_leaves_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(w.tar(w.file("../manifest.json", b"[]")))
    refuse(tmp_path / "a.tar", "leaves the archive")


def test_archive_of_links_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(w.tar(w.symlink("manifest.json", "b"), w.symlink("b", "manifest.json")))
    refuse(tmp_path / "a.tar", "the archive has no file 'manifest.json'")


def test_every_truncation_of_an_archive_is_refused(tmp_path: Path) -> None:
    whole = w.docker_archive([BASE])[:-1024]
    path = tmp_path / "a.tar"
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(Error):
            read_image(str(path))


def test_no_changed_byte_changes_what_is_found(tmp_path: Path) -> None:
    """A change in the archive's own headers may be harmless; what is reported is then the same."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    layout = w.Layout()
    layout.image([BASE], "gzip")
    path = layout.archive(tmp_path / "a.tar")
    whole = path.read_bytes()
    good = read_image(str(path))
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            found = read_image(str(path))
        except Error:
            refused += 1
        else:
            assert found.executables == good.executables
            assert found.layers == good.layers
    assert refused > 100


def test_layout_whose_blob_is_a_symlink_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    row = layout.image([BASE])
    layout.write(tmp_path)
    blob = tmp_path / "blobs" / row["digest"].replace(":", "/")
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    refuse(tmp_path, "the layout's part")
    blob.unlink()
    os.mkfifo(blob)
    refuse(tmp_path, "not a regular file")


def test_layout_whose_blob_directory_is_a_symlink_is_refused(tmp_path: Path) -> None:
    layout = w.Layout()
    layout.image([BASE])
    layout.write(tmp_path)
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")
    (tmp_path / "blobs").symlink_to("elsewhere")
    refuse(tmp_path, "the layout's part")


def test_fifo_and_missing_path_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    refuse(tmp_path / "fifo", "not a regular file", "E_NOT_REGULAR")
    refuse(tmp_path / "absent", "cannot open", "E_OPEN")


def test_options_that_make_no_sense_for_a_directory_are_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "neither platforms nor tags", "E_USAGE", tag="v1")


def test_directory_nested_too_deep_is_refused(tmp_path: Path) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 400:
        pytest.skip("RLIMIT_NOFILE is below 400")
    deep = tmp_path
    for _ in range(260):
        deep = deep / "d"
        deep.mkdir()
    refuse(tmp_path, "directories deeper than 256")


def test_mutated_layers_and_documents_never_fail_otherwise(tmp_path: Path) -> None:
    """Digests are made anew after each change, so that it reaches the tar reader, the tree and the documents."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = ["bin/tool", "bin", "a/b/c", ".wh.bin", "bin/.wh..wh..opq", "l", "l/x", "../x", "", "/", ".wh.."]
    outcomes: Counter[str] = Counter()
    for number in range(3000 if FIGURES else 300):
        layers = []
        for _ in range(chance.randint(1, 3)):
            entries = []
            for _ in range(chance.randint(0, 5)):
                name, target = chance.choice(names), chance.choice(names)
                data = chance.choice([b"", PROGRAM, b"#!/bin/sh\n"])
                makers = [
                    w.file(name, data, 0o755),
                    w.symlink(name, target),
                    w.hard_link(name, target),
                    w.directory(name),
                ]
                entries.append(chance.choice([*makers, w.pax({"path": name.encode(), "size": b"4"})]))
            layer = bytearray(w.tar(*entries))
            for _ in range(chance.choice([0, 0, 1, 3])):
                at = chance.randrange(len(layer))
                layer[at] = chance.randrange(256)
                head = at // 512 * 512
                block = layer[head : head + 512]
                layer[head + 148 : head + 156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
            layers.append(bytes(layer))
        layout = w.Layout()
        layout.image(layers, chance.choice(["none", "gzip", "zstd"]))
        path = layout.archive(tmp_path / f"{number % 2}.tar")
        try:
            read_image(str(path))
            outcomes["read"] += 1
        except Error as error:
            outcomes[error.code] += 1
    print(outcomes)
    assert set(outcomes) == {"read", "E_IMAGE"}
