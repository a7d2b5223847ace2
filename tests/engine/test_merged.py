"""Several programs in one artifact: each is what it is alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import blake3
import pytest

from engine.client import ROOT, TARGET, Refused, Zygote
from engine.conftest import EVERYTHING
from recompiler import aot
from recompiler.merge.merger import merge

PROGRAMS = {
    "hello": (ROOT / "examples/hello/hello.c").read_text(),
    "sum": """#include <stdio.h>
              #include <stdlib.h>
              static long kept[40000]; /* a memory of its own size */
              int main(int argc, char **argv) {
                  for (int i = 1; i < argc; i++) kept[i] = atol(argv[i]);
                  long sum = 0;
                  for (int i = 0; i < 40000; i++) sum += kept[i];
                  printf("%ld of %d\\n", sum, argc - 1);
                  return argc;
              }""",
    "env": """#include <stdio.h>
              extern char **environ;
              int main(void) { for (char **e = environ; *e; e++) puts(*e); return 3; }""",
}
ALONE = """import sys, wasmtime as w
e = w.Engine(); l = w.Linker(e); l.define_wasi(); s = w.Store(e); c = w.WasiConfig()
c.argv = sys.argv[2:]; c.env = [("K", "v")]; c.inherit_stdout(); s.set_wasi(c)
try:
    l.instantiate(s, w.Module.from_file(e, sys.argv[1])).exports(s)["_start"](s)
except w.ExitTrap as exit:
    sys.exit(exit.code)
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory, compile_guest: Callable[[Path], Path]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programs")
    found = {}
    for name, text in PROGRAMS.items():
        (folder / f"{name}.c").write_text(text)
        found[name] = compile_guest(folder / f"{name}.c")
    return found


def test_merged_programs_do_what_each_does_alone(modules: dict[str, Path], tmp_path: Path, root: Path) -> None:
    merged = merge([(name, path.read_bytes()) for name, path in modules.items()])
    (tmp_path / "merged.cwasm").write_bytes(aot.compile_module(merged.data, TARGET))
    with Zygote() as zygote:
        zygote.load(tmp_path / "merged.cwasm")
        container = zygote.create(root, EVERYTHING)
        for name, path in modules.items():
            entry = merged.entries[blake3.blake3(path.read_bytes()).hexdigest()]["entry"]
            argv = [name, "4", "38"]
            alone = subprocess.run(
                [sys.executable, "-c", ALONE, path, *argv], capture_output=True, timeout=60, check=False
            )
            found = container.run(*argv, env=["K=v"], entry=entry)
            assert (found.status, found.out, found.err) == (alone.returncode, alone.stdout, alone.stderr)
        with pytest.raises(Refused, match="no entry 3"):
            container.run("none", entry=len(modules))
