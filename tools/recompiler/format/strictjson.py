"""Strict JSON (docs/format.md): bytes in, one dict of plain Python values out; and back to canonical bytes.

The standard library's scanner does the fast part. What it is lenient about (duplicate keys, floats, NaN, lone
surrogates, recursion on depth) is closed before it runs or in its hooks, so that each check is linear in the input.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from recompiler.errors import Error

MAX_INTEGER = 2**53 - 1
_TEXT_DEPTH = 64  # the recursion of the json module never goes deeper than this, whatever a caller asks for

# A string, closed or not, or one bracket. Possessive: an unclosed string is read once, never retried.
_TOKEN = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"?|[\[\]{}]')
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class _Refused(Exception):
    pass


def loads(data: bytes, *, max_depth: int, max_size: int | None = None, code: str) -> dict[str, Any]:
    """Reads one strict-JSON object; max_depth counts nested arrays and objects, the top object included.

    Raises Error(code) for anything else, in time linear in len(data) and without recursion on its depth.
    """
    try:
        if max_size is not None and len(data) > max_size:
            raise _Refused(f"{len(data)} bytes, the limit is {max_size}")
        return _read(data, min(max_depth, _TEXT_DEPTH))
    except UnicodeDecodeError as e:
        raise Error(code, "not valid UTF-8", e.start) from None
    except json.JSONDecodeError as e:
        raise Error(code, f"not JSON: {e.msg}", e.pos) from None
    except _Refused as e:
        raise Error(code, f"not strict JSON: {e}") from None


def dumps(value: Any) -> bytes:
    """Canonical bytes: ASCII, sorted keys, separators `,` and `:`, one LF at the end; equal content is equal bytes."""
    return _ENCODER.encode(value).encode("ascii") + b"\n"


def _read(data: bytes, max_depth: int) -> dict[str, Any]:
    text = data.decode("utf-8", "strict")
    _check_depth(text, max_depth)
    value = _DECODER.decode(text)
    if not isinstance(value, dict):
        raise _Refused("the top value is not an object")
    if _SURROGATE_ESCAPE.search(text):
        _refuse_lone_surrogates(value)
    return value


def _check_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return  # not even side by side; what else is wrong with a string the scanner says
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        first = token[0]
        if first == '"':
            if len(token) == 1 or token[-1] != '"':
                raise _Refused("a string is not closed, or holds a control character or an unknown escape")
        elif first in "[{":
            depth += 1
            if depth > max_depth:
                raise _Refused(f"nested deeper than {max_depth}")
        else:
            depth -= 1


def _refuse_lone_surrogates(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += item.keys()
            pending += item.values()
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, str) and not item.isascii():
            try:
                item.encode("utf-8", "strict")
            except UnicodeEncodeError:
                raise _Refused("an unpaired surrogate") from None


def _integer(digits: str) -> int:
    # 2^53-1 has 16 digits: int() never sees a long string (its cost is quadratic)
    if digits == "-0" or len(digits) > 17 or not -MAX_INTEGER <= int(digits) <= MAX_INTEGER:
        raise _Refused(f"the number {digits[:24]} is not an integer within +-(2^53-1)")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise _Refused(f"{text[:24]} is not an integer")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("a key stands twice in one object")
    return members


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_no_number, parse_constant=_no_number, object_pairs_hook=_object, strict=True
)
