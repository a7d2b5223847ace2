"""The manifest in C: its schema row by row, its paths and rules, and one verdict with the Python reader."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from recompiler import native
from recompiler.errors import Error
from recompiler.format import manifest
from tests.format import builder
from tests.fuzz.make_corpus import HASH, full_manifest

Change = Callable[[dict[str, Any]], Any]


def code_of(check: Callable[[bytes], Any], text: bytes) -> str:
    try:
        check(text)
    except Error as e:
        return e.code
    return "OK"


def verdict(text: bytes) -> str:
    """The verdict of both readers, without a statement."""
    c, python = code_of(native.manifest_check, text), code_of(manifest.parse, text)
    assert c == python, f"C says {c}, Python says {python}: {text[:2000]!r}"
    return c


def entry(document: dict[str, Any], kind: str = "wasi") -> dict[str, Any]:
    found: dict[str, Any] = next(e for e in document["entries"].values() if e["kind"] == kind)
    return found


def with_path(path: str) -> Change:
    return lambda m: entry(m).update(paths=["/ok", path])


def with_rule(rule: str) -> Change:
    return lambda m: m["policy"]["network"]["connect"].append(rule)


S = "E_MANIFEST_SCHEMA"
P = "E_MANIFEST_PATH"
CHANGES: dict[str, tuple[Change, str]] = {
    "nothing": (lambda m: None, "OK"),
    "an unknown field": (lambda m: m.update(x=1), S),
    "an unknown field in policy": (lambda m: m["policy"].update(x=1), S),
    "an unknown field in limits": (lambda m: m["policy"]["limits"].update(x=1), S),
    "an unknown field in an entry": (lambda m: entry(m).update(x=1), S),
    "no optional fields": (lambda m: [m.pop(k) for k in ("source", "aot", "omitted", "coverage")], "OK"),
    "no bind": (lambda m: m["policy"]["network"].pop("bind"), "OK"),
    "no entries": (lambda m: m.update(entries={}), "OK"),
    "another schema": (lambda m: m.update(schema="recompiler/manifest/v2"), S),
    "a name that is no subject": (lambda m: m.update(name="Demo"), S),
    "a name of 64": (lambda m: m.update(name="a" * 64), S),
    "a negative size": (lambda m: m["megabinary"].update(size=-1), S),
    "a digest in capitals": (lambda m: m["megabinary"].update(blake3="AB" * 32), S),
    "an entry under a short digest": (lambda m: m["entries"].update({"ab": entry(m)}), S),
    "entry -1": (lambda m: entry(m).update(entry=-1), S),
    "entry 2^31 - 1": (lambda m: entry(m).update(entry=(1 << 31) - 1), "OK"),
    "entry 2^31": (lambda m: entry(m).update(entry=1 << 31), S),
    "no export": (lambda m: entry(m).update(export=""), S),
    "an export of 255 bytes": (lambda m: entry(m).update(export="é" * 127 + "x"), "OK"),
    "an export of 256 bytes": (lambda m: entry(m).update(export="é" * 128), S),
    "an unknown kind": (lambda m: entry(m).update(kind="exe"), S),
    "no path": (lambda m: entry(m).update(paths=[]), S),
    "a path that is a number": (lambda m: entry(m).update(paths=[1]), S),
    "an interpreter of a program": (lambda m: entry(m).update(interpreter=HASH), S),
    "an argument of a program": (lambda m: entry(m).update(argument=""), S),
    "a provider of a program": (lambda m: entry(m).update(provider="x"), S),
    "a script without an interpreter": (lambda m: entry(m, "script").pop("interpreter"), S),
    "a script without an argument": (lambda m: entry(m, "script").pop("argument"), "OK"),
    "a script that replaces": (lambda m: entry(m, "script").update(replaces=HASH), S),
    "a polyfill without a provider": (lambda m: entry(m, "polyfill").pop("provider"), S),
    "a polyfill of nothing": (lambda m: entry(m, "polyfill").pop("replaces"), S),
    "a polyfill with an argument": (lambda m: entry(m, "polyfill").update(argument="x"), S),
    "default allow": (lambda m: m["policy"]["syscalls"].update(default="allow"), S),
    "a syscall twice": (lambda m: m["policy"]["syscalls"].update(allow=["read", "write", "read"]), S),
    "2,000 syscalls": (lambda m: m["policy"]["syscalls"].update(allow=[f"n{i}" for i in range(2000)]), "OK"),
    "2,000 syscalls, one twice": (
        lambda m: m["policy"]["syscalls"].update(allow=[f"n{i % 1999}" for i in range(2000)]),
        S,
    ),
    "a syscall in capitals": (lambda m: m["policy"]["syscalls"].update(allow=["READ"]), S),
    "a syscall of 32": (lambda m: m["policy"]["syscalls"].update(allow=["a" * 32]), "OK"),
    "a syscall of 33": (lambda m: m["policy"]["syscalls"].update(allow=["a" * 33]), S),
    "an empty syscall": (lambda m: m["policy"]["syscalls"].update(allow=[""]), S),
    "a mount": (lambda m: m["policy"].update(mounts=["/x"]), S),
    "a limit of 0": (lambda m: m["policy"]["limits"].update(processes=0), S),
    "a limit of true": (lambda m: m["policy"]["limits"].update(processes=True), S),
    "a config without its prefix": (lambda m: m["source"].update(config=HASH), S),
    "a source without diff_ids": (lambda m: m["source"].pop("diff_ids"), S),
    "an address without 0x": (lambda m: m["coverage"]["stubs"][0].update(address="401000"), S),
    "an address of 17 digits": (lambda m: m["coverage"]["stubs"][0].update(address="0x" + "1" * 17), S),
    "the path /": (with_path("/"), P),
    "an empty path": (with_path(""), P),
    "a relative path": (with_path("a"), P),
    "a path with //": (with_path("/a//b"), P),
    "a path with .": (with_path("/a/./b"), P),
    "a path with ..": (with_path("/a/.."), P),
    "a path with ...": (with_path("/a/...b/..."), "OK"),
    "a path with a / at its end": (with_path("/a/"), P),
    "a path with a NUL": (with_path("/a\0"), P),
    "a path with DEL": (with_path("/a\x7f"), P),
    "a path with a C1 control": (with_path("/a\x85"), P),
    "a path with bidi": (with_path("/a\u202eb"), P),
    "a path with an isolate": (with_path("/a\u2066b"), P),
    "a path with umlauts": (with_path("/ä/\U0001f600"), "OK"),
    "a path of 4096 bytes": (with_path("/" + "é" * 2047 + "x"), "OK"),
    "a path of 4097 bytes": (with_path("/" + "é" * 2048), P),
    "an omitted path with ..": (lambda m: m["omitted"][0].update(path="/../x"), P),
    "a bad path before a bad field": (lambda m: (with_path("x")(m), m["policy"].update(x=1)), S),
    **{f"the rule {rule}": (with_rule(rule), "OK") for rule in ("*:*", "0.0.0.0/0:1", "[::]:65535", "[::1/128]:*")},
    **{
        f"the rule {rule}": (with_rule(rule), "OK") for rule in ("10.1.2.3/8:80", "[::ffff:1.2.3.4]:80", "[FE80::1]:80")
    },
    **{f"the rule {rule!r}": (with_rule(rule), S) for rule in ("", ":", "*", "*:", "*:0", "*:65536", "*:080", ":80")},
    **{
        f"the rule {rule!r}": (with_rule(rule), S)
        for rule in ("1.2.3:80", "1.2.3.04:80", "1.2.3.4/33:80", "1.2.3.4/08:80")
    },
    **{f"the rule {rule!r}": (with_rule(rule), S) for rule in ("::1:80", "[::1%lo]:80", "[1.2.3.4]:80", "[::1]/64:80")},
    **{
        f"the rule {rule!r}": (with_rule(rule), S)
        for rule in ("localhost:80", " *:80", "*:80 ", "[:::]:80", "[::1/129]:80")
    },
}


@pytest.mark.parametrize(("change", "code"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_manifest_has_this_verdict(change: Change, code: str) -> None:
    document = full_manifest()
    change(document)
    assert verdict(json.dumps(document).encode()) == code
    assert verdict(json.dumps(document, ensure_ascii=False, indent=1).encode()) == code


@pytest.mark.parametrize("field", ["schema", "name", "megabinary", "entries", "policy"])
def test_every_required_field_of_a_manifest_is_required(field: str) -> None:
    document = full_manifest()
    del document[field]
    assert verdict(builder.dump(document)) == S


def objects(value: Any) -> list[Any]:
    """All containers inside value, itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if isinstance(value, dict | list) else []) + [o for item in inner for o in objects(item)]


