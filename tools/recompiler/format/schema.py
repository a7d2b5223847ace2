"""Shapes of JSON documents: a value and its rule in, nothing or one refusal (a place such as keys[0].label) out.

A rule is a function of a value and its place; the functions here build rules from rules, so that a document's shape is
a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from recompiler.errors import Error

Rule = Callable[[Any, str], None]
MAX_INTEGER = 2**53 - 1


class Mismatch(Exception):
    """The value at a place is not what its rule asks for."""


def check(value: Any, rule: Rule, code: str) -> None:
    """Raises Error(code) when value breaks the rule."""
    try:
        rule(value, "")
    except Mismatch as e:
        raise Error(code, str(e)) from None


def expect(holds: bool, place: str, wanted: str) -> None:
    """Raises Mismatch unless the condition holds."""
    if not holds:
        raise Mismatch(f"{printable(place) or 'the document'}: {wanted}")


def printable(text: str) -> str:
    """Text that can stand in one line of a message: ASCII, escaped, cut."""
    return ascii(text)[1:-1][:80]


def integer(low: int = 0, high: int = MAX_INTEGER) -> Rule:
    """An integer within low..high (a boolean is none)."""

    def rule(value: Any, place: str) -> None:
        expect(type(value) is int and low <= value <= high, place, f"an integer from {low} to {high} is needed")

    return rule


def string(pattern: str | None = None, holds: Callable[[str], bool] | None = None, what: str = "") -> Rule:
    """A string; of the pattern, and for which the predicate holds."""
    compiled = None if pattern is None else re.compile(pattern)

    def rule(value: Any, place: str) -> None:
        expect(isinstance(value, str), place, "a string is needed")
        expect(compiled is None or compiled.fullmatch(value) is not None, place, what or f"{pattern} is needed")
        expect(holds is None or holds(value), place, what or "a wrong value")

    return rule


def one_of(*values: str) -> Rule:
    """One of these strings."""

    def rule(value: Any, place: str) -> None:
        expect(isinstance(value, str) and value in values, place, f"one of {', '.join(values)} is needed")

    return rule


def array(item: Rule, low: int = 0, high: int | None = None, distinct: Callable[[Any], Any] | None = None) -> Rule:
    """A list of low..high items; distinct gives what must differ from item to item."""

    def rule(value: Any, place: str) -> None:
        expect(isinstance(value, list), place, "a list is needed")
        expect(len(value) >= low and (high is None or len(value) <= high), place, f"{len(value)} items are not allowed")
        for i, element in enumerate(value):
            item(element, f"{place}[{i}]")
        if distinct is not None:
            expect(len({distinct(element) for element in value}) == len(value), place, "the same item stands twice")

    return rule


def record(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """An object with all required fields, perhaps optional ones, and no others."""
    fields = {**required, **(optional or {})}

    def rule(value: Any, place: str) -> None:
        expect(isinstance(value, dict), place, "an object is needed")
        for name in required:
            expect(name in value, f"{place}.{name}".lstrip("."), "is missing")
        for name, element in value.items():
            expect(name in fields, f"{place}.{name}".lstrip("."), "is not a field here")
            fields[name](element, f"{place}.{name}".lstrip("."))

    return rule


def table(key: str, item: Rule) -> Rule:
    """An object whose keys match a pattern and whose values follow one rule."""
    compiled = re.compile(key)

    def rule(value: Any, place: str) -> None:
        expect(isinstance(value, dict), place, "an object is needed")
        for name, element in value.items():
            expect(compiled.fullmatch(name) is not None, f"{place}.{name}", f"the key must be {key}")
            item(element, f"{place}.{name}")

    return rule


HEX64 = string(r"[0-9a-f]{64}", what="64 lower-case hex digits are needed")
