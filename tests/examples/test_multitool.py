"""examples/multitool, built, signed, verified and run by its demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles import BUILT
from tests.testbed import ROOT

ERRORS = "2: disk full on a\n4: disk full on b\n"
TABLE = "08:00:02  ERROR  disk   full  on  a\n"


@pytest.mark.skipif(not BUILT, reason="no engine was built for this machine")
def test_the_demo_runs_its_programs_and_refuses_another(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "keys").mkdir(mode=0o700)
    tmp_path.chmod(0o700)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    words = ["sh", "examples/multitool/demo.sh"]
    result = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert ERRORS in result.stdout
    assert TABLE in result.stdout
    assert "4 entries, rootfs of 5 files, 0 problems\n" in result.stdout
    assert "E_RPC_DENIED: '/bin/new': unknown hash\n" in result.stderr
    assert "E_ROUTES: " in result.stderr
