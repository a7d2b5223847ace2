"""`recompiler inspect IMAGE` as a person and as a program see it."""

from __future__ import annotations

import json
from pathlib import Path

from tests import image_writer as w
from tests.testbed import recompiler

PROGRAM = w.elf(2)
LAYER = w.tar(w.file("bin/tool", PROGRAM, 0o4755), w.file("\x1b[2J\u202e", b"#!/bin/\x1bsh\n", 0o755))


def image(folder: Path) -> Path:
    layout = w.Layout()
    layout.image([LAYER], tag="v1")
    return layout.write(folder)


def test_inspect_opens_with_not_verified_and_lists_the_image(tmp_path: Path) -> None:
    out = recompiler("inspect", image(tmp_path)).stdout.decode()
    assert out.startswith("NOT VERIFIED: ")
    assert w.sha256(LAYER) in out
    (row,) = (line.split() for line in out.splitlines() if line.endswith("/bin/tool"))
    assert row[:6] == ["elf", "x86_64", "static", "4755", str(len(PROGRAM)), "0"]


def test_inspect_does_not_let_an_image_write_to_the_terminal(tmp_path: Path) -> None:
    out = recompiler("inspect", image(tmp_path)).stdout.decode()
    assert "\\x1b[2J\\u202e" in out
    assert not {"\x1b", "\u202e"} & set(out)


def test_inspect_json_is_one_object(tmp_path: Path) -> None:
    found = json.loads(recompiler("inspect", "--json", image(tmp_path)).stdout)
    assert (found["status"], found["type"], found["format"]) == ("NOT VERIFIED", "image", "oci-layout")
    assert found["layers"][0]["diff_id"] == w.sha256(LAYER)
    assert {each["path"]: each["mode"] for each in found["executables"]}["/bin/tool"] == "4755"


def test_inspect_takes_archives_and_directories(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(w.docker_archive([LAYER]))
    assert b"docker-archive" in recompiler("inspect", tmp_path / "image.tar").stdout
    (tmp_path / "root").mkdir()
    (tmp_path / "root/tool").write_bytes(PROGRAM)
    assert b"NOT VERIFIED: a directory states no digests" in recompiler("inspect", tmp_path / "root").stdout


def test_inspect_refuses_a_broken_image_with_its_code(tmp_path: Path) -> None:
    folder = image(tmp_path)
    (folder / "index.json").write_text("{}")
    result = recompiler("inspect", folder, check=False)
    assert (result.returncode, result.stdout) == (11, b"")
    assert result.stderr.startswith(b"recompiler: E_IMAGE: ")
    result = recompiler("inspect", "--json", folder, check=False)
    assert (result.returncode, result.stderr) == (11, b"")
    assert json.loads(result.stdout)["error"]["code"] == "E_IMAGE"


def test_inspect_chooses_by_platform_and_tag(tmp_path: Path) -> None:
    folder = image(tmp_path)
    assert recompiler("inspect", "--platform", "linux/amd64", "--tag", "v1", folder).returncode == 0
    assert recompiler("inspect", "--platform", "linux/arm64", folder, check=False).returncode == 11
    assert recompiler("inspect", "--tag", "v2", folder, check=False).returncode == 11
    assert recompiler("inspect", "--platform", "arm64", folder, check=False).returncode == 2
