"""In: every page of the checkout. Out: its links lead somewhere, its error codes and commands exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from recompiler.cli import COMMANDS
from recompiler.cli import recompiler as recompiler_command
from recompiler.errors import CODES
from tests.testbed import ROOT, tracked
from vkernel_proto.cli import main as vkernel_command

PAGES = [path for path in tracked() if path.suffix == ".md"]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings answer to."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_are_there() -> None:
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "SECURITY.md", "docs/format.md", "docs/threat-model.md", "keys/README.md"} <= names


@EACH_PAGE
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), f"{target} is not there"
        assert found.resolve().is_relative_to(ROOT), f"{target} leaves the checkout"
        assert not fragment or fragment in anchors(found), f"{target}: no such heading"


@EACH_PAGE
def test_every_error_code_exists(page: Path) -> None:
    header = (ROOT / "csrc" / "base" / "codes.h").read_text()
    known = set(re.findall(r"X\((E_\w+),", header))
    assert known == set(CODES)
    for code in re.findall(r"\bE_[A-Z_]+\b\*?", page.read_text()):
        if code.endswith(("_*", "_")):  # a family: E_KEYS_*
            assert any(each.startswith(code.rstrip("*")) for each in known), code
        else:
            assert code in known, code


def fenced_lines(page: Path) -> Iterator[str]:
    """Lines of fenced and indented blocks, continued ones joined, without comments."""
    for block in re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"\$\(.*?\)", "x", re.sub(r"(^|\s)#.*", "", line))


def subcommand(command: click.Command, words: list[str]) -> tuple[click.Command, list[str]]:
    """Follows words down a command line's groups."""
    while isinstance(command, click.Group):
        name = words[0] if words else "(none)"
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no {name}"
        command, words = found, words[1:]
    return command, words


@EACH_PAGE
def test_every_command_in_a_block_exists_with_its_options(page: Path) -> None:
    roots: dict[str, click.Command] = {"recompiler": recompiler_command, "vkernel": vkernel_command}
    for line in fenced_lines(page):
        for part in re.split(r"&&|\|\|?|;", line):
            words = part.removeprefix("$").split()
            if not words or words[0] not in roots:
                continue
            if len(words) > 1 and words[1].isupper():  # `recompiler COMMAND --help`
                continue
            command, rest = subcommand(roots[words[0]], words[1:])
            if command.context_settings.get("ignore_unknown_options"):
                continue  # cc and run pass on what is not theirs
            options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {
                "--help",
                "-h",
            }
            wrong = [word for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options]
            assert not wrong, f"{words[0]} {words[1]} has no {wrong}"


def test_every_command_is_named_in_some_page() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    missing = [name for name in COMMANDS if f"recompiler {name}" not in text and f"`{name}`" not in text]
    assert not missing


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert all(f"\n   {number}. " in text for number in range(1, 10))


def test_third_party_page_names_every_dependency() -> None:
    page = (ROOT / "THIRD-PARTY.md").read_text().lower()
    project = (ROOT / "pyproject.toml").read_text()
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)
    assert dependencies
    names = re.findall(r'"([A-Za-z0-9_-]+)', dependencies.group(1))
    assert len(names) > 5
    assert not [name for name in names if name.lower() not in page]


@EACH_PAGE
def test_a_line_has_at_most_120_characters_outside_of_tables_and_blocks(page: Path) -> None:
    text = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), page.read_text(), flags=re.M | re.S)
    lines = enumerate(text.splitlines(), 1)
    assert [number for number, line in lines if len(line) > 120 and not line.startswith(("|", "    "))] == []