def test_c_and_python_agree_on_5_000_mutated_manifests() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    values = [
        0,
        1,
        -1,
        1 << 31,
        (1 << 53) - 1,
        True,
        None,
        "",
        "/a",
        "/a/../b",
        HASH,
        "script",
        "elf",
        "read",
        "*:1",
        [],
        {},
    ]
    seen = set()
    for _ in range(5_000):
        document = full_manifest()
        for _ in range(rng.choice((1, 1, 1, 2))):
            container = rng.choice(objects(document))
            keys = list(container) if isinstance(container, dict) else list(range(len(container)))
            action = rng.randrange(3)
            if keys and action == 0:
                del container[rng.choice(keys)]
            elif keys and action == 1:
                container[rng.choice(keys)] = copy.deepcopy(rng.choice(values))
            elif isinstance(container, dict):
                container[rng.choice(["interpreter", "provider", "bind", "x", HASH])] = copy.deepcopy(
                    rng.choice(values)
                )
            else:
                container.append(copy.deepcopy(rng.choice(values)))
        try:
            seen.add(verdict(json.dumps(document).encode()))
        except AssertionError as e:
            raise AssertionError(f"seed {seed}: {e}") from None
    assert seen >= {"OK", S, P}


def test_a_repeated_entry_is_found_among_100_000() -> None:
    document = full_manifest()
    one = entry(document)
    document["entries"] = {f"{i:064x}": one for i in range(100_000)}
    text = builder.dump(document)
    native.manifest_check(text)
    with pytest.raises(Error, match="not the first of its name"):
        native.manifest_check(text.replace(f"{99_999:064x}".encode(), f"{5:064x}".encode()))
