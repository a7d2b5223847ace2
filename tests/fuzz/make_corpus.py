"""In: a folder to make. Out: seeds for the fuzz targets of csrc/fuzz/, one folder each, from small signed files.

python -m tests.fuzz.make_corpus build/fuzz/corpus
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.format import builder

HASH = "ab" * 32


def trailers() -> Iterator[bytes]:
    yield builder.small()
    yield builder.executable(aot=b"native code").signed(builder.key(0), builder.key(1))
    yield builder.executable().pack()  # unsigned
    yield builder.detached()[0].signed()
    yield builder.small() + b"behind the trailer"
    yield builder.elf()


def full_manifest() -> dict[str, Any]:
    """A manifest with every optional field of docs/format.md."""
    script = {"entry": 1, "export": "sh", "kind": "script", "paths": ["/bin/x"], "interpreter": HASH, "argument": "-e"}
    polyfill = {"entry": 2, "export": "p", "kind": "polyfill", "paths": ["/p"], "replaces": HASH, "provider": "p-1"}
    document = builder.manifest_document(builder.wasm(), aot=builder.aot_rows(b"native code"))
    document["entries"] |= {"01" * 32: script | {"original": HASH}, "02" * 32: polyfill}
    document["source"] = {"config": "sha256:" + HASH, "diff_ids": ["sha256:" + HASH], "reference": "oci:./x:t"}
    document["omitted"] = [{"path": "/usr/bin/\u00fc", "blake3": HASH, "reason": "r"}]
    stub = {"file": HASH, "address": "0x401000", "reason": "r"}
    document["coverage"] = {"functions": 2, "lifted": 1, "stubs": [stub]}
    rules = ["10.0.0.0/8:443", "[2001:db8::/32]:*", "*:53", "[::ffff:1.2.3.4]:1"]
    document["policy"]["network"] = {"connect": rules, "bind": ["127.0.0.1:80"]}
    return document


def manifests() -> Iterator[bytes]:
    yield builder.dump(builder.manifest_document(builder.wasm()))
    yield builder.dump(full_manifest())
    yield json.dumps(full_manifest(), ensure_ascii=False, indent=2).encode()


def stores() -> Iterator[bytes]:
    yield builder.store()
    rows = [builder.key_row(builder.key(i), i, status=s) for i, s in enumerate(("active", "retired", "revoked"))]
    yield builder.store(rows, threshold=2, roles=["release", "recovery"], minimum=[])


def documents() -> Iterator[bytes]:
    yield rb'{"a":{"b":[1,-2,9007199254740991,true,false,null,"\u00e9\ud83d\ude00\n"]},"\u0061b":"\"\\"}'
    yield '{"é":"\U0001f600","":{}}'.encode()
    yield b' {\t"a" : [ ] ,\r\n"b" : { } } '
    yield b'{"id":9,"ret":5,"data":"aGVsbG8="}'
    yield from manifests()
    yield from stores()


def modules() -> Iterator[bytes]:
    yield builder.wasm()
    yield builder.WASM_HEADER
    yield builder.wasm() + builder.wasm_section(0, builder.text("name") + b"\0")


def frames() -> Iterator[bytes]:
    """REPLIES and MESSAGE frames of docs/wire.md."""
    replies = struct.pack("<qII", 5, 5, 0) + struct.pack("<qII", -2, 0, 0) + b"hello"
    yield struct.pack("<4sIHHIQQ", b"RCW1", len(replies), 2, 0, 2, 7, 0) + replies
    message = b'{"type":"signal","sig":9}'
    yield struct.pack("<4sIHHIQQ", b"RCW1", len(message), 3, 0, 0, 0, 0) + message


def lines() -> Iterator[bytes]:
    """Lines of a vkernel in the json encoding."""
    yield b'{"id":9,"ret":5,"data":"aGVsbG8="}'
    yield b'{"type":"signal","sig":9}'
    yield b'{"status":"denied","error":"E_KEY_UNKNOWN","message":"no"}'
    yield b'{"status":"ok","vkernel":"0.1.0","pid":1}'


SEEDS = {
    "fuzz_trailer": trailers,
    "fuzz_manifest": manifests,
    "fuzz_keys": stores,
    "fuzz_json": documents,
    "fuzz_wasm": modules,
    "fuzz_frame": frames,
    "fuzz_line": lines,
}


def make(folder: Path) -> None:
    """Writes folder/TARGET/NN for every target."""
    for target, seeds in SEEDS.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (folder / target / f"{number:02}").write_bytes(seed)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
