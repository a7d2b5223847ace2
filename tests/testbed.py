"""What the tests share besides fixtures: where things are, the command line, signed guests."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIGURES = os.environ.get("RECOMPILER_FIGURES") == "1"  # make figures: the long counts
STUB = f"{platform.machine()}-linux-dev"


def recompiler(*arguments: str | Path, check: bool = True, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the recompiler command line; fails the test with its output when check and the status is not 0."""
    command = [sys.executable, "-m", "recompiler", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, timeout=120, check=False, **options)  # type: ignore[call-overload]
    if check and result.returncode != 0:
        pytest.fail(f"{' '.join(command[3:])}: exit {result.returncode}\n{result.stdout!r}\n{result.stderr!r}")
    return result  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Signer:
    """A development key and the store that trusts it, in a private directory."""

    folder: Path
    key: Path
    pubkeys: Path

    def sign(self, wasm: Path, name: str, *manifest_options: str, stub: str = STUB) -> Path:
        """A signed executable around wasm; manifest_options go to `recompiler manifest`."""
        manifest = wasm.with_suffix(".json")
        output = wasm.with_suffix("")
        recompiler("manifest", "--name", name, *manifest_options, wasm, "-o", manifest, "--force")
        options = ["--blob", wasm, "--manifest", manifest, "--key", self.key, "--force"]
        recompiler("append", *options, stub, "-o", output)
        return output


def run_guest(
    signer: Signer, program: Path, *arguments: str, options: Sequence[str | Path] = (), **more: object
) -> subprocess.CompletedProcess[bytes]:
    """`recompiler run` with the test's key store; the status is the program's own."""
    return recompiler("run", "--pubkeys", signer.pubkeys, *options, program, *arguments, check=False, **more)


def tracked() -> list[Path]:
    """The files of the checkout that are no product of it, as git names them; without git, by .gitignore as it stands.

    An unpacked archive is no repository, and may lie in another one, which knows nothing of it.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names: list[str] = []
    if shutil.which("git") and (ROOT / ".git").exists():
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split("\0")[:-1]
    if not names:
        rules = (ROOT / ".gitignore").read_text().split()
        every = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*"))
        names = [name for name in every if not name.startswith(".git/") and not _ignored(name, rules)]
    return sorted(ROOT / name for name in names if (ROOT / name).is_file())


def _ignored(name: str, rules: list[str]) -> bool:
    """The last rule that a path or a directory above it matches, gitignore(5); a rule is anchored or a name alone."""
    found = False
    prefixes = [name, *map(str, Path(name).parents)][:-1]
    for rule in rules:
        pattern = rule.lstrip("!").strip("/")
        subjects = prefixes if "/" in rule.lstrip("!").rstrip("/") else [Path(prefix).name for prefix in prefixes]
        if any(fnmatchcase(subject, pattern) for subject in subjects):
            found = not rule.startswith("!")
    return found


def eventually(condition: Callable[[], bool], patience: float = 10.0) -> None:
    """Fails when the condition does not come true in so many seconds; how soon is not the question."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
