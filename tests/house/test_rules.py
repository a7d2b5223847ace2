"""In: the source tree. Out: the house rules that a program can check hold; the arrows are test_arrows.py's."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.python_source import modules, names
from tests.testbed import ROOT, tracked

MODULES = modules(ROOT)

# What is outside of the house and not for these rooms: (room's folder, packages, why). Rooms are test_arrows.py's.
OUTSIDE = [
    (
        "vkernel_proto",
        ("lief", "iced_x86", "wasmtime", "ziglang"),
        "it reads no native code and compiles none",
    ),
    ("tools/recompiler/format", ("lief", "iced_x86", "cffi", "click"), "the trusted base is small"),
]
# Rooms that may print and exit, and use click.
COMMAND_LINE = ("recompiler.cli", "recompiler.__main__")

# Longer than 500 lines, with the reason.
LONG_FILES: dict[str, str] = {}

SOURCE_SUFFIXES = {".py", ".c", ".h", ".zig", ".md", ".toml", ".sh", ".wat", ".yml", ""}
LINE_LIMIT = 500


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize(("folder", "packages", "reason"), OUTSIDE, ids=lambda value: str(value)[:40])
def test_a_room_keeps_away_from_what_it_does_not_need(folder: str, packages: tuple[str, ...], reason: str) -> None:
    files = {name: path for name, path in MODULES.items() if path.is_relative_to(ROOT / folder)}
    assert files, f"{folder} has no modules: the test would prove nothing"
    found = [(name, m) for name, path in files.items() for m in names(path, name) if m.split(".")[0] in packages]
    assert not found, reason


def test_only_the_command_line_uses_click() -> None:
    library = {
        name: path for name, path in MODULES.items() if not name.startswith((*COMMAND_LINE, "vkernel_proto.cli"))
    }
    assert len(library) > 100
    assert not [name for name, path in library.items() if any(m.split(".")[0] == "click" for m in names(path, name))]


def test_the_readers_do_not_share_code() -> None:
    """The Python reader is written from the page: it must not lean on the C one."""
    files = {name: path for name, path in MODULES.items() if within(name, "recompiler.format")}
    assert {"recompiler.format.trailer", "recompiler.format.verify", "recompiler.format.keystore"} <= set(files)
    bound = ("recompiler.native", "recompiler._native", "recompiler.both")
    assert not [(name, m) for name, path in files.items() for m in names(path, name) if m.startswith(bound)]


def test_the_library_never_prints_and_never_exits() -> None:
    files = {name: path for name, path in MODULES.items() if within(name, "recompiler") and name not in COMMAND_LINE}
    wrong = []
    for path in (path for name, path in files.items() if not within(name, "recompiler.cli")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "exit", "quit", "sys.exit"):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {called}")
    assert not wrong


def test_a_file_of_more_than_500_lines_is_listed_with_its_reason() -> None:
    sources = [p for p in tracked() if p.suffix in {".py", ".c", ".h", ".zig", ".sh"}]
    assert sources
    lengths = {str(p.relative_to(ROOT)): p.read_bytes().count(b"\n") for p in sources}
    long_files = {name: lines for name, lines in lengths.items() if lines > LINE_LIMIT}
    assert set(long_files) <= set(LONG_FILES), long_files
    assert all(LONG_FILES.values())


def test_files_speak_of_the_project_alone() -> None:
    """No path of a workplace and no package registry's host: a checkout must mean the same everywhere."""
    # Spelled in halves so that this file does not name them either.
    words = ["/wo" + "rk/", "/home" + "/", "/tmp/" + "bash", "pypi" + ".org", "pythonhosted" + ".org"]
    wrong = []
    for path in tracked():
        if path.suffix in SOURCE_SUFFIXES and path.name != "requirements.lock":
            data = path.read_text(errors="replace")
            wrong += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in data]
    assert not wrong


def test_no_private_key_is_tracked() -> None:
    wrong = [p for p in tracked() if p.suffix in {".key", ".pem", ".secret"} or b"PRIVATE KEY--" in p.read_bytes()]
    assert not [p for p in wrong if p != Path(__file__)]
