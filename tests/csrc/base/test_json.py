"""Strict JSON in C: what is a document, what is refused, and that size and depth cost no stack and no time squared."""

from __future__ import annotations

import json
import random

import pytest

from recompiler import native
from recompiler.errors import Error
from recompiler.format import strictjson

DEPTH = 8

ACCEPTED = {
    "empty object": b"{}",
    "every kind of value": rb'{"a":[1,-1,0,true,false,null,"x",{},[]]}',
    "white space": b' \t\r\n{ "a" : [ 1 , 2 ] } \n',
    "largest integers": b'{"a":[9007199254740991,-9007199254740991]}',
    "every escape": rb'{"a":"\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00"}',
    "UTF-8 of two, three, four bytes": '{"é":"€","\U0001f600":"\U0010ffff"}'.encode(),
    "DEL": b'{"a":"\x7f"}',
    "the same key in different objects": b'{"a":{"a":[{"a":1},{"a":2}]},"b":{"a":3}}',
    "keys that differ by case": b'{"a":1,"A":2}',
    "a key that is another's beginning": b'{"a":1,"aa":2,"":3}',
    "depth at the limit": b'{"a":' + b"[" * (DEPTH - 1) + b"]" * (DEPTH - 1) + b"}",
}

REFUSED = {
    "nothing": b"",
    "white space only": b" \n",
    "a top array": b"[]",
    "a top string": b'"a"',
    "a top number": b"1",
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "two values": b"{}{}",
    "a NUL behind the value": b"{}\0",
    "a form feed as white space": b"{\x0c}",
    "trailing comma in an object": b'{"a":1,}',
    "trailing comma in an array": b'{"a":[1,]}',
    "leading comma": b'{,"a":1}',
    "no comma": b'{"a":1 "b":2}',
    "no colon": b'{"a" 1}',
    "no value": b'{"a":}',
    "a key without quotes": b"{a:1}",
    "single quotes": b"{'a':1}",
    "a number as key": b"{1:1}",
    "an object not closed": b'{"a":1',
    "an array not closed": b'{"a":[1}',
    "closed too often": b'{"a":1}}',
    "a string not closed": b'{"a":"x',
    "a comment": b'{"a":1/**/}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "a float": b'{"a":1.5}',
    "an exponent": b'{"a":1e5}',
    "1e400": b'{"a":1e400}',
    "-0": b'{"a":-0}',
    "a leading zero": b'{"a":01}',
    "a leading plus": b'{"a":+1}',
    "a minus alone": b'{"a":-}',
    "2^53": b'{"a":9007199254740992}',
    "-2^53": b'{"a":-9007199254740992}',
    "2^64 + 1": b'{"a":18446744073709551617}',
    "a number of 10,000 digits": b'{"a":' + b"1" * 10_000 + b"}",
    "a raw control character": b'{"a":"\x1f"}',
    "a raw LF": b'{"a":"\n"}',
    "a raw NUL": b'{"a":"\0"}',
    "an unknown escape": rb'{"a":"\x41"}',
    "an escaped NUL byte": b'{"a":"\\\0"}',
    "a short escape": rb'{"a":"\u12"}',
    "a lone high surrogate": rb'{"a":"\ud800"}',
    "a lone low surrogate": rb'{"a":"\udc00"}',
    "a high surrogate and a letter": rb'{"a":"\ud800\u0041"}',
    "surrogates in the wrong order": rb'{"a":"\udc00\ud800"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "an overlong NUL": b'{"a":"\xc0\x80"}',
    "an overlong slash": b'{"a":"\xe0\x80\xaf"}',
    "a code point above U+10FFFF": b'{"a":"\xf4\x90\x80\x80"}',
    "a lone continuation byte": b'{"a":"\x80"}',
    "UTF-8 cut off by the quote": b'{"a":"\xc3"}',
    "Latin-1": '{"a":"é"}'.encode("latin-1"),
    "true in capitals": b'{"a":True}',
    "half of null": b'{"a":nul}',
    "a repeated key": b'{"a":1,"a":1}',
    "a repeated key by escape": rb'{"a":1,"\u0061":1}',
    "a repeated key by surrogates": '{"\U0001f600":1,"\\ud83d\\ude00":1}'.encode(),
    "a repeated empty key": b'{"":1,"":1}',
    "a repeated key inside": b'{"x":[{"y":{"a":1,"b":2,"a":3}}]}',
    "a repeated key around objects": b'{"a":{"b":{}},"c":{},"a":{}}',
    "depth above the limit": b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    "depth 100,000": b'{"a":' + b"[" * 100_000,
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_strict_json_is_accepted(text: bytes) -> None:
    native.json_check(text, DEPTH)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(Error) as caught:
        native.json_check(text, DEPTH)
    assert caught.value.code == "E_RPC_JSON"
    assert caught.value.offset is not None
    assert caught.value.offset <= len(text)


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_every_truncation_of_a_document_is_refused(text: bytes) -> None:
    whole = text.rstrip()
    for length in range(len(whole)):
        with pytest.raises(Error):
            native.json_check(whole[:length], DEPTH)


def test_a_repeated_key_is_found_among_200_000() -> None:
    keys = [f"key-{i}" for i in range(200_000)]
    random.Random(1).shuffle(keys)
    document = dict.fromkeys(keys, 0)
    text = json.dumps(document).encode()
    native.json_check(text, DEPTH)
    again = text[:-1] + b', "key-77777": 1}'
    with pytest.raises(Error) as caught:
        native.json_check(again, DEPTH)
    assert caught.value.offset == len(text) + 1  # the second of the two


def test_keys_with_a_long_common_beginning_are_told_apart() -> None:
    document = {"x" * 2000 + str(i): i for i in range(2100)}
    native.json_check(json.dumps(document).encode(), DEPTH)


def test_a_depth_limit_outside_the_parser_s_is_an_internal_error() -> None:
    for depth in (0, -1, 33):
        with pytest.raises(Error) as caught:
            native.json_check(b"{}", depth)
        assert caught.value.code == "E_INTERNAL"


def test_c_and_python_agree_on_20_000_mutated_documents() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    words = [
        b'"a"',
        b'"\\u0061"',
        b"\\ud83d\\ude00",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b"\xc3\xa9",
        b'"',
        b" ",
    ]
    seeds = [*ACCEPTED.values(), *(text for text in REFUSED.values() if len(text) < 100)]
    accepted = 0
    for _ in range(20_000):
        text = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3))):
            at = rng.randrange(len(text) + 1)
            text[at : at + rng.randrange(3)] = rng.choice((rng.choice(words), bytes([rng.randrange(256)]), b""))
        mutant = bytes(text)
        verdicts = []
        for check in (lambda t: native.json_check(t, DEPTH), python_check):
            try:
                check(mutant)
                verdicts.append("OK")
            except Error as e:
                verdicts.append(e.code)
        assert verdicts[0] == verdicts[1], f"seed {seed}: {mutant!r}: C {verdicts[0]}, Python {verdicts[1]}"
        accepted += verdicts[0] == "OK"
    assert accepted > 300


def python_check(text: bytes) -> None:
    strictjson.loads(text, max_depth=DEPTH, code="E_RPC_JSON")
