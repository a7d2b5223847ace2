"""In random trees with random manifests, the verdict is that of a reader who walks each path by hand.

The walker is written from path_resolution(7) and execve(2), with none of the controller's code: one component at a
time, readlink for each symlink, the whole file hashed.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from blake3 import blake3

from tests.testbed import FIGURES
from tests.vkernel_proto.controlled import Row, signed
from vkernel_proto.controller import Controller, Denied, Request

TREES = 2000 if FIGURES else 60
REQUESTS = 25
NAMES = ("a", "b", "c", "env", "x.sh")
SEARCHES = ("/a:/b", "/:/a/b", "a:.", "", "/c/a:/nowhere:/a/a", "/b/../a")


class Refused(Exception):
    pass


@dataclass
class Walker:
    """The oracle. root: the tree on disk; rows: the manifest's entries."""

    root: Path
    rows: dict[str, Row]

    def walk(self, path: str) -> Path:
        """The file that a path names, with the root as its "/"."""
        todo, here, links = path.split("/")[::-1], [], 0
        if path == "":
            raise Refused(errno.ENOENT)
        while todo:
            part = todo.pop()
            place = self.root.joinpath(*here)
            if not stat.S_ISDIR(place.lstat().st_mode):
                raise Refused(errno.ENOTDIR)
            if part in ("", "."):
                continue
            if part == "..":
                here = here[:-1]
                continue
            if not os.path.lexists(place / part):
                raise Refused(errno.ENOENT)
            if os.path.islink(place / part):
                links += 1
                if links > 40:
                    raise Refused(errno.ELOOP)
                target = os.readlink(place / part)
                if target.startswith("/"):
                    here = []
                todo += target.split("/")[::-1]
                continue
            here.append(part)
        return self.root.joinpath(*here)

    def hash(self, path: str) -> str:
        """The BLAKE3 of what execve would take."""
        file = self.walk(path)
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o111:
            raise Refused(errno.EACCES)
        return blake3(file.read_bytes()).hexdigest()

    def known(self, path: str) -> bool:
        try:
            return self.hash(path) in self.rows
        except Refused:
            return False

    def interpreter(self, text: bytes, search: str) -> tuple[str, list[str]]:
        """Its path, and its argv up to the script."""
        words = text.split(b"\n")[0][2:].decode().split()
        if words[0].startswith("/"):
            if self.known(words[0]):
                return words[0], [words[0], *([" ".join(words[1:])] if words[1:] else [])]
            if words[0].endswith("/env") and len(words) > 1:
                words = words[2:] if words[1] == "-S" else words[1:]
                if "=" not in words[0] and words[0][0] != "-":
                    places = [f"{each}/{words[0]}" for each in search.split(":") if each.startswith("/")]
                    for place in [words[0]] if "/" in words[0] else places:
                        if place.startswith("/") and self.known(place):
                            return place, words
        raise Refused(errno.EACCES)

    def decide(self, request: Request) -> tuple[object, ...]:
        """entry, chain, argv."""
        search = request.env["PATH"]
        tries = [request.path] if "/" in request.path else [f"{d or '.'}/{request.path}" for d in search.split(":")]
        tries = [path if path.startswith("/") else f"{request.cwd.rstrip('/')}/{path}" for path in tries]
        worst = errno.ENOENT
        for script in tries:
            try:
                first = self.hash(script)
                break
            except Refused as refused:
                number = refused.args[0]
                if "/" in request.path or number not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                    raise
                worst = number if number == errno.EACCES else worst
        else:
            raise Refused(worst)
        if first not in self.rows or request.hash not in (None, first):
            raise Refused(errno.EACCES)
        chain, argv, path = [first], request.argv, script
        while self.rows[chain[-1]]["kind"] == "script":
            if len(chain) == 5:
                raise Refused(errno.ELOOP)
            found, words = self.interpreter(self.walk(path).read_bytes(), search)
            if self.hash(found) != self.rows[chain[-1]]["interpreter"]:
                raise Refused(errno.EACCES)
            argv, path = [*words, path, *argv[1:]], found
            chain.append(self.hash(found))
        return self.rows[chain[-1]]["entry"], tuple(chain), argv


def some_path(rng: random.Random) -> str:
    parts = rng.choices((*NAMES, "..", ".", "", "zz"), (9, 9, 9, 5, 5, 3, 2, 1, 1), k=rng.randint(1, 4))
    return rng.choice(("/", "/", "")) + "/".join(parts)


