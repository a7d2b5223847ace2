"""In: the source tree. Out: the arrows of imports hold, and so do the house rules that a program can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed import ROOT, tracked

# csrc -> recompiler formats -> vkernel_proto -> recompiler commands. (importers, what they may not import, why)
ARROWS = [
    (
        "vkernel_proto",
        ["recompiler.cli", "recompiler.pipeline", "recompiler.lift", "recompiler.cc", "lief"],
        "the pipeline and the lifter are not in the trusted base",
    ),
]

# Modules of recompiler that are verbs: they may use vkernel_proto. All others are formats.
COMMANDS = ("recompiler.cli", "recompiler.__main__", "recompiler.run")

# Longer than 500 lines, with the reason.
LONG_FILES: dict[str, str] = {}

SOURCE_SUFFIXES = {".py", ".c", ".h", ".zig", ".md", ".toml", ".sh", ".wat", ".yml", ""}
LINE_LIMIT = 500


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts[1:] if relative.parts[0] == "tools" else relative.parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that this file can import, imports inside functions included."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(("importer", "forbidden", "reason"), ARROWS, ids=lambda value: str(value)[:40])
def test_the_arrow_holds(importer: str, forbidden: list[str], reason: str) -> None:
    files = modules(importer)
    assert files, f"{importer} has no modules: the test would prove nothing"
    wrong = [(module_name(f), m) for f in files for m in imports(f) if any(within(m, bad) for bad in forbidden)]
    assert not wrong, reason


def test_formats_never_import_the_vkernel_or_the_command_line() -> None:
    files = [f for f in modules("tools/recompiler") if not any(within(module_name(f), c) for c in COMMANDS)]
    assert len(files) > 3
    above = ("vkernel_proto", "recompiler.cli", "click")
    wrong = [(module_name(f), m) for f in files for m in imports(f) if any(within(m, bad) for bad in above)]
    assert not wrong


def test_the_readers_do_not_share_code() -> None:
    """The Python reader is written from the page: it must not lean on the C one, nor its writer on the tests."""
    readers = ["trailer", "keys", "manifest", "strictjson", "wasm", "verify"]
    files = [f for f in modules("tools/recompiler") if f.stem in readers]
    assert files
    assert not [
        (f.name, m) for f in files for m in imports(f) if m.startswith(("recompiler.native", "recompiler._native"))
    ]


def test_the_library_never_prints_and_never_exits() -> None:
    files = [f for f in modules("tools/recompiler") if not within(module_name(f), "recompiler.cli")]
    wrong = []
    for path in files:
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
