"""keys/README.md, run as it stands, with openssl in the place of the KMS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed import ROOT, recompiler

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "keys" / "README.md").read_text(), re.M | re.S)
SIGN = "openssl pkeyutl -sign -rawin -inkey {0}.pem -in statement.bin -out {1}\n"
MAKE_KEY = "openssl genpkey -algorithm ed25519 -out {0}.pem && openssl pkey -in {0}.pem -pubout -out {0}.pub\n"


def block(beginning: str) -> str:
    (found,) = [each for each in BLOCKS if each.startswith(beginning)]
    return found


@pytest.fixture
def shell(tmp_path: Path, compile_guest: Callable[[Path], Path]) -> Callable[[str], str]:
    """Runs commands of the page in a folder that has a module and its manifest."""
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    (folder / "agent.wasm").write_bytes(compile_guest(ROOT / "examples" / "hello" / "hello.c").read_bytes())
    recompiler("manifest", "--name", "demo/agent", folder / "agent.wasm", "-o", folder / "agent.json")
    command = tmp_path / "bin" / "recompiler"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m recompiler "$@"\n')
    command.chmod(0o755)
    env = os.environ | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))

    def run(script: str) -> str:
        options = ["bash", "-eu", "-c", script]
        done = subprocess.run(options, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_development_key_is_made_as_the_page_says(shell: Callable[[str], str]) -> None:
    shell(block("recompiler keygen"))
    assert shell("stat -c %a dev.key") == "600\n"


def test_release_is_signed_as_the_page_says(shell: Callable[[str], str]) -> None:
    flow = re.sub(
        r"^# \.\.\. sign.*\n",
        SIGN.format("release", "signature.bin"),
        block("recompiler append --unsigned --blob"),
        flags=re.M,
    )
    assert SIGN[:20] in flow
    out = shell(MAKE_KEY.format("release") + flow)
    assert "agent: verified demo/agent" in out


def test_two_signers_sign_as_the_page_says(shell: Callable[[str], str]) -> None:
    before, attach = block("recompiler append --unsigned --signers 2").rsplit("recompiler attach", 1)
    keys = MAKE_KEY.format("one") + MAKE_KEY.format("two")
    signatures = SIGN.format("one", "one.sig") + SIGN.format("two", "two.sig")
    store = "recompiler pubkeys --threshold 2 one.pub two.pub -o pubkeys.json\n"
    check = "recompiler verify --pubkeys pubkeys.json agent"
    assert "verified demo/agent" in shell(f"{keys}{before}{signatures}recompiler attach{attach}{store}{check}")
