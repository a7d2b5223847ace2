"""docs/verify-by-hand.md, run as it stands: passes on a signed file, and on no file with one bit changed."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed import ROOT, STUB, Signer, recompiler

PAGE = ROOT / "docs" / "verify-by-hand.md"
MISSING = [tool for tool in ("bash", "openssl", "xxd") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def by_hand(folder: Path, file: Path, public: Path) -> subprocess.CompletedProcess[str]:
    """Runs every block of the page in one bash -eu in an empty folder, with this Python where b3sum is missing."""
    folder.mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "FILE": str(file), "PUB": str(public)}
    command = ["bash", "-eu", "-c", "".join(BLOCKS)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def signed(signer: Signer, compile_guest: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("byhand")
    module = folder / "hello.wasm"
    module.write_bytes(compile_guest(ROOT / "examples" / "hello" / "hello.c").read_bytes())
    return signer.sign(module, "demo/hello", stub=STUB)


def test_page_has_its_blocks() -> None:
    assert len(BLOCKS) == 8


def test_signed_file_passes_and_shows_what_the_command_shows(tmp_path: Path, signer: Signer, signed: Path) -> None:
    result = by_hand(tmp_path / "work", signed, signer.key.with_suffix(".pub"))
    assert result.returncode == 0, result.stderr
    assert "Signature Verified Successfully" in result.stdout
    assert result.stdout.endswith("all checks passed\n")
    facts = json.loads(recompiler("verify", "--json", "--pubkeys", signer.pubkeys, signed).stdout)["files"][0]
    assert re.search(rf"^release +{facts['release']}$", result.stdout, re.M)
    assert re.search(r"^subject +demo/hello$", result.stdout, re.M)
    for digest in facts["sections"].values():
        assert f"BLAKE3 {digest}\n" in result.stdout


def test_one_flipped_bit_anywhere_fails(tmp_path: Path, signer: Signer, signed: Path) -> None:
    """One bit of every field of the trailer, of every section and of the padding (test_exhaustive.py: every byte)."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    whole = signed.read_bytes()
    trailer = len(whole) - 32 - 112 - 384
    spots = [trailer + at for at in (0, 21, 32, 34, 36, 38, 40, 48, 56, 64, 127)]
    spots += [trailer + 128 + 64 * slot + chance.choice((0, 4, 8, 16, 24, 32, 63)) for slot in range(4)]
    spots += [trailer + 384 + at for at in (0, 4, 16, 48, 80, 111)] + [len(whole) - at for at in (32, 28, 24, 16, 1)]
    facts = json.loads(recompiler("inspect", "--json", signed).stdout)
    for section in facts["sections"]:
        end = section["offset"] + section["size"]
        spots.append(chance.randrange(section["offset"], end))
        spots += list(range(end, -(-end // 16) * 16))[-1:]  # the last byte of padding, if there is any
    changed = tmp_path / "changed"
    for number, spot in enumerate(spots):
        data = bytearray(whole)
        data[spot] ^= 1 << chance.randrange(8)
        changed.write_bytes(data)
        result = by_hand(tmp_path / str(number), changed, signer.key.with_suffix(".pub"))
        assert result.returncode != 0, f"bit {spot} of {len(whole)}"
        assert "all checks passed" not in result.stdout


@pytest.mark.parametrize("change", ["a byte added", "a byte removed", "a byte in front"])
def test_file_of_another_length_fails(tmp_path: Path, signer: Signer, signed: Path, change: str) -> None:
    whole = signed.read_bytes()
    (tmp_path / "changed").write_bytes(
        {"a byte added": whole + b"\0", "a byte removed": whole[:-1], "a byte in front": b"\0" + whole}[change]
    )
    result = by_hand(tmp_path / "work", tmp_path / "changed", signer.key.with_suffix(".pub"))
    assert result.returncode != 0


def test_another_key_fails(tmp_path: Path, signed: Path) -> None:
    recompiler("keygen", "--label", "other", "-o", tmp_path / "other.key")
    result = by_hand(tmp_path / "work", signed, tmp_path / "other.pub")
    assert result.returncode != 0
    assert "Signature Verified Successfully" not in result.stdout


def test_key_of_a_store_becomes_pem_as_the_page_says(tmp_path: Path, signer: Signer) -> None:
    (line,) = re.findall(r"^    (printf 302a.*)$", PAGE.read_text(), re.M)
    pub = json.loads(signer.pubkeys.read_text())["keys"][0]["pub"]
    subprocess.run(["bash", "-eu", "-c", line.replace("HEX", pub)], cwd=tmp_path, timeout=60, check=True)
    pem = (tmp_path / "release.pem").read_text()
    assert pem.strip() in signer.key.with_suffix(".pub").read_text()