def some_text(rng: random.Random, path: str | None = None) -> bytes:
    path = path or "/" + "/".join(rng.choices(NAMES, k=rng.randint(1, 3)))
    name = rng.choice((*NAMES, path))
    lines = (path, f"{path} -x", f"{path} two words", f"/env {name}", f"/a/env -S {name} -u -v", f"/b/env {name}", "a")
    return f"#!{rng.choice(lines)}\n{rng.randint(0, 2)}".encode()


def grow(rng: random.Random, root: Path) -> list[bytes]:
    """Makes a tree; returns what its files hold."""
    texts = [f"\0asm{n}".encode() for n in range(6)] + [some_text(rng) for _ in range(4)]
    folders = [root]
    for _ in range(rng.randint(10, 30)):
        place = rng.choice(folders) / rng.choice(NAMES)
        kind = rng.random()
        if os.path.lexists(place):
            continue
        if kind < 0.25 and len(place.relative_to(root).parts) < 4:
            place.mkdir()
            folders.append(place)
        elif kind < 0.45:
            place.symlink_to(some_path(rng) or "/")
        elif kind < 0.48:
            os.mkfifo(place)
        else:
            place.write_bytes(rng.choice(texts))
            place.chmod(rng.choice((0o755, 0o755, 0o755, 0o644)))
    for number in range(6):  # scripts whose interpreter is likely there, some of them scripts too
        there = ["/" + str(place.relative_to(root)) for place in root.rglob("*")]
        texts.append(some_text(rng, rng.choice(there)))
        place = rng.choice(folders) / f"script{number}"
        place.write_bytes(texts[-1])
        place.chmod(0o755)
    return texts


def sign(rng: random.Random, texts: list[bytes], walker: Walker) -> dict[str, Row]:
    """Signs most of the texts; a script mostly with the interpreter that it has now."""
    hashes = {text: blake3(text).hexdigest() for text in texts}
    rows: dict[str, Row] = {}
    for text, hash in hashes.items():
        if not text.startswith(b"#!") and rng.random() < 0.8:
            rows[hash] = {"entry": rng.randint(0, 99), "export": "x", "kind": "wasi", "paths": ["/x"]}
    walker.rows = rows
    for _ in range(4):  # scripts whose interpreter is a script find it signed in a later turn
        for text, hash in hashes.items():
            if not text.startswith(b"#!") or hash in rows:
                continue
            interpreter = rng.choice(list(hashes.values()))
            try:
                interpreter = walker.hash(walker.interpreter(text, "/a:/b")[0])
            except Refused:
                if rng.random() < 0.8:
                    continue
            rows[hash] = {"entry": 0, "export": "x", "kind": "script", "paths": ["/x"], "interpreter": interpreter}
    return rows


@pytest.mark.figures
def test_the_verdict_is_the_walkers(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randint(0, 2**32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    accepted = scripts = refused = 0
    for tree in range(TREES):
        root = tmp_path / str(tree)
        root.mkdir()
        walker = Walker(root, {})
        texts = grow(rng, root)
        walker.rows = sign(rng, texts, walker)
        fd = os.open(root, os.O_PATH)
        controller = Controller(signed(walker.rows), lambda fd=fd: fd, None)  # type: ignore[misc]
        there = ["/" + str(place.relative_to(root)) for place in root.rglob("*")]
        for _ in range(REQUESTS):
            claimed = rng.choice([None] * 9 + [blake3(rng.choice(texts)).hexdigest()])
            cwd = "/" + "/".join(rng.choices(NAMES, k=rng.randint(0, 2)))
            path = rng.choice((rng.choice(there), rng.choice(NAMES), some_path(rng))) or "."
            request = Request(path, ["0", "1"], {"PATH": rng.choice(SEARCHES)}, cwd, claimed)
            try:
                expected: object = walker.decide(request)
            except Refused as refusal:
                expected = refusal.args[0]
            try:
                verdict = controller.decide(request)
                seen: object = (verdict.entry, verdict.chain, verdict.argv)
                accepted += 1
                scripts += len(verdict.chain) > 1
            except Denied as denied:
                seen = denied.errno
                refused += 1
            if seen != expected:
                pytest.fail(f"SEED={seed} tree {tree} {root}: {request}: {seen}, the walker says {expected}")
        os.close(fd)
    print(f"{accepted} accepted, {scripts} of them scripts; {refused} refused")
    assert min(accepted, refused) > TREES // 2, "too few of one sort: it shows little"
    assert scripts > TREES // 10, "too few scripts were accepted: it shows little"
