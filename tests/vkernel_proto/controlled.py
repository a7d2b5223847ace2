"""What the tests of the execution controller share: an image, its signed entries, and roots that guests see."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from blake3 import blake3

from recompiler.format import manifest, strictjson
from vkernel_proto.controller import Controller, Denied, Request, Verdict

Row = dict[str, object]


def program(name: str) -> bytes:
    """An inert original: a module without code."""
    return b"\0asm\x01\0\0\0\0\x2f\x0erecompiler.inert" + blake3(name.encode()).digest()


def digest(data: bytes) -> str:
    return blake3(data).hexdigest()


STRANGE = program("strange")  # in the image, not in the manifest
FILES: dict[str, bytes] = {
    "/usr/bin/sh": program("sh"),
    "/usr/bin/wc": program("wc"),
    "/usr/bin/cat": program("cat"),
    "/usr/bin/strange": STRANGE,
    "/usr/lib/tool.so": program("tool"),
    "/usr/bin/hello": b"#!/bin/sh -e\necho hello\n",
    "/usr/bin/found": b"#!/usr/bin/env sh\necho found\n",
    "/usr/bin/split": b"#!/usr/bin/env -S sh -e -u\necho split\n",
    "/usr/bin/by-strange": b"#!/usr/bin/strange\n",
    "/usr/bin/by-nobody": b"#!/usr/bin/nobody\n",
    "/usr/bin/by-other": b"#!/usr/bin/cat\n# signed with wc as its interpreter\n",
    "/usr/bin/by-library": b"#!/usr/lib/tool.so\n",
    "/usr/bin/nest1": b"#!/bin/sh 1\n",
    "/usr/bin/nest2": b"#!/usr/bin/nest1 2\n",
    "/usr/bin/nest3": b"#!/usr/bin/nest2 3\n",
    "/usr/bin/nest4": b"#!/usr/bin/nest3 4\n",
    "/usr/bin/nest5": b"#!/usr/bin/nest4 5\n",
}
HASH = {path.rpartition("/")[2]: digest(data) for path, data in FILES.items()}
LINKS = {"/bin": "usr/bin", "/usr/bin/ash": "sh", "/usr/bin/twice": "/bin/ash"}

_PROGRAMS = {"sh": 0, "wc": 1, "cat": 2}
_SCRIPTS = {  # name -> the interpreter whose hash is signed, the program that runs
    "hello": ("sh", "sh"),
    "found": ("sh", "sh"),
    "split": ("sh", "sh"),
    "by-strange": ("strange", "sh"),
    "by-nobody": ("strange", "sh"),
    "by-other": ("wc", "wc"),
    "by-library": ("tool.so", "sh"),
    "nest1": ("sh", "sh"),
    **{f"nest{n}": (f"nest{n - 1}", "sh") for n in range(2, 6)},
}


def entries() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name, entry in _PROGRAMS.items():
        rows[HASH[name]] = {"entry": entry, "export": name, "kind": "wasi", "paths": [f"/usr/bin/{name}"]}
    for name, (interpreter, runs) in _SCRIPTS.items():
        row: Row = {"entry": _PROGRAMS[runs], "export": runs, "kind": "script", "paths": [f"/usr/bin/{name}"]}
        rows[HASH[name]] = row | {"interpreter": HASH[interpreter]}
    rows[HASH["tool.so"]] = {"entry": 3, "export": "tool", "kind": "library", "paths": ["/usr/lib/tool.so"]}
    return rows


def signed(rows: dict[str, Row]) -> manifest.Manifest:
    """A manifest with these entries, through the reader of signed bytes."""
    document = strictjson.loads(manifest.build(b"\0asm", name="test/image"), max_depth=16, code="E_MANIFEST_SYNTAX")
    return manifest.parse(strictjson.dumps(document | {"entries": rows}))


def write_image(folder: Path) -> None:
    for path, data in FILES.items():
        target = folder / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755)
    for path, text in LINKS.items():
        (folder / path[1:]).symlink_to(text)


@dataclass
class World:
    """guest: the container's root as a path of this process, through which the tests write as its guests would."""

    guest: Path
    lower: Path
    root_fd: int
    lower_fd: int | None
    controller: Controller
    shell: Shell | None = None
    env: dict[str, str] = field(default_factory=dict)

    def decide(self, path: str, *argv: str, cwd: str = "/", hash: str | None = None, **env: str) -> Verdict:
        return self.controller.decide(Request(path, [path, *argv], env or self.env, cwd, hash))

    def denied(self, path: str, *argv: str, cwd: str = "/", hash: str | None = None, **env: str) -> Denied:
        with pytest.raises(Denied) as caught:
            self.decide(path, *argv, cwd=cwd, hash=hash, **env)
        return caught.value

    def outcome(self, request: Request) -> Verdict | Denied:
        try:
            return self.controller.decide(request)
        except Denied as denied:
            return denied

    def put(self, path: str, data: bytes, mode: int = 0o755) -> Path:
        """A guest writes a file."""
        target = self.guest / path[1:]
        target.write_bytes(data)
        target.chmod(mode)
        return target


class Shell:
    """A shell in a mount namespace of its own, which ends, and its mounts with it, when this is closed."""

    def __init__(self) -> None:
        user = ["--user", "--map-root-user"] if os.geteuid() else []
        command = ["unshare", "--mount", *user, "sh"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, command: str) -> bool:
        assert self.process.stdin
        assert self.process.stdout
        try:
            print(f"{{ {command}; }} >&2; echo = $?", file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return False
        return self.process.stdout.readline() == "= 0\n"

    def close(self) -> None:
        self.process.communicate()


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[World]:
    """A root that guests write to directly: nothing may be remembered."""
    root = folder / "root"
    root.mkdir()
    write_image(root)
    fd = os.open(root, os.O_PATH)
    try:
        yield World(root, root, fd, None, Controller(signed(entries()), lambda: fd, None))
    finally:
        os.close(fd)


@contextlib.contextmanager
def overlaid(folder: Path, before: str = "true") -> Iterator[World]:
    """A root as csrc/engine/confine.c makes it: an overlay in memory above the image, in another mount namespace.

    before: a shell command that is run in there before the overlay is made, in `folder`.
    """
    lower = folder / "lower"
    for name in ("lower", "memory", "root"):
        (folder / name).mkdir()
    write_image(lower)
    time.sleep(0.03)  # an image is older than its container, by more than a timer tick
    shell = Shell()
    try:
        options = f"lowerdir=lower,upperdir=memory/u,workdir=memory/w{',userxattr' if os.geteuid() else ''}"
        made = (
            shell(f"cd {folder} && {before}")
            and shell("mount -t tmpfs tmpfs memory && mkdir memory/u memory/w")
            and shell(f"mount -t overlay overlay -o {options} root")
        )
        if not made:
            pytest.skip("no overlay can be mounted here: neither root nor user namespaces with it")
        inside = Path(f"/proc/{shell.process.pid}/root{folder}")
        root, below = os.open(inside / "root", os.O_PATH), os.open(inside / "lower", os.O_PATH)
        try:
            controller = Controller(signed(entries()), lambda: root, below)
            yield World(inside / "root", inside / "lower", root, below, controller, shell)
        finally:
            os.close(root)
            os.close(below)
    finally:
        shell.close()
