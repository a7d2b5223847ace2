"""What the programs are run with: program, arguments, standard input, files in their directory."""

from __future__ import annotations

import random
from typing import Final

_SEED: Final = 20260101
_WORDS: Final = (
    "stub",
    "payload",
    "trailer",
    "footer",
    "statement",
    "guest",
    "host",
    "trap",
    "fault",
    "image",
    "oracle",
)


def _text(lines: int) -> bytes:
    source = random.Random(_SEED)
    rows = (" ".join(source.choices(_WORDS, k=source.randrange(9))) for _ in range(lines))
    return "".join(f"{row}\n" for row in rows).encode()


TEXT: Final = _text(400)
BYTES: Final = random.Random(_SEED).randbytes(10_007)
NUMBERS: Final = "".join(f"{random.Random(n).randrange(-500, 500)}\n" for n in range(300)).encode()
TABLE: Final = b"".join(b"%d:user%d:/data/%d\n" % (n, n * n, n) for n in range(50))
JSON: Final = b'{"a": [1, -2.5e3, true, null, "x\\"y"], "b": {}, "c": {"d": [[], [[]]]}}\n'
LEFT: Final = b"".join(b"%04d\n" % n for n in range(0, 90, 2))
RIGHT: Final = b"".join(b"%04d\n" % n for n in range(0, 90, 3))
FILES: Final = {"text": TEXT, "left": LEFT, "right": RIGHT, "bytes": BYTES}

# (program, arguments, standard input); the directory holds FILES.
RUNS: Final[list[tuple[str, list[str], bytes]]] = [
    ("base64", [], BYTES),
    ("base64", [], b""),
    ("calc", [], b"1 2 +\n3 4 ^ 2 *\n1 3 /\n1 1 atan2 4 *\n3 4 hypot\n\n"),
    ("cat", [], TEXT),
    ("cat", ["text", "absent", "bytes"], b""),
    ("cksum", [], BYTES),
    ("comm", ["left", "right"], b""),
    ("comm", ["left"], b""),
    ("crash", ["abort"], b""),
    ("crash", ["trap"], b""),
    ("crash", ["exit"], b""),
    ("crash", ["deep"], b""),
    ("crash", [], b""),
    ("crc32", [], BYTES),
    ("cut", [":", "2"], TABLE),
    ("cut", [":"], TABLE),
    ("echo", ["-n", "a", "b c"], b""),
    ("echo", [], b""),
    ("expr", ["2 * (3 + 4) - -5 % 3"], b""),
    ("expr", ["1 - 1"], b""),
    ("expr", ["1 / 0"], b""),
    ("factor", ["0", "1", "97", "600851475143", "4294967296"], b""),
    ("factor", [], b""),
    ("fib", ["22"], b""),
    ("fold", ["17"], TEXT),
    ("head", ["3"], TEXT),
    ("head", [], TEXT),
    ("hexdump", [], BYTES[:500]),
    ("json", [], JSON),
    ("json", [], JSON[:20]),
    ("json", [], b"[" * 200),
    ("ls", ["/"], b""),
    ("ls", ["/absent"], b""),
    ("matrix", ["40"], b""),
    ("matrix", ["0"], b""),
    ("mv", ["text", "renamed"], b""),
    ("mv", ["-d", "bytes"], b""),
    ("mv", ["-p", "made"], b""),
    ("mv", ["absent", "x"], b""),
    ("nl", [], TEXT),
    ("od", [], BYTES[:300]),
    ("primes", ["300000"], b""),
    ("primes", ["99999999"], b""),
    ("printf", ["%s: %d\\t%x %f %c %%\\n", "name", "42", "255", "2.5", "z"], b""),
    ("rev", [], TEXT),
    ("seq", ["1", "0.5", "9"], b""),
    ("seq", ["5", "-2", "-5"], b""),
    ("seq", [], b""),
    ("sha256", [], BYTES),
    ("sha256", [], b"abc"),
    ("sort", [], TEXT),
    ("sort", ["-n", "-r"], NUMBERS),
    ("split", ["100", "part"], TEXT),
    ("split", ["0"], TEXT),
    ("strings", ["3"], BYTES),
    ("tables", [], b""),
    ("tables", ["x", "y"], b""),
    ("tac", ["text"], b""),
    ("tac", [], b""),
    ("tail", ["5"], TEXT),
    ("tail", ["0"], TEXT),
    ("tr", ["a-z", "A-Z"], TEXT),
    ("tr", ["a-z"], TEXT),
    ("uniq", ["-c"], b"a\na\nb\nb\nb\na\n"),
    ("uniq", [], LEFT),
    ("wc", [], TEXT),
]
