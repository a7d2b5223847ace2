"""In: a seeded random.Random. Out: mutants of the two JSON documents: the key store and the manifest."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

from blake3 import blake3

from tests.format import builder as b
from tests.format.mutation import AOT, KEYS, ORIGINAL, STORE, Mutant, edit, family, number, store_rows

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**53 - 1, 2**53, -(2**53), 0.5, 1e400),
    *("", "a", "*", "demo/*", "\u00e9", "\u202e", "\x7f", "deny", "release", "a" * 64, "0" * 64, "A" * 64, "a" * 65),
    *([], {}, [[]], [{}], {"a": 1}, ["a", "a"]),
]
TOKENS = [
    *(
        b"\xef\xbb\xbf",
        b"\0",
        b"\x1f",
        b"\x0c",
        b"\xff",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
    ),
    *(b"\xe2\x80\xae", b"\xc2\x85", b"1e400", b"-0", b"01", b"1.0", b"NaN", b"-", b"+1", b"9007199254740992"),
    *(b'"\\ud800"', b'"\\ud83d\\ude00"', b'"', b"\\", b"\\u0061", b"\\/", b" ", b"\t\r\n", b"//", b",", b"]", b"}"),
    *(b"[" * 20, b"[" * 3 + b"]" * 3, b"null", b"true", b"tru"),
]


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value of a document."""
    found = [path]
    if isinstance(node, dict):
        return found + [p for name, value in node.items() for p in places(value, (*path, name))]
    if isinstance(node, list):
        return found + [p for index, value in enumerate(node) for p in places(value, (*path, index))]
    return found


def bend(rng: random.Random, document: Any) -> Any:
    """The document with one place changed: taken out, replaced, renamed, doubled, put on."""
    document = copy.deepcopy(document)
    *path, last = rng.choice([p for p in places(document) if p])
    parent = document
    for step in path:
        parent = parent[step]
    match rng.randrange(6):
        case 0:
            del parent[last]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(["x", "", "schema", last + " ", last.upper()])] = rng.choice(VALUES)
        case 2 if isinstance(parent, dict):
            parent[rng.choice(["x", last + "x", last[:-1]])] = parent.pop(last)
        case 3 if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        case 4 if isinstance(parent[last], int):
            parent[last] = number(rng, parent[last])
        case 4 if isinstance(parent[last], str) and parent[last]:
            at = rng.randrange(len(parent[last]))
            parent[last] = (
                parent[last][:at] + rng.choice(["", "/", "..", "A", ":", "*", "0", " ", "\n"]) + parent[last][at + 1 :]
            )
        case _:
            parent[last] = rng.choice(VALUES)
    return document


def bend_text(rng: random.Random, text: bytes) -> bytes:
    match rng.randrange(6):
        case 0:
            return edit(rng, text)
        case 1:  # a key a second time
            objects = [i for i in range(len(text)) if text[i : i + 1] == b"{"]
            position = rng.choice(objects) + 1
            end = text.find(b":", position)
            name = text[position:end] or b'"x"'
            if rng.random() < 0.5 and len(name) > 3:  # the same key, escaped
                name = b'"\\u%04x' % name[1] + name[2:]
            return text[:position] + name + b":0," + text[position:]
        case 2:
            return text[: rng.randrange(len(text))]
        case 3:
            return text + rng.choice(TOKENS)
        case _:
            marks = [i for i in range(len(text) + 1) if i in (0, len(text)) or text[i : i + 1] in b'{}[],:"']
            at = rng.choice(marks)
            return text[:at] + rng.choice(TOKENS) + text[at + rng.choice((0, 0, 1)) :]


@family(5)
def key_store(rng: random.Random) -> Mutant:
    document = b.store_document(store_rows(), threshold=rng.choice([1, 1, 2]))
    for _ in range(rng.choice([0, 1, 1, 2])):
        document = bend(rng, document)
    text = json.dumps(document, ensure_ascii=rng.random() < 0.8).encode("utf-8", "surrogatepass")
    if rng.random() < 0.4:
        text = bend_text(rng, text)
    return Mutant(ORIGINAL, text)


@family(2)
def key_store_points(rng: random.Random) -> Mutant:
    """Keys whose id is right and whose point is anything."""
    rows = store_rows()
    public = rng.choice([rng.randbytes(32), edit(rng, KEYS[0].public, 1)[:32].ljust(32, b"\0"), KEYS[1].public])
    rows[0] = b.key_row(public, 0, id=rng.choice([b.key_id(public).hex()] * 5 + [KEYS[0].id.hex()]))
    return Mutant(ORIGINAL, b.store(rows))


def full_manifest(module: bytes, aot: bytes | None) -> dict[str, Any]:
    """Every optional field present, so that every field can be bent."""
    h = [blake3(bytes([n])).hexdigest() for n in range(6)]
    entries = {
        h[0]: {
            "entry": 0,
            "export": "_start",
            "kind": "elf",
            "paths": ["/usr/bin/hello", "/bin/hello"],
            "original": h[5],
        },
        h[1]: {"entry": 1, "export": "run", "kind": "script", "paths": ["/s"], "interpreter": h[0], "argument": "-e"},
        h[2]: {
            "entry": 2,
            "export": "js",
            "kind": "polyfill",
            "paths": ["/n"],
            "replaces": h[3],
            "provider": "quickjs",
        },
        h[3]: {"entry": 3, "export": "lib", "kind": "library", "paths": ["/lib/l.so"]},
    }
    return b.manifest_document(
        module,
        aot=None if aot is None else b.aot_rows(aot),
        entries=entries,
        source={"config": "sha256:" + h[0], "diff_ids": ["sha256:" + h[1]], "reference": "oci:./layout:tag"},
        omitted=[{"path": "/usr/bin/node", "blake3": h[4], "reason": "generates code at run time"}],
        coverage={"functions": 2, "lifted": 1, "stubs": [{"file": h[0], "address": "0x401000", "reason": "r"}]},
        policy={
            "syscalls": {"default": "deny", "allow": ["read", "write"]},
            "network": {"connect": ["10.0.0.0/8:443", "[2001:db8::/32]:*", "*:53"], "bind": ["127.0.0.1:8080"]},
            "mounts": [],
            "limits": {"memory_bytes": 1 << 20, "processes": 1, "open_files": 16},
        },
    )


