"""In: first lines of scripts in an image. Out: the program that runs each, by chains, symlinks, env."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from recompiler.format.manifest import Manifest
from recompiler.format.shebang import DEPTH, Shebang
from recompiler.pipeline.scripts import resolve
from tests import image_writer as w
from tests.recompiler.pipeline.images import ONE, TWO, built_of


def script(name: str, line: str, mode: int = 0o755) -> bytes:
    return w.file(name, f"#!{line}\n# {name}\n".encode(), mode)


def runs(manifest: Manifest) -> dict[str, str]:
    """Path of each script -> the program that runs it."""
    return {path: row.export for row in manifest.entries.values() if row.kind == "script" for path in row.paths}


def reasons(manifest: Manifest) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in manifest.document.get("omitted", [])}


PROGRAMS = (w.file("bin/one", ONE, 0o755), w.file("opt/two", TWO, 0o755))


def test_interpreters_are_found_through_symlinks_and_dots(tmp_path: Path) -> None:
    manifest = built_of(
        tmp_path,
        *PROGRAMS,
        w.symlink("bin/sh", "../opt/two"),
        w.symlink("usr", "/opt"),
        w.symlink("loop", "loop"),
        w.symlink("outside", "../../../../../bin/one"),
        script("a", "/bin/sh"),
        script("b", "/usr/two"),
        script("c", "/usr/../bin/one"),
        script("d", "/loop"),
        script("e", "/outside"),
    )
    assert runs(manifest) == {"/a": "two", "/b": "two", "/c": "one", "/e": "one"}
    assert set(reasons(manifest)) == {"/d"}


def test_a_chain_may_be_so_deep_and_no_deeper(tmp_path: Path) -> None:
    chain = [script("s1", "/bin/one")] + [script(f"s{n}", f"/s{n - 1}") for n in range(2, DEPTH + 3)]
    manifest = built_of(tmp_path, *PROGRAMS, *chain)
    assert runs(manifest) == {f"/s{n}": "one" for n in range(1, DEPTH + 1)}
    assert reasons(manifest)[f"/s{DEPTH + 1}"] == f"its interpreters are scripts, nested deeper than {DEPTH}"
    assert "is no program of the bundle" in reasons(manifest)[f"/s{DEPTH + 2}"]


def test_scripts_that_interpret_each_other_do_not_run(tmp_path: Path) -> None:
    manifest = built_of(tmp_path, *PROGRAMS, script("x", "/y"), script("y", "/x"), script("z", "/x"))
    assert runs(manifest) == {}
    assert set(reasons(manifest)) == {"/x", "/y", "/z"}


def test_env_searches_the_path_of_the_config(tmp_path: Path) -> None:
    files = (*PROGRAMS, w.file("bin/two", ONE, 0o755), script("a", "/usr/bin/env two"))
    for number, (path, found) in enumerate({"/bin:/opt": "one", "/opt:/bin": "two", "bin::/opt": "two"}.items()):
        config = {"config": {"Env": ["PATH=/nowhere", "A=b", f"PATH={path}"]}}
        assert runs(built_of(tmp_path / str(number), *files, config=config)) == {"/a": found}, path


@pytest.mark.parametrize("config", [{}, {"config": None}, {"config": {"Env": None}}, {"config": {"Env": ["A=1"]}}])
def test_without_one_it_is_the_usual_path(config: dict[str, object], tmp_path: Path) -> None:
    manifest = built_of(tmp_path, *PROGRAMS, script("a", "/x/env one"), script("b", "/x/env two"), config=config)
    assert runs(manifest) == {"/a": "one"}


def test_env_with_arguments_and_what_it_is_not_resolved_for(tmp_path: Path) -> None:
    manifest = built_of(
        tmp_path, *PROGRAMS, script("a", "/usr/bin/env -S one -e  x"), script("b", "/usr/bin/env -i one")
    )
    (row,) = [row for row in manifest.entries.values() if row.kind == "script"]
    assert (row.paths, row.argument, row.export) == (("/a",), "-S one -e  x", "one")
    assert "options (but -S)" in reasons(manifest)["/b"]


def test_an_env_of_the_image_is_the_interpreter(tmp_path: Path) -> None:
    manifest = built_of(tmp_path, *PROGRAMS, w.file("usr/bin/env", TWO, 0o755), script("a", "/usr/bin/env one"))
    (row,) = [row for row in manifest.entries.values() if row.kind == "script"]
    assert (row.export, row.argument) == ("two", "one")  # /opt/two and /usr/bin/env are one program


def test_a_script_without_the_execute_bit_interprets_nothing(tmp_path: Path) -> None:
    manifest = built_of(tmp_path, *PROGRAMS, script("a", "/bin/one", 0o644), script("b", "/a"))
    assert runs(manifest) == {}
    assert set(reasons(manifest)) == {"/b"}


def test_the_same_script_twice_is_one_entry(tmp_path: Path) -> None:
    text = b"#!/bin/one\n"
    manifest = built_of(tmp_path, *PROGRAMS, w.file("x", text, 0o755), w.file("y", text, 0o700), w.file("z", text))
    assert manifest.entries[blake3(text).hexdigest()].paths == ("/x", "/y")


def test_what_env_would_find_first_once_all_is_known_is_not_signed_as_something_else() -> None:
    """Script b is found by env before program p, but is known only after s was resolved to p."""
    lines = {"s": Shebang("/usr/bin/env", "x"), "a": Shebang("/p", None), "b": Shebang("/a", None)}
    files = {"/1/x": "b", "/2/x": "p", "/a": "a", "/p": "p"}
    found = resolve(lines, {"p"}, files.get, ["/1", "/2"])
    assert set(found.resolved) == {"a", "b"}
    assert found.refused == {"s": "env finds another script before its interpreter"}
