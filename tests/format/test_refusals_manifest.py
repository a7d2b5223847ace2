"""In: manifests wrong in one named way, in files that are signed all the same. Out: the E_MANIFEST_* code of each."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from blake3 import blake3

from tests.format import builder as b
from tests.format.builder import dump, executable, manifest_document, small_store, wasm
from tests.format.mutants_json import full_manifest
from tests.format.verdicts import OK, verdict

MODULE = wasm()
AOT = b"native code"
HASH = [blake3(bytes([n])).hexdigest() for n in range(4)]  # the entries of full_manifest
ELF, SCRIPT, POLYFILL = (("entries", HASH[n]) for n in range(3))

SYNTAX, SCHEMA, PATH = "E_MANIFEST_SYNTAX", "E_MANIFEST_SCHEMA", "E_MANIFEST_PATH"
GONE = object()


def judged(manifest: bytes) -> str:
    return verdict(executable(module=MODULE, manifest=manifest, aot=AOT).signed(), small_store())


def changed(*changes: tuple[tuple[Any, ...], Any]) -> bytes:
    """The full manifest with values put at (or, GONE, taken from) these places."""
    document = copy.deepcopy(full_manifest(MODULE, AOT))
    for (*path, last), value in changes:
        parent = document
        for step in path:
            parent = parent[step]
        if value is GONE:
            del parent[last]
        else:
            parent[last] = value
    return dump(document)


def at(*path: Any, value: Any) -> bytes:
    return changed((path, value))


FULL = dump(full_manifest(MODULE, AOT))


def text(old: bytes, new: bytes) -> bytes:
    assert FULL.count(old) >= 1
    return FULL.replace(old, new, 1)


def deep(depth: int) -> bytes:
    return text(b'"mounts":[]', b'"mounts":' + b"[" * depth + b"]" * depth)


ROWS: dict[str, tuple[bytes, str]] = {
    "white space": (b" ", SYNTAX),
    "an array": (b"[]", SYNTAX),
    "a number": (b"1", SYNTAX),
    "a byte order mark": (b"\xef\xbb\xbf" + FULL, SYNTAX),
    "UTF-16": (FULL.decode().encode("utf-16"), SYNTAX),
    "UTF-32": (FULL.decode().encode("utf-32-le"), SYNTAX),
    "Latin-1": (text(b'"provider":"quickjs"', b'"provider":"qu\xefckjs"'), SYNTAX),
    "an overlong slash": (text(b"/usr/bin/hello", b"/usr\xc0\xafbin"), SYNTAX),
    "a surrogate in UTF-8": (text(b'"run"', b'"\xed\xa0\x80"'), SYNTAX),
    "a character over U+10FFFF": (text(b'"run"', b'"\xf4\x90\x80\x80"'), SYNTAX),
    "a lone high surrogate": (text(b'"run"', b'"\\ud800"'), SYNTAX),
    "a lone low surrogate": (text(b'"run"', b'"\\udc00"'), SYNTAX),
    "a pair of surrogates in the wrong order": (text(b'"run"', b'"\\udc00\\ud800"'), SYNTAX),
    "a lone surrogate in a key": (text(b'"mounts"', b'"\\ud800"'), SYNTAX),
    "a raw NUL": (text(b'"run"', b'"ru\0n"'), SYNTAX),
    "a raw newline in a string": (text(b'"run"', b'"ru\nn"'), SYNTAX),
    "an unknown escape": (text(b'"run"', b'"\\x41"'), SYNTAX),
    "an escape cut short": (text(b'"run"', b'"\\u00"'), SYNTAX),
    "an escape with a sign": (text(b'"run"', b'"\\u+041"'), SYNTAX),
    "a key twice": (text(b'"schema"', b'"name":"demo/hello","schema"'), SYNTAX),
    "a key twice, once by an escape": (text(b'"schema"', b'"nam\\u0065":"x","schema"'), SYNTAX),
    "a key twice in policy": (text(b'"mounts"', b'"mounts":[],"mounts"'), SYNTAX),
    "a key twice in limits": (text(b'"processes"', b'"processes":9,"processes"'), SYNTAX),
    "an entry twice": (text(f'"{HASH[0]}":{{'.encode(), f'"{HASH[0]}":{{}},"{HASH[0]}":{{'.encode()), SYNTAX),
    "a key twice at depth 4": (text(b'"reason":"r"', b'"reason":"q","reason":"r"'), SYNTAX),
    "an unknown key twice at depth 16": (
        text(b'"mounts":[]', b'"mounts":' + b"[" * 13 + b'{"a":1,"a":2}' + b"]" * 13),
        SYNTAX,
    ),
    "NaN": (text(b'"functions":2', b'"functions":NaN'), SYNTAX),
    "Infinity": (text(b'"functions":2', b'"functions":Infinity'), SYNTAX),
    "-Infinity": (text(b'"functions":2', b'"functions":-Infinity'), SYNTAX),
    "a float": (text(b'"functions":2', b'"functions":2.0'), SYNTAX),
    "an exponent": (text(b'"functions":2', b'"functions":2e0'), SYNTAX),
    "1e400": (text(b'"functions":2', b'"functions":1e400'), SYNTAX),
    "minus zero": (text(b'"functions":2', b'"functions":-0'), SYNTAX),
    "2^53": (text(b'"functions":2', b'"functions":9007199254740992'), SYNTAX),
    "-2^53": (text(b'"functions":2', b'"functions":-9007199254740992'), SYNTAX),
    "2^64 + 2": (text(b'"functions":2', b'"functions":18446744073709551618'), SYNTAX),
    "a number of 100000 digits": (text(b'"functions":2', b'"functions":' + b"9" * 100_000), SYNTAX),
    "depth 17": (deep(15), SYNTAX),
    "depth 100000": (deep(100_000), SYNTAX),
    "100000 open arrays": (b"[" * 100_000, SYNTAX),
    "100000 open objects": (b'{"a":' * 100_000, SYNTAX),
    "trailing bytes": (FULL + b"x", SYNTAX),
    "a trailing NUL": (FULL + b"\0", SYNTAX),
    "a second document": (FULL + FULL, SYNTAX),
    "a trailing comma": (FULL.rstrip()[:-1] + b",}", SYNTAX),
    "a comment": (FULL + b"// done", SYNTAX),
    "a form feed for white space": (FULL + b"\x0c", SYNTAX),
    "a no-break space for white space": (FULL + b"\xc2\xa0", SYNTAX),
    "cut": (FULL.rstrip()[:-1], SYNTAX),
    "depth 16": (deep(14), SCHEMA),
    "{}": (b"{}", SCHEMA),
    **{f"no {name}": (at(name, value=GONE), SCHEMA) for name in ("schema", "name", "megabinary", "entries", "policy")},
    **{
        f"no policy.{name}": (at("policy", name, value=GONE), SCHEMA)
        for name in ("syscalls", "network", "mounts", "limits")
    },
    **{
        f"an unknown field in {'.'.join(p) or 'the top'}": (at(*p, "x", value=1), SCHEMA)
        for p in (
            (),
            ("policy",),
            ("policy", "syscalls"),
            ("policy", "network"),
            ("policy", "limits"),
            ("megabinary",),
            ("source",),
            ("coverage",),
        )
    },
    "an unknown field of an entry": (at(*ELF, "x", value=1), SCHEMA),
    "a field in capitals": (text(b'"mounts"', b'"Mounts"'), SCHEMA),
    "another schema": (at("schema", value="recompiler/manifest/v2"), SCHEMA),
    "a name that is no subject": (at("name", value="Demo/hello"), SCHEMA),
    "a name with .. in it": (at("name", value="demo/../hello"), SCHEMA),
    "a name that is a number": (at("name", value=1), SCHEMA),
    "a digest in capitals": (at("megabinary", "blake3", value=blake3(MODULE).hexdigest().upper()), SCHEMA),
    "a size that is a string": (at("megabinary", "size", value=str(len(MODULE))), SCHEMA),
    "a size that is true": (at("megabinary", "size", value=True), SCHEMA),
    "a negative size": (at("megabinary", "size", value=-1), SCHEMA),
    "entries that are a list": (at("entries", value=[]), SCHEMA),
    "an entry of another name than a digest": (at("entries", "bash", value={}), SCHEMA),
    "an entry 2^31": (at(*ELF, "entry", value=1 << 31), SCHEMA),
    "an entry -1": (at(*ELF, "entry", value=-1), SCHEMA),
    "an empty export": (at(*ELF, "export", value=""), SCHEMA),
    "an export of 256 bytes": (at(*ELF, "export", value="a" * 256), SCHEMA),
    "an unknown kind": (at(*ELF, "kind", value="so"), SCHEMA),
    "no paths": (at(*ELF, "paths", value=[]), SCHEMA),
    "an interpreter of an elf": (at(*ELF, "interpreter", value=HASH[0]), SCHEMA),
    "a script without interpreter": (at(*SCRIPT, "interpreter", value=GONE), SCHEMA),
    "a polyfill without provider": (at(*POLYFILL, "provider", value=GONE), SCHEMA),
    "a polyfill that replaces nothing": (at(*POLYFILL, "replaces", value=GONE), SCHEMA),
    "syscalls allowed by default": (at("policy", "syscalls", "default", value="allow"), SCHEMA),
    "a syscall twice": (at("policy", "syscalls", "allow", value=["read", "read"]), SCHEMA),
    "a syscall in capitals": (at("policy", "syscalls", "allow", value=["READ"]), SCHEMA),
    "a syscall of 33 characters": (at("policy", "syscalls", "allow", value=["a" * 33]), SCHEMA),
    "a mount": (at("policy", "mounts", value=["/etc"]), SCHEMA),
    **{
        f"{name} 0": (at("policy", "limits", name, value=0), SCHEMA)
        for name in ("memory_bytes", "processes", "open_files")
    },
    **{
        f"the rule {rule!r}": (at("policy", "network", "connect", value=[rule]), SCHEMA)
        for rule in (
            "",
            "*",
            "localhost:80",
            "1.2.3.4",
            "1.2.3.4:0",
            "1.2.3.4:65536",
            "1.2.3.4:080",
            "1.2.3:80",
            "1.2.3.256:80",
            "01.2.3.4:80",
            "1.2.3.4/33:80",
            "1.2.3.4/08:80",
            "1.2.3.4/:80",
            "::1:80",
            "[::1]",
            "[::1%lo]:80",
            "[1::2::3]:80",
            "[::1/129]:80",
            "*:-1",
            " *:80",
            "*:80\n",
        )
    },
    **{
        f"the path {path!r:.24}": (at(*ELF, "paths", value=["/ok", path]), PATH)
        for path in (
            "",
            "bash",
            "./bash",
            "/",
            "//",
            "/usr//bin",
            "/usr/",
            "/.",
            "/..",
            "/usr/./bin",
            "/usr/../bin",
            "/usr/bin/..",
            "/a\0b",
            "/a\x01",
            "/a\x1f",
            "/a\n",
            "/a\x7f",
            "/a\x80",
            "/a\x9f",
            "/a\u061c",
            "/a\u200e",
            "/a\u200f",
            "/a\u202a",
            "/a\u202e",
            "/a\u2066",
            "/a\u2069",
            "/" + "a" * 4096,
            "/" + "\u00e9" * 2048,
        )
    },
    "an omitted path that climbs": (at("omitted", 0, "path", value="/usr/../node"), PATH),
    "a wrong path before a wrong name": (changed((("name",), "demo/other"), ((*ELF, "paths"), ["x"])), PATH),
    "a wrong rule after a wrong path": (changed(((*ELF, "paths"), ["x"]), (("policy", "mounts"), [1])), SCHEMA),
    "another name": (at("name", value="demo/other"), "E_MANIFEST_NAME"),
    "a name that is a prefix": (at("name", value="demo/hell"), "E_MANIFEST_NAME"),
    "a name that goes on": (at("name", value="demo/hello2"), "E_MANIFEST_NAME"),
    "the digest of another module": (at("megabinary", "blake3", value=HASH[0]), "E_MANIFEST_WASM"),
    "the digest of the AOT code": (at("megabinary", "blake3", value=blake3(AOT).hexdigest()), "E_MANIFEST_WASM"),
    "the size of another module": (at("megabinary", "size", value=len(MODULE) + 1), "E_MANIFEST_WASM"),
    "no row for the AOT code": (at("aot", value=GONE), "E_AOT_MANIFEST"),
    "no rows for AOT code": (at("aot", value=[]), "E_AOT_MANIFEST"),
    "an AOT row of another digest": (at("aot", 0, "blake3", value=HASH[0]), "E_AOT_MANIFEST"),
    "an AOT row of another size": (at("aot", 0, "size", value=1), "E_AOT_MANIFEST"),
    "digest and size in two AOT rows": (
        at("aot", value=[{**b.aot_rows(AOT)[0], "size": 1}, {**b.aot_rows(AOT)[0], "blake3": HASH[0]}]),
        "E_AOT_MANIFEST",
    ),
}


@pytest.mark.parametrize(("manifest", "code"), ROWS.values(), ids=ROWS.keys())
def test_manifest_is_refused(manifest: bytes, code: str) -> None:
    assert judged(manifest) == code


def test_a_changed_manifest_is_a_digest_error_before_it_is_json() -> None:
    """Signed as raw bytes, parsed only after the signature: hostile JSON of a stranger reaches no parser."""
    file = executable(module=MODULE, manifest=FULL, aot=AOT).sign()
    spot = file.body.index(b'{"') + 1
    file.body = file.body[:spot] + b"{" + file.body[spot + 1 :]
    assert verdict(file.pack(), small_store()) == "E_DIGEST"


ACCEPTED: dict[str, bytes] = {
    "every optional field": FULL,
    "no optional field but the AOT row": dump(manifest_document(MODULE, aot=b.aot_rows(AOT))),
    "indented": json.dumps(full_manifest(MODULE, AOT), indent=2).encode(),
    "keys in another order": json.dumps(dict(reversed(list(full_manifest(MODULE, AOT).items())))).encode(),
    "white space around it": b" \t\r\n" + FULL + b"\n\n",
    "escapes of plain characters": text(b'"run"', b'"\\u0072\\u0075n"'),
    "a pair of surrogates by escapes": text(b'"run"', b'"\\ud83d\\ude00"'),
    "characters above ASCII": text(b'"run"', '"\u00e9\U0001f600"'.encode()),
    "an escaped NUL where any string may stand": text(b'"generates code at run time"', b'"\\u0000"'),
    "entry 2^31 - 1": at(*ELF, "entry", value=(1 << 31) - 1),
    "an export of 255 bytes": at(*ELF, "export", value="a" * 255),
    "2^53 - 1 functions": at("coverage", "functions", value=2**53 - 1),
    "a path of 4096 bytes": at(*ELF, "paths", value=["/" + "a" * 4095]),
    "a path of dots that are none": at(*ELF, "paths", value=["/...", "/.a", "/a..", "/..a/b"]),
    "characters beside the refused ones in a path": at(
        *ELF, "paths", value=["/\u00a0", "/\u061b", "/\u2010", "/\u2029", "/\u202f", "/\u2065", "/\u206a"]
    ),
    "rules at their limits": at(
        "policy",
        "network",
        "bind",
        value=["*:*", "0.0.0.0/0:1", "255.255.255.255/32:65535", "[::/0]:*", "[::ffff:1.2.3.4/128]:80"],
    ),
    "no syscalls at all": at("policy", "syscalls", "allow", value=[]),
    "no entries": at("entries", value={}),
    "two AOT rows": at("aot", value=[*b.aot_rows(b"other"), *b.aot_rows(AOT)]),
}


@pytest.mark.parametrize("manifest", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_last_right_manifest_beside_the_wrong_one_is_accepted(manifest: bytes) -> None:
    assert judged(manifest) == OK
