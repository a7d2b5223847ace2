"""In: nothing. Out: what busybox's applets are given: files made from a seed, and the table of invocations.

Each line is one process: nothing here forks, asks for the time or draws random numbers.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import random
import shlex
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.recompiler.lift.programs.executable import Run

HERE: Final = Path(__file__).parent


@cache
def files() -> dict[str, bytes]:
    """What each invocation finds in its folder."""
    made = random.Random(19)
    words = ["".join(made.choices("abcdefghij", k=made.randrange(5))) for _ in range(100)]
    lines = [f"{made.randrange(1000)} key{made.randrange(977):03} {made.choice(words)}{n % 97}" for n in range(2000)]
    text = "\n".join([*lines, ""]).encode()
    binary = made.randbytes(3000) + b"some words in it\0and more of them\0" + bytes(500) + b"\xff" * 99
    rows = [
        f"{made.choice(['red', 'green', 'blue'])},{n * 37 % 101},{n % 7}.5,row {n},{'x' * (n % 5)}" for n in range(60)
    ]
    other = (
        b"\n".join(line if n % 50 else b"changed " + line for n, line in enumerate(text.splitlines()) if n % 33) + b"\n"
    )
    table = "\n".join([*rows, ""])
    tree = {"tree/leaf": b"leaf\n", "tree/branch/apple": b"apple\n" * 9, "tree/branch/twig/a": b"", "tree/empty/": b""}
    found = {
        "text": text,
        "other": other,
        "binary": binary,
        "binary2": binary[:100] + b"\0" + binary[101:2000] + b"!" + binary[2001:],
        "wide": b"\n".join(b"  ".join(text.split()[n : n + 30]) + b"\t\t." for n in range(0, 600, 30)) + b"\n",
        "control": b"a\tb\x01\x7f\x80\xff\r\n\n\tindented\n        eight\nlast without newline",
        "doubles": bytes.fromhex("000000000000f03f182d4454fb2109400000000000000080000000000000f07f9a9999999999b93f")
        + bytes(24),
        "table.csv": table.encode(),
        "table2.csv": table.replace("green", "GREEN", 3).replace("row 40,", "row forty,").encode(),
        "tree2/leaf": b"other leaf\n",
        "tree2/branch/apple": b"apple\n" * 8,
        "text.gz": gzip.compress(text, mtime=0),
        "text.bz2": bz2.compress(text),
        "text.xz": lzma.compress(text, check=lzma.CHECK_CRC32),
        "text.lzma": lzma.compress(text, format=lzma.FORMAT_ALONE),
        "broken.gz": gzip.compress(text, mtime=0)[:-200] + b"x" * 200,
        **{path.name: path.read_bytes() for path in sorted((HERE / "busybox_given").iterdir())},
        **tree,
    }
    found["binary.b64"] = base64.encodebytes(binary)
    found |= {f"packed.{kind}": found[f"text.{kind}"] for kind in ("gz", "bz2", "xz", "lzma")}
    inside = {"one": b"first\n", "two": text[:3000], "three": binary}
    found["archive.a"] = _ar(inside)
    found["archive.cpio"] = _cpio({**inside, "TRAILER!!!": b""})
    found["archive.zip"] = _zip(inside)
    found["archive.tar"] = _tar({**inside, **tree})
    return found


def _ar(members: dict[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name + '/':<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) & 1))
    return b"".join(parts)


def _cpio(members: dict[str, bytes]) -> bytes:
    """newc."""
    out = b""
    for number, (name, data) in enumerate(members.items()):
        fields = [number + 1, 0o100644, 0, 0, 1, 1_000_000, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def invocations() -> list[tuple[str, Run]]:
    """(the line of the table, the run)."""
    found = []
    for line in (HERE / "busybox.txt").read_text().splitlines()[1:]:
        command, _, stdin = line.rpartition(" < ")
        given = stdin in files()
        words = shlex.split(command if given else line)
        found.append((line, Run(words, files()[stdin] if given else b"", files())))
    return found
