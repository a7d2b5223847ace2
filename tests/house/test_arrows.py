"""In: the source tree. Out: every file belongs to a room, rooms use what their row says, and no arrow leads back."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from tests.house import c_source, python_source, rooms
from tests.testbed import ROOT

TABLE = rooms.table()


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("csrc_build", ROOT / "csrc" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# What csrc/build.py makes, as folders; the stub has the loader too, and the fuzz targets stand on the stub's library.
WINGS = {product: [f"csrc/{wing}" for wing in wings] for product, wings in _build().WINGS.items()}
PRODUCTS = [*WINGS.values(), [*WINGS["stub"], "loader"], [*WINGS["stub"], "csrc/fuzz"]]


def room_of(path: Path, root: Path = ROOT) -> str | None:
    """The row that a file belongs to."""
    relative = path.relative_to(root)
    single, folder = str(relative.with_suffix("")), str(relative.parent)
    return single if single in TABLE else folder if folder in TABLE else None


def arrows(root: Path = ROOT) -> dict[str, dict[str, str]]:
    """room -> other room that its files use -> one such use."""
    found: dict[str, dict[str, str]] = {}
    for graph in (python_source.imports(root), c_source.includes(root), c_source.calls(root, PRODUCTS)):
        for path, used in graph.items():
            here = room_of(path, root) or f"no room: {path.relative_to(root)}"
            for other in used:
                there = room_of(other, root) or f"no room: {other.relative_to(root)}"
                if there != here:
                    text = f"{path.relative_to(root)} -> {other.relative_to(root)}"
                    found.setdefault(here, {})[there] = text
    return found


def wrong(root: Path = ROOT) -> list[str]:
    """The uses that no row allows."""
    return sorted(
        text for room, uses in arrows(root).items() for other, text in uses.items() if other not in TABLE.get(room, ())
    )


def circles(graph: Mapping[Path, set[Path]]) -> list[list[str]]:
    """The sets of files that use one another around: strongly connected components of more than one."""
    behind = {path: _reached(path, graph) for path in graph}
    sets = {frozenset(other for other in behind[path] if path in behind[other]) | {path} for path in graph}
    return [sorted(path.name for path in each) for each in sets if len(each) > 1]


def _reached(path: Path, graph: Mapping[Path, set[Path]]) -> set[Path]:
    seen: set[Path] = set()
    work = [path]
    while work:
        for other in graph.get(work.pop(), set()) - seen:
            seen.add(other)
            work.append(other)
    return seen


def test_every_source_file_belongs_to_a_room() -> None:
    files = [*python_source.modules(ROOT).values(), *c_source.sources(ROOT)]
    assert len(files) > 300
    assert [str(path.relative_to(ROOT)) for path in files if room_of(path) is None] == []


def test_every_room_has_files() -> None:
    files = [*python_source.modules(ROOT).values(), *c_source.sources(ROOT)]
    assert set(TABLE) == {room_of(path) for path in files}


def test_a_row_names_only_rows_above_it() -> None:
    order = list(TABLE)
    assert [(room, use) for at, room in enumerate(order) for use in TABLE[room] if use not in order[:at]] == []


def test_every_arrow_of_the_code_is_in_the_table() -> None:
    assert wrong() == []


def test_every_arrow_of_the_table_is_in_the_code() -> None:
    found = arrows()
    assert [(room, use) for room, uses in TABLE.items() for use in uses if use not in found.get(room, {})] == []


def test_no_modules_import_one_another_around() -> None:
    graph = python_source.imports(ROOT)
    assert sum(map(len, graph.values())) > 500
    assert circles(graph) == []


def test_no_c_files_call_one_another_around() -> None:
    graph = c_source.calls(ROOT, PRODUCTS)
    assert sum(map(len, graph.values())) > 200
    assert circles(graph) == []


def test_no_headers_include_one_another_around() -> None:
    assert circles(c_source.includes(ROOT)) == []


def test_each_wing_of_the_build_is_a_room_whose_uses_are_of_the_same_product() -> None:
    for product in PRODUCTS:
        assert set(product) <= set(TABLE)
        assert [(wing, use) for wing in product for use in TABLE[wing] if use not in product] == []


# ---- planted: what the tests above would say

PLANTED = [
    ("tools/recompiler/format/trailer.py", "from recompiler.signing import append\n", "recompiler/signing/append.py"),
    ("vkernel_proto/stub/clocks.py", "def later() -> None:\n    import recompiler.lift.lifter\n", "lift/lifter.py"),
    ("csrc/base/error.c", '#include "wire/wire.h"\n', "csrc/wire/wire.h"),
    ("csrc/wire/frame.c", '#include "sandbox/sandbox.h"\nvoid f(void) {\n    rc_sandbox_x();\n}\n', "csrc/sandbox/"),
]


def _copy(folder: Path) -> Path:
    for path in [*python_source.modules(ROOT).values(), *c_source.sources(ROOT)]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder.resolve()


@pytest.mark.parametrize(("name", "text", "told"), PLANTED, ids=[row[0] for row in PLANTED])
def test_a_planted_arrow_is_found(tmp_path: Path, name: str, text: str, told: str) -> None:
    root = _copy(tmp_path)
    assert wrong(root) == []
    path = root / name
    path.write_text(path.read_text() + text)
    assert [row for row in wrong(root) if row.startswith(f"{name} -> ") and told in row]


def test_a_planted_circle_is_found_in_each_language(tmp_path: Path) -> None:
    root = _copy(tmp_path)
    source, json = root / "tools/recompiler/format/source.py", root / "csrc/base/json.c"
    source.write_text(source.read_text() + "from recompiler.format import trailer\n")
    json.write_text(json.read_text() + '#include "base/schema.h"\nint f(void) {\n    return rc_subject_ok("", 0);\n}\n')
    assert ["source.py", "trailer.py"] in circles(python_source.imports(root))
    assert ["json.c", "json_unique.c", "schema.c"] in circles(c_source.calls(root, PRODUCTS))


def test_a_file_without_a_row_is_found(tmp_path: Path) -> None:
    assert room_of(tmp_path / "tools" / "recompiler" / "utils" / "x.py", tmp_path) is None
    assert room_of(tmp_path / "csrc" / "engine" / "lifted" / "new" / "x.c", tmp_path) is None