@family(8)
def manifest(rng: random.Random) -> Mutant:
    module, aot = b.wasm(), rng.choice([None, AOT])
    document = full_manifest(module, aot)
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        document = bend(rng, document)
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
    if rng.random() < 0.4:
        text = bend_text(rng, text) or b"{}"
    file = b.executable(module=module, manifest=text, aot=aot)
    return Mutant(file.signed(KEYS[0]), STORE)


# Right and wrong ones, two blanks between them.
_RULES = """
    1.2.3.4:1  1.2.3:1  256.0.0.1:1  01.2.3.4:1  1.2.3.4/33:1  1.2.3.4/08:1  1.2.3.4/8:1  [::1]:1  ::1:1  *:*  *:0
    *:65535  *:65536  *:01  *  :  *:  :1  [::]:*  [::/129]:1  [::/128]:1  [1::2::3]:1  [::1.2.3.4]:1
    [fe80::1%eth0]:1  [1:2:3:4:5:6:7:8]:1  [1:2:3:4:5:6:7:8:9]:1  [1:2:3:4:5:6:7::]:1  [::g]:1  [00001::]:1  host:1
    *:-1  *:+1  * :1  []:1  [:]:1  1.2.3.4/:1  1.2.3.4/0:1  1.2.3.4/8/8:1  1.2.3.4:1:1  [::1]1  [::1:1  1.2.3.4.:1
    .1.2.3.4:1  [1:2:3:4:5:6:1.2.3.4]:1  [::ffff:1.2.3.256]:1  [A::F]:1  [::/064]:1  [::/+4]:1  [1::/64]:443
    1.2.3.4:0443  [1:2:3:4:5:6:7:1.2.3.4]:1  [:1::2]:1  [1::2:]:1  [::1 ]:1
""".strip()
RULES = re.split(r"\s{2,}", _RULES)

PATHS = [
    *("", "/", "/a", "a", "//", "/a/", "/./a", "/a/.", "/..", "/a/../b", "/...", "/.a", "/a b", "/a\\b"),
    *("/a\x01", "/a\x7f", "/a\x85", "/a\u061c", "/a\u200e", "/\u202a", "/a\u2065", "/a\u2066", "/a\u2069"),
    *("/\u00e9", "/\U0001f600", "/" + "a" * 4095, "/" + "a" * 4096, "/" + "\u00e9" * 2047, "/" + "\u00e9" * 2048),
]


@family(3)
def manifest_values(rng: random.Random) -> Mutant:
    """Network rules, paths, names and hashes at the edges of their own grammar."""
    module = b.wasm()
    document = full_manifest(module, None)
    entry = rng.choice(list(document["entries"].values()))
    rule = rng.choice(RULES)
    rule = edit(rng, rule.encode(), 1).decode("latin-1") if rng.random() < 0.3 and rule else rule
    match rng.randrange(7):
        case 0 | 1 | 2:
            document["policy"]["network"][rng.choice(["connect", "bind"])] = [rule]
        case 3:
            entry["paths"] = rng.choice([[], [rng.choice(PATHS)], ["/a", rng.choice(PATHS)]])
        case 4:
            document["omitted"][0]["path"] = rng.choice(PATHS)
        case 5:
            name = rng.choice(
                ["read", "Read", "", "a" * 32, "a" * 33, "read ", "openat2", "_", "no_such_call", "clock_gettime64"]
            )
            document["policy"]["syscalls"]["allow"] = rng.choice([[name], ["read", name], [name, name], []])
        case _:
            entry[rng.choice(["export", "provider", "argument", "interpreter"])] = rng.choice(
                ["", "a" * 255, "a" * 256, "\u00e9" * 255, "\n"]
            )
    return Mutant(b.executable(module=module, manifest=b.dump(document)).signed(KEYS[0]), STORE)


@family(2)
def manifest_links(rng: random.Random) -> Mutant:
    """A well-formed manifest that speaks of another module, another AOT file, another subject."""
    module, aot = b.wasm(), rng.choice([None, AOT])
    document = full_manifest(module, aot)
    rows = [document["megabinary"], *document.get("aot", [])]
    for row in rng.sample(rows, rng.randint(1, len(rows))):
        if rng.random() < 0.5:
            row["size"] = max(0, row["size"] + rng.choice([-1, 0, 1, 1 << 32]))
        else:
            row["blake3"] = rng.choice([blake3(AOT).hexdigest(), blake3(module).hexdigest(), "0" * 64])
    if rng.random() < 0.3:
        document["name"] = rng.choice(["demo/hell", "demo/helloo", "demo/hello/", "demo", "a" * 63])
    if aot and rng.random() < 0.3:
        document["aot"] = rng.choice([[], document["aot"] * 2, [*b.aot_rows(b"other"), *b.aot_rows(AOT)]])
    return Mutant(b.executable(module=module, manifest=b.dump(document), aot=aot).signed(KEYS[0]), STORE)
