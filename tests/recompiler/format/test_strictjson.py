"""In: documents that JSON readers disagree about. Out: strictjson takes the strict ones only, and quickly."""

from __future__ import annotations

import json
import random

import pytest

from recompiler.errors import Error
from recompiler.format import strictjson

SEED = 20261121


def loads(data: bytes, max_depth: int = 16) -> dict[str, object]:
    return strictjson.loads(data, max_depth=max_depth, code="E_RPC_JSON")


REFUSED = {
    "nothing": b"",
    "white space alone": b" \n",
    "an array": b"[]",
    "a string": b'"a"',
    "a number": b"1",
    "two values": b"{}{}",
    "trailing text": b"{}x",
    "a NUL behind": b"{}\0",
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "Latin-1": b'{"a":"\xe9"}',
    "an overlong encoding": b'{"a":"\xc0\xaf"}',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "an escaped lone surrogate": b'{"a":"\\ud800"}',
    "a lone surrogate as a key": b'{"\\uDC00":1}',
    "surrogates in the wrong order": b'{"a":"\\udc00\\ud800"}',
    "a key twice": b'{"a":1,"a":1}',
    "a key twice by escape": b'{"a":1,"\\u0061":2}',
    "a key twice, deep": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "a float": b'{"a":1.0}',
    "an exponent": b'{"a":1e2}',
    "1e400": b'{"a":1e400}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "-0": b'{"a":-0}',
    "a leading zero": b'{"a":01}',
    "a plus": b'{"a":+1}',
    "hex": b'{"a":0x1}',
    "2^53": b'{"a":9007199254740992}',
    "-2^53": b'{"a":-9007199254740992}',
    "a comment": b'{"a":1}//x',
    "a trailing comma": b'{"a":1,}',
    "a trailing comma in a list": b'{"a":[1,]}',
    "single quotes": b"{'a':1}",
    "a raw control character": b'{"a":"\x01"}',
    "a raw tab in a string": b'{"a":"\t"}',
    "a raw line feed in a string": b'{"a":"\n"}',
    "vertical tab as white space": b'{"a":\x0b1}',
    "no-break space as white space": '{"a":\u00a01}'.encode(),
    "an unknown escape": b'{"a":"\\x41"}',
    "a short unicode escape": b'{"a":"\\u12"}',
    "a unicode escape with a space": b'{"a":"\\u 123"}',
    "an open string": b'{"a":"b',
    "an open object": b'{"a":1',
    "a bracket too many": b'{"a":1}}',
    "brackets that cross": b'{"a":[}]',
    "a misspelt true": b'{"a":True}',
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_it_refuses(data: bytes) -> None:
    with pytest.raises(Error) as caught:
        loads(data)
    assert caught.value.code == "E_RPC_JSON"


def test_it_takes_the_limits_themselves() -> None:
    text = '{"a":9007199254740991,"b":-9007199254740991,"c":0,"d":[true,false,null],"e":"\\ud83d\\ude00\u00e9\x7f"}'
    assert loads(f" \t\r\n{text}\n".encode()) == {
        "a": 2**53 - 1,
        "b": 1 - 2**53,
        "c": 0,
        "d": [True, False, None],
        "e": "\U0001f600\u00e9\x7f",
    }


def test_the_depth_limit_counts_the_top_object_and_not_brackets_in_strings() -> None:
    assert loads(b'{"a":[{"b":"[[[{{{\\"]"}]}', 3)
    with pytest.raises(Error):
        loads(b'{"a":[{"b":1}]}', 2)


def test_the_size_limit_is_the_callers() -> None:
    assert strictjson.loads(b"{}", max_depth=1, max_size=2, code="E_RPC_JSON") == {}
    with pytest.raises(Error):
        strictjson.loads(b"{} ", max_depth=1, max_size=2, code="E_RPC_JSON")


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' * 100_000,
        b"[" * 1_000_000,
        b'{"a":"' + b'\\"' * 1_000_000,
        b'"' * 1_000_000,
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b'{"a":-' + b"0" * 1_000_000 + b"}",
        b'{"a":"' + b"\\u12" * 500_000,
    ],
    ids=[
        "deep objects",
        "deep lists",
        "open string of escapes",
        "quotes",
        "a long number",
        "a long zero",
        "half escapes",
    ],
)
def test_hostile_megabytes_are_refused_without_recursion(data: bytes) -> None:
    with pytest.raises(Error, match="E_RPC_JSON"):
        loads(data)


def test_canonical_bytes_are_sorted_ascii_with_one_newline() -> None:
    assert strictjson.dumps({"b": "\u00e9", "a": [1, True]}) == b'{"a":[1,true],"b":"\\u00e9"}\n'


def test_what_it_writes_it_reads_back() -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")

    def value(depth: int) -> object:
        kind = rng.randrange(6 if depth else 4)
        if kind == 4:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 5:
            return {text(): value(depth - 1) for _ in range(rng.randrange(4))}
        return (rng.randrange(-(2**53) + 1, 2**53), text(), None, rng.random() < 0.5)[kind]

    def text() -> str:
        return "".join(chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(3))

    for _ in range(500):
        document = {text(): value(5) for _ in range(3)}
        assert loads(strictjson.dumps(document)) == document


def test_it_takes_nothing_that_the_standard_library_refuses() -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    original = b'{"a":[1,-2,{"b":"\\u00e9\\n","c":null}],"d":{"e":true,"f":[[],{}]}}'
    accepted = 0
    for _ in range(5000):
        data = bytearray(original)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.choice(b'{}[]",:\\0123456789-+.eEutrfnls\x00\x1f \x80\xff')
        try:
            found = loads(bytes(data))
        except Error:
            continue
        accepted += 1
        assert json.loads(data) == found
    assert accepted > 10
