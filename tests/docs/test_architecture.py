"""docs/architecture.md names the parts that are there: the wings and their products, and the rooms of both packages."""

from __future__ import annotations

import re

from tests.house import rooms
from tests.house.test_arrows import WINGS
from tests.testbed import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()


def section(heading: str) -> str:
    return PAGE[PAGE.index(f"\n### {heading}") :].split("\n## ", 1)[0].split("\n### ", 2)[1]


def folders(text: str) -> set[str]:
    """What stands in backquotes in a table's first column, with the / that folders have."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([\w/]+)/`", cell)}


def test_products_are_made_of_the_wings_that_the_page_says() -> None:
    rows = re.findall(r"^\| `?([\w-]+)`? \| ([\w/, ]+)", section("csrc"), re.M)
    page = {product: [f"csrc/{wing}" for wing in wings.strip().split(", ")] for product, wings in rows}
    assert {product: page.get(product) for product in WINGS} == WINGS


def test_every_wing_is_on_the_page() -> None:
    wings = {name.removeprefix("csrc/") for name in rooms.table() if name.startswith("csrc/")}
    assert folders(section("csrc")) == wings | {"x87"}


def test_every_room_of_the_packages_is_on_the_page() -> None:
    known = [name for name in rooms.table() if (ROOT / name).is_dir()]
    tools = {name.removeprefix("tools/recompiler/").split("/")[0] for name in known if name.startswith("tools/")}
    assert folders(section("tools/recompiler")) == tools
    stages = {name.rpartition("/")[2] for name in known if name.startswith("tools/recompiler/lift/")}
    text = section("tools/recompiler").partition("The stages of `lift/`")[2]
    assert set(re.findall(r"`([\w]+)/`", text)) == stages
    kernel = {name.partition("/")[2] for name in known if name.startswith("vkernel_proto/")}
    assert folders(section("vkernel_proto")) == kernel
