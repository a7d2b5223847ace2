"""docs/wire.md has every message that a bundle's vkernel takes, and none that it does not."""

from __future__ import annotations

import json
import re

from tests.testbed import ROOT
from vkernel_proto.engine import requests


def test_the_page_has_every_message_with_its_fields() -> None:
    page = (ROOT / "docs" / "wire.md").read_text()
    text = page[page.index("\n## Containers of a bundle") : page.index("\n## The stub's environment")]
    shown = {
        name: set(json.loads(example.replace("...", "null")))
        for name, example in re.findall(r"^\| (\w+) \| `(\{.*?\})`", text, re.M)
    }
    assert shown.keys() == requests._TABLE.keys()
    for name, (needed, optional, _) in requests._TABLE.items():
        assert needed.keys() - {"type"} <= shown[name] - {"type"}, name
        assert shown[name] <= {"type", *needed, *optional}, name
        assert all(f"`{field}`" in text or field in shown[name] for field in optional), name
