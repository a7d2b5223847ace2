"""In: a seeded random.Random. Out: mutants of a signed file and its key store, by field, most of them signed again.

Each family bends one stage of docs/format.md; a mutant that is signed again passes the earlier stages and reaches it.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from format import builder as b

KEYS = [b.key(n) for n in range(4)]
AOT = bytes(range(40))


@dataclass
class Mutant:
    file: bytes
    store: bytes
    now: int = b.NOW
    resigned: bool = True  # False: the attacker has no key, so nothing but the original may pass


Family = Callable[[random.Random], Mutant]
FAMILIES: dict[str, tuple[Family, int]] = {}  # name -> (family, weight)


def family(weight: int) -> Callable[[Family], Family]:
    def register(function: Family) -> Family:
        FAMILIES[function.__name__] = (function, weight)
        return function

    return register


def draw(rng: random.Random) -> tuple[str, Mutant]:
    name = rng.choices(list(FAMILIES), [weight for _, weight in FAMILIES.values()])[0]
    return name, FAMILIES[name][0](rng)


EDGES = [0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 383, 384, 385, 1 << 16]
EDGES += [(1 << n) + d for n in (26, 30, 31, 32, 34, 40, 53, 62, 63, 64) for d in (-16, -1, 0, 1)]


def number(rng: random.Random, near: int) -> int:
    """A number at an edge, or close to the right one."""
    return rng.choice(
        [rng.choice(EDGES), near + rng.choice([-384, -112, -16, -15, -1, 1, 15, 16, 112, 384]), -1 - near]
    )


def edit(rng: random.Random, data: bytes, most: int = 3) -> bytes:
    """One to `most` small edits: bytes flipped, put in, taken out, copied."""
    out = bytearray(data)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(out) + 1)
        length = rng.choice([1, 1, 1, 2, 4, 8, 16])
        match rng.randrange(5):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at:at] = rng.randbytes(length)
            case 2:
                del out[at : at + length]
            case 3:
                start = rng.randrange(len(out) + 1)
                out[at : at + length] = out[start : start + length]
            case _ if at < len(out):
                out[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5C, 0x7B, 0x5D])
    return bytes(out)


def whole(rng: random.Random) -> b.File:
    """A right file of either number of sections and one to three signers."""
    signers = rng.randint(1, 3)
    return b.executable(aot=rng.choice([None, None, AOT]), signer_count=signers)


def seal(rng: random.Random, file: b.File) -> bytes:
    """Signed by the first signer_count keys, mostly; sometimes by too few or too many."""
    wanted = min(max(file.statement.signer_count, 1), len(KEYS)) + rng.choice([0] * 15 + [-1, 1])
    return file.signed(*KEYS[: min(max(wanted, 1), len(KEYS))])


def store_rows() -> list[dict[str, Any]]:
    return [b.key_row(k, n) for n, k in enumerate(KEYS[:3])]


STORE = b.store(store_rows())
BOTH = b.store(store_rows(), threshold=2)  # needs each signature of ORIGINAL, so that only ORIGINAL itself passes
ORIGINAL = b.executable(aot=AOT, signer_count=2).signed(*KEYS[:2])


# ---- families


@family(2)
def bytes_without_a_key(rng: random.Random) -> Mutant:
    return Mutant(edit(rng, ORIGINAL), BOTH, resigned=False)


@family(2)
def fields_without_a_key(rng: random.Random) -> Mutant:
    """A field of statement, record or footer overwritten in place; lengths stay right."""
    out = bytearray(ORIGINAL)
    start = len(out) - 32 - 2 * 112 - 384
    at = start + rng.randrange(0, len(out) - start, 4)
    width = rng.choice([2, 4, 8])
    old = int.from_bytes(out[at : at + width], "little")
    out[at : at + width] = (number(rng, old) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return Mutant(bytes(out)[: len(ORIGINAL)], BOTH, resigned=False)


@family(2)
def footer(rng: random.Random) -> Mutant:
    file = whole(rng).sign(*KEYS[:2])
    fields = {
        "sig_count": lambda: number(rng, len(file.records)),
        "statement_size": lambda: number(rng, 384),
        "statement_off": lambda: number(rng, len(file.body)),
        "magic": lambda: rng.choice([edit(rng, b.MAGIC, 1), b.MAGIC[:-1] + bytes([rng.randrange(256)])]),
    }
    chosen = rng.sample(list(fields), rng.choice([1, 1, 2]))
    data = replace(file, **{name: fields[name]() for name in chosen}).pack()
    return Mutant(data + rng.choice([b"", b"", b"\0", rng.randbytes(37), b.MAGIC]), STORE)


@family(4)
def statement(rng: random.Random) -> Mutant:
    file = whole(rng)
    right = file.statement
    fields: dict[str, Callable[[], Any]] = {
        "domain": lambda: (edit(rng, right.domain, 1) + bytes(32))[:32],
        "subject": lambda: subject(rng),
        "signed_at": lambda: rng.choice([1577836799, 1577836800, 1 << 40, (1 << 40) + 1, b.NOW + 300, b.NOW + 301]),
        "expires_at": lambda: rng.choice([right.signed_at, right.signed_at + 1, b.NOW, b.NOW + 1, (1 << 64) - 1]),
        "security_version": lambda: rng.choice([0, 1, 2, (1 << 63), (1 << 64) - 1]),
    }
    names = ("version", "section_count", "kind", "signer_count", "signed_at", "expires_at")
    for name in names:
        fields.setdefault(name, lambda name=name: number(rng, getattr(right, name)))
    chosen = rng.sample(list(fields), rng.choice([1, 1, 1, 2, 3]))
    for name in chosen:
        setattr(right, name, fields[name]())
    return Mutant(seal(rng, file), STORE, now(rng))


def subject(rng: random.Random) -> bytes:
    names = [
        b"demo/hello",
        b"demo/hell",
        b"demo/helloo",
        b"demo",
        b"other/x",
        b"demo//x",
        b"demo/..",
        b"a..b",
        b"-a",
        b"A",
    ]
    names += [
        b"demo/",
        b"demo/x\0y",
        b"\0",
        b"a" * 63,
        b"a" * 64,
        b"demo/\xff",
        b"demo/x y",
        b"demo/a.b_c-d",
        b"0/1",
        b"/a",
        b"_a",
    ]
    return (edit(rng, rng.choice(names), 1) if rng.random() < 0.3 else rng.choice(names)).ljust(64, b"\0")[:64]


def now(rng: random.Random) -> int:
    edges = [0, 1577836799, 1577836800, b.SIGNED_AT - 301, b.SIGNED_AT - 300, 1_790_000_000 - 1, 1_790_000_000]
    edges += [1_853_000_000 - 1, 1_853_000_000, 1 << 62]
    return rng.choice([b.NOW] * 30 + edges)


@family(5)
def slots(rng: random.Random) -> Mutant:
    file = whole(rng)
    for _ in range(rng.choice([1, 1, 1, 2])):
        index = rng.randrange(4)
        slot = file.statement.slots[index]
        name = rng.choice(["type", "reserved", "offset", "size", "reserved2", "digest", "swap", "limit"])
        match name:
            case "digest":
                slot.digest = edit(rng, slot.digest, 1)[:32].ljust(32, b"\0")
            case "swap":
                other = rng.randrange(4)
                file.statement.slots[index], file.statement.slots[other] = file.statement.slots[other], slot
            case "limit":
                slot.size = rng.choice([64 << 20, 1 << 30, 16 << 30]) + rng.choice([0, 1])
            case _:
                setattr(slot, name, number(rng, getattr(slot, name)))
    return Mutant(seal(rng, file), STORE)


@family(3)
def layout(rng: random.Random) -> Mutant:
    """Bytes put into or taken out of the body, the slots moved along or not, the footer right."""
    file = whole(rng)
    at = rng.randrange(len(file.body) + 1)
    size = rng.choice([1, 15, 16, 16, 17, 32])
    body = bytearray(file.body)
    match rng.randrange(4):
        case 0:
            body[at:at] = rng.choice([bytes(size), rng.randbytes(size)])
        case 1:
            del body[at : at + size]
        case 2:  # a padding byte that is not zero
            pads = [s.offset + s.size for s in file.statement.slots if s.size % 16]
            body[rng.choice(pads)] = rng.randint(1, 255)
        case _:
            body += bytes(size)
    first = rng.randrange(5)
    for slot in file.statement.slots[first:]:
        if slot.type:
            slot.offset += len(body) - len(file.body)
    return Mutant(seal(rng, replace(file, body=bytes(body))), STORE)


@family(4)
def records(rng: random.Random) -> Mutant:
    file = whole(rng)
    file.sign(*KEYS[: file.statement.signer_count])
    listed = file.records
    for _ in range(rng.choice([1, 1, 2])):
        record = rng.choice(listed)
        match rng.randrange(9):
            case 0:
                record.alg = number(rng, 1)
            case 1:
                record.reserved = edit(rng, record.reserved, 1)[:12].ljust(12, b"\0")
            case 2:
                record.key_id = edit(rng, record.key_id, 1)[:32].ljust(32, b"\0")
            case 3:
                record.signature = edit(rng, record.signature, 1)[:64].ljust(64, b"\0")
            case 4:
                rng.shuffle(listed)
            case 5:
                listed.append(copy.copy(record))
            case 6 if len(listed) > 1:
                listed.remove(record)
            case 7:  # signed by one key, labelled as another
                record.key_id = rng.choice(KEYS).id
                listed.sort(key=lambda r: r.key_id)
            case _:  # a right record of a key that the store does not know
                record.key_id, record.signature = KEYS[3].id, KEYS[3].sign(file.statement.pack())
                listed.sort(key=lambda r: r.key_id)
    if rng.random() < 0.5:
        file.statement.signer_count = len(listed)
    return Mutant(file.pack(), STORE)


@family(5)
def trust(rng: random.Random) -> Mutant:
    """Right stores of several keys, roles, dates and thresholds: the trust verdict's own rules."""
    rows = []
    for n, k in enumerate(KEYS[: rng.randint(1, 4)]):
        row = b.key_row(k, n, role=rng.choice(["release", "release", "dev", "recovery"]))
        row["status"] = rng.choice(["active", "active", "active", "retired", "revoked"])
        row["not_before"], row["not_after"] = rng.choice(
            [(1_790_000_000, 1_853_000_000), (0, b.NOW), (0, b.NOW + 1), (b.NOW, b.NOW + 1), (b.NOW + 1, b.NOW + 2)]
            + [(b.SIGNED_AT, b.SIGNED_AT + 1), (b.SIGNED_AT + 1, b.NOW + 9), (0, b.SIGNED_AT)]
        )
        row["subjects"] = rng.choice(
            [["demo/*"], ["*"], ["demo/hello"], ["demo/hell/*"], ["demo/hello/*"], ["other/*", "d/*"]]
        )
        rows.append(row)
    rng.shuffle(rows)
    roles = rng.sample(["release", "dev", "recovery"], rng.randint(1, 3))
    minimum = [
        {"subject": s, "security_version": rng.randint(0, 3)} for s in rng.sample(["demo/hello", "demo/hell", "x"], 2)
    ]
    store = b.store(rows, threshold=rng.choice([1, 1, 2, 3]), roles=roles, minimum=minimum)
    file = b.executable(signer_count=rng.randint(1, 4), expires_at=rng.choice([0, 0, b.NOW, b.NOW + 1]))
    data = file.signed(*rng.sample(KEYS, file.statement.signer_count))
    if rng.random() < 0.1:
        record = rng.choice(file.records)
        record.signature = edit(rng, record.signature, 1)[:64].ljust(64, b"\0")
        data = file.pack()
    return Mutant(data, store, rng.choice([b.NOW, now(rng)]))


VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**53 - 1,
    2**53,
    -(2**53),
    "",
    "a",
    "*",
    "demo/*",
    "é",
    "\u202e",
    "\x7f",
]
VALUES += [
    [],
    {},
    [[]],
    [{}],
    {"a": 1},
    "a" * 64,
    "0" * 64,
    "A" * 64,
    "a" * 65,
    ["a", "a"],
    0.5,
    1e400,
    "deny",
    "release",
]
TOKENS = [
    b"\xef\xbb\xbf",
    b"\0",
    b"\x1f",
    b"1e400",
    b"-0",
    b"01",
    b"1.0",
    b"NaN",
    b"9007199254740992",
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
]
TOKENS += [
    b" ",
    b"\t\r\n",
    b"//",
    b",",
    b"]",
    b"}",
    b'"',
    b"\\",
    b"\\u0061",
    b"\\/",
    b"\xff",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]
TOKENS += [
    b"[" * 20,
    b"[" * 3 + b"]" * 3,
    b"null",
    b"true",
    b"tru",
    b"-",
    b"+1",
    b"\xc0\xaf",
    b"\xe2\x80\xae",
    b"\xc2\x85",
    b"\x0c",
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
            at = [i for i in range(len(text)) if text[i : i + 1] == b"{"]
            position = rng.choice(at) + 1
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
            return text[:at] + rng.choice(TOKENS) + text[at + rng.choice([0, 0, 1]) :]


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


RULES = [
    "1.2.3.4:1",
    "1.2.3:1",
    "256.0.0.1:1",
    "01.2.3.4:1",
    "1.2.3.4/33:1",
    "1.2.3.4/08:1",
    "1.2.3.4/8:1",
    "[::1]:1",
    "::1:1",
    "*:*",
    "*:0",
]
RULES += [
    "*:65535",
    "*:65536",
    "*:01",
    "*",
    ":",
    "*:",
    ":1",
    "[::]:*",
    "[::/129]:1",
    "[::/128]:1",
    "[1::2::3]:1",
    "[::1.2.3.4]:1",
    "[fe80::1%eth0]:1",
]
RULES += [
    "[1:2:3:4:5:6:7:8]:1",
    "[1:2:3:4:5:6:7:8:9]:1",
    "[1:2:3:4:5:6:7::]:1",
    "[::g]:1",
    "[00001::]:1",
    "host:1",
    "*:-1",
    "*:+1",
    "* :1",
    "[]:1",
    "[:]:1",
]
RULES += [
    "1.2.3.4/:1",
    "1.2.3.4/0:1",
    "1.2.3.4/8/8:1",
    "1.2.3.4:1:1",
    "[::1]1",
    "[::1:1",
    "1.2.3.4.:1",
    ".1.2.3.4:1",
    "[1:2:3:4:5:6:1.2.3.4]:1",
    "[::ffff:1.2.3.256]:1",
]
RULES += [
    "[A::F]:1",
    "[::/064]:1",
    "[::/+4]:1",
    "[1::/64]:443",
    "1.2.3.4:0443",
    "[1:2:3:4:5:6:7:1.2.3.4]:1",
    "[:1::2]:1",
    "[1::2:]:1",
    "[::1 ]:1",
]
PATHS = [
    "/",
    "/a",
    "a",
    "",
    "//",
    "/a/",
    "/./a",
    "/a/.",
    "/..",
    "/a/../b",
    "/...",
    "/.a",
    "/a\x01",
    "/a\x7f",
    "/a\x85",
    "/a\u200e",
    "/a\u2066",
    "/a\u2069",
]
PATHS += [
    "/é",
    "/\U0001f600",
    "/" + "a" * 4095,
    "/" + "a" * 4096,
    "/" + "é" * 2047,
    "/" + "é" * 2048,
    "/a\u061c",
    "/a\u2065",
    "/a b",
    "/a\\b",
    "/\u202a",
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
                ["", "a" * 255, "a" * 256, "é" * 255, "\n"]
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


def wasm_imports(rng: random.Random) -> bytes:
    modules = (
        ["wasi_snapshot_preview1"] * 4
        + ["recompiler_sock_v1"] * 2
        + ["wasi_unstable", "", "env", "wasi_snapshot_preview1\0"]
    )
    names = [
        "fd_write",
        "proc_exit",
        "sock_accept",
        "sock_open",
        "sock_listen",
        "thread_spawn",
        "",
        "fd_writ",
        "fd_write2",
    ]
    kinds = [(0, b"\x01")] * 8 + [
        (1, b"\x70\0\x01"),
        (2, b"\0\x01"),
        (3, b"\x7f\0"),
        (4, b"\0\0"),
        (0, b"\xff\xff\xff\xff\x0f"),
        (5, b""),
    ]
    return b.vector(
        b.wasm_import(rng.choice(modules), rng.choice(names), *rng.choice(kinds)) for _ in range(rng.randint(0, 3))
    )


def wasm_exports(rng: random.Random) -> bytes:
    names = ["_start", "memory", "_start", "memory", "run", "", "é", b"\xff"]
    wanted = [
        b.text(n) + bytes([rng.choice([0, 0, 2, 2, 1, 3, 4])]) + b.leb(rng.choice([0, 1, 2, 2**32 - 1]))
        for n in rng.sample(names, 3)
    ]
    return b.vector(wanted)


@family(8)
def module(rng: random.Random) -> Mutant:
    """A bent module in a file that is right otherwise: digest, size and manifest follow it."""
    sections: dict[str, bytes | None] = {}
    order = [1, 2, 3, 5, 7, 10]
    header = b.WASM_HEADER
    match rng.randrange(9):
        case 0:
            header = edit(rng, header, 1)
        case 1:
            sections["s2"] = wasm_imports(rng)
        case 2:
            sections["s7"] = wasm_exports(rng)
        case 3:
            extra = rng.choice([0, 0, 4, 6, 8, 9, 11, 12, 13, 127, 1, 10])
            sections.setdefault(
                f"s{extra}", rng.choice([b.text("name") + b"\1", b"\0", b"", b"\5abc", b"\x80\x80\x80\x80\x80\x00"])
            )
            order.insert(rng.randint(0, 6), extra)
        case 4:
            number_ = rng.choice(order)
            sections[f"s{number_}"] = edit(rng, b.WASM_SECTIONS[number_], 1)
        case 5:
            order = rng.sample(order, rng.randint(3, 6))
        case 6:
            counts = [b.leb(rng.randint(0, 3), rng.choice([0, 4, 5, 6])) for _ in range(2)]
            sections["s3"], sections["s10"] = counts[0] + bytes(rng.randint(0, 2)), counts[1] + b.WASM_SECTIONS[10][1:]
        case _:
            pass
    wasm = b.wasm(order, header, **sections)
    if rng.random() < 0.4:
        wasm = edit(rng, wasm, 2)
    return Mutant(b.executable(module=wasm or b"\0").signed(KEYS[0]), STORE)


@family(2)
def stub(rng: random.Random) -> Mutant:
    fields = {"class_": [1, 3], "data": [2, 0], "type": [0, 1, 3, 4], "phnum": [0, 2, 65535], "shnum": [1, 65535]}
    fields |= {"phoff": [0, 63, 65, (1 << 64) - 1], "shoff": [64, 1 << 40], "filesz": [0, 1 << 40, (1 << 64) - 1]}
    name = rng.choice(list(fields))
    data = b.elf(machine=rng.choice([62, 62, 183, 3, 0]), **{name: rng.choice(fields[name])})
    if rng.random() < 0.5:
        data = rng.choice([edit(rng, data, 1), data + bytes(rng.randint(1, 16)), data[: rng.randint(1, len(data))]])
    return Mutant(b.executable(stub=data or b"\0").signed(KEYS[0]), STORE)
