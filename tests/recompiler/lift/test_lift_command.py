"""recompiler lift, and run and inspect of what it made: the same bytes always, all of a program accounted for."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from recompiler.errors import Error
from recompiler.lift import lifter
from recompiler.lift.emit import objectwriter
from recompiler.lift.object import ledger
from recompiler.lift.object.objectrun import HOST
from tests.testbed import FIGURES, recompiler

RUNS = pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
FIND = Callable[[Path, str], int]


@pytest.fixture(scope="module")
def lifted(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A lifted object, its ledger, and what the command said."""
    folder = tmp_path_factory.mktemp("lifted")
    output, told = folder / "small.lifted", folder / "ledger.json"
    result = recompiler("lift", small, "-o", output, "--ledger", told)
    assert result.stdout == b""
    return output, told, result.stderr


@RUNS
def test_a_lifted_program_says_what_the_native_one_says(small: Path, lifted: tuple[Path, Path, bytes]) -> None:
    native = subprocess.run([small], capture_output=True, timeout=20, check=True)
    run = recompiler("run", lifted[0])
    assert (run.stdout, run.stderr) == (native.stdout, b"")
    assert re.fullmatch(rb"sum \d+\n", run.stdout)


@RUNS
def test_a_lifted_program_whose_reader_has_gone_dies_of_sigpipe(lifted: tuple[Path, Path, bytes]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "recompiler", "run", str(lifted[0])]
        assert subprocess.run(command, stdout=writing, timeout=60, check=False).returncode == -signal.SIGPIPE
    finally:
        os.close(writing)


@RUNS
@pytest.mark.parametrize("kind", ["exec", "pie"])
def test_an_instruction_without_wasm_names_file_address_and_text_and_dies_of_sigill(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, symbol: FIND
) -> None:
    program = request.getfixturevalue({"exec": "small", "pie": "small_pie"}[kind])
    output = tmp_path / "the program.lifted"
    recompiler("lift", program, "-o", output)
    assert recompiler("run", output).stdout.startswith(b"sum ")
    run = recompiler("run", output, "--", "argument", check=False)
    address = symbol(program, "trap") + (lifter.BASE if kind == "pie" else 0)
    where = f"{tmp_path}/the program: not lifted: the instruction at {address:#x}"
    assert run.stderr.decode() == f"recompiler: {where}, vzeroupper (no form: VZEROUPPER)\n"
    assert (run.returncode, run.stdout) == (-signal.SIGILL, b"")


def test_the_ledger_accounts_for_each_byte_function_and_instruction(
    small: Path, lifted: tuple[Path, Path, bytes], symbol: FIND
) -> None:
    output, told, said = lifted
    found = json.loads(told.read_text())
    assert told.read_bytes() == json.dumps(found, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert found["schema"] == ledger.SCHEMA
    sizes = found["bytes"]
    assert sizes["text"] == sum(sizes[name] for name in ledger.BYTES)
    assert sizes["lifted"] > 300
    assert sizes["data"] == 14  # the table, from the byte on that is read
    assert sizes["unlifted"] >= 7
    assert found["functions"]["found"] == found["functions"]["lifted"] + found["functions"]["stubbed"]
    assert found["functions"]["stubbed"] >= 1
    assert found["instructions"]["unlifted"] == len(found["rows"])
    rows = {int(row["address"], 16): row for row in found["rows"]}
    assert list(rows) == sorted(rows)
    trap = symbol(small, "trap")
    assert rows[trap] == {
        "address": hex(trap),
        "bytes": "c5f877",
        "text": "vzeroupper",
        "reason": "no form: VZEROUPPER",
    }
    assert rows[trap + 3]["text"].startswith("vaddps ymm3")  # behind it in the same block: named all the same
    lines = said.decode().splitlines()
    assert lines[0].startswith(f"{output}: {found['instructions']['found']} instructions in ")
    assert lines[1].startswith(f"{100 * sizes['lifted'] / sizes['text']:.1f}% of the text is lifted; {len(rows)} ")


def test_what_runs_only_inside_an_image_is_said_at_the_lift(
    small: Path, lifted: tuple[Path, Path, bytes], tmp_path: Path
) -> None:
    output, told, loader = tmp_path / "f.lifted", tmp_path / "ledger", "/lib64/ld-linux-x86-64.so.2"
    (tmp_path / "f.c").write_text("int f(int a) { return a * a; }")
    (tmp_path / "p.c").write_text("int f(int); void _start(void) { for (;;) f(4); }")
    dynamic = ["-pie", "-fPIC", "-fno-sanitize=all", f"-Wl,--dynamic-linker={loader}", "libf.so"]
    ways = [
        ("libf.so", ["f.c", "-shared", "-fPIC", "-fno-sanitize=all", "-Wl,-soname,libf.so"], "a library", None, []),
        ("p", ["p.c", *dynamic], "a dynamic program", loader, ["libf.so"]),
    ]
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu", "-mcpu=x86_64", "-nostdlib"]
    for name, words, what, interpreter, libraries in ways:
        subprocess.run([*compiler, *words, "-o", name], cwd=tmp_path, check=True, timeout=120)
        done = recompiler("lift", "--no-compile", "--force", tmp_path / name, "-o", output, "--ledger", told)
        named = f": {loader}, libf.so" if interpreter else ""
        line = f"{output}: {what}; it runs only inside an image with its loader and libraries{named}"
        assert done.stderr.decode().splitlines()[2:] == [line]
        assert json.loads(told.read_text())["needs"] == {"interpreter": interpreter, "libraries": libraries}
    assert b"image" not in lifted[2]
    assert json.loads(lifted[1].read_text())["needs"] is None


def test_inspect_reads_the_ledger_back(lifted: tuple[Path, Path, bytes]) -> None:
    output, told, _ = lifted
    found = json.loads(told.read_text())
    kept = json.loads(recompiler("inspect", "--json", "--explain", output).stdout)
    for name in ("rows", "bytes", "functions", "instructions", "lifter"):
        assert kept[name] == found[name]
    assert kept["elf"]["blake3"] == found["elf"]
    assert [each["usable"] for each in kept["artifacts"]] == [True]
    text = recompiler("inspect", "--explain", output).stdout.decode()
    assert all(f"{row['address']}  {row['bytes']}" in text for row in found["rows"])


def test_two_lifts_are_the_same_bytes_wherever_and_however_they_are_made(small: Path, tmp_path: Path) -> None:
    ways: list[tuple[str, dict[str, str]]] = [
        ("1", {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}),
        ("2", {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8"}),
        ("5", {"PYTHONHASHSEED": "random", "TZ": "America/St_Johns", "LANG": "de_DE.UTF-8", "SOURCE_DATE_EPOCH": "1"}),
    ]
    made = set()
    for n, (jobs, environment) in enumerate(ways):
        folder = tmp_path / ("deeper/" * n + f"folder {n}")
        folder.mkdir(parents=True)
        program = folder / f"program{n}"
        shutil.copy(small, program)
        options = ["--jobs", jobs, "--no-compile", "--ledger", folder / "ledger"]
        recompiler("lift", *options, program.name, "-o", "out.lifted", cwd=folder, env={**os.environ, **environment})
        made.add(((folder / "out.lifted").read_bytes(), (folder / "ledger").read_bytes()))
    assert len(made) == 1


def test_many_functions_on_many_processes_are_the_same_bytes(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifter, "CHUNK", 1)
    data = small.read_bytes()
    assert len({lifter.lift(data, jobs=jobs).module for jobs in (1, 2, 5)}) == 1


@pytest.mark.figures
@pytest.mark.skipif(not FIGURES, reason="long: make figures")
def test_a_whole_busybox_is_the_same_bytes_for_any_number_of_processes(tmp_path: Path) -> None:
    found = os.environ.get("BUSYBOX") or shutil.which("busybox")
    if not found:
        pytest.skip("no busybox here: apt-get install busybox-static (or BUSYBOX=path of one)")
    digests = []
    for n, jobs in enumerate(("1", "2", "5")):
        folder = tmp_path / f"folder {n}"
        folder.mkdir()
        shutil.copy(found, folder / f"box{n}")
        environment = {**os.environ, "PYTHONHASHSEED": str(n)}
        command = [sys.executable, "-m", "recompiler", "lift", "--jobs", jobs, f"box{n}", "-o", "lifted"]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=600, check=True)
        digests.append(blake3((folder / "lifted").read_bytes()).hexdigest())
        print(f"jobs {jobs}: {digests[-1]}: {result.stderr.decode().splitlines()[0]}")
    assert len(set(digests)) == 1


def test_progress_is_said_on_stderr_step_by_step(small: Path, tmp_path: Path) -> None:
    result = recompiler("lift", "--progress", small, "-o", tmp_path / "out")
    assert [line for line in result.stderr.decode().splitlines() if " " not in line] == ["discover", "lift", "compile"]


SLOW = """
import sys, time
from recompiler import aot
from recompiler.lift import lifter
{patch}
from recompiler.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("step", "patch"),
    [
        ("compile", "aot.compile_module = lambda module, target: time.sleep(100)"),
        ("lift", "lifter.CHUNK = 1\nemit = lifter.emit\nlifter.emit = lambda *rest: (time.sleep(0.2), emit(*rest))[1]"),
    ],
    ids=["compile", "lift"],
)
def test_an_interrupted_lift_leaves_nothing_behind(step: str, patch: str, small: Path, tmp_path: Path) -> None:
    command = ["lift", "--progress", "--jobs", "2", str(small), "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW.format(patch=patch), *command, "--ledger", str(tmp_path / "ledger")],
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        while process.stderr.readline() != f"{step}\n".encode():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.stderr.read()
        assert (process.wait(20), said.strip()) == (130, b"")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_is_killed_is_an_error_and_no_hang(small: Path, tmp_path: Path) -> None:
    patch = "import os\nlifter.CHUNK = 1\nlifter.emit = lambda *rest: os.kill(os.getpid(), 9)"
    command = ["lift", "--jobs", "2", str(small), "-o", str(tmp_path / "out")]
    run = [sys.executable, "-c", SLOW.format(patch=patch), *command]
    result = subprocess.run(run, capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.startswith(b"recompiler: E_NO_MEMORY: ")) == (3, True)
    assert not list(tmp_path.iterdir())


def test_outputs_are_refused_as_every_command_refuses_them(small: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copy(small, mine)
    for options, code in (
        (["-o", mine], b"E_OUTPUT"),  # exists
        (["-o", mine, "--force"], b"E_OUTPUT"),  # is the input
        (["-o", tmp_path / "none" / "out"], b"E_OUTPUT"),
        ([], b"E_USAGE"),
        (["--jobs", "0", "-o", tmp_path / "out"], b"E_USAGE"),
    ):
        result = recompiler("lift", "--no-compile", mine, *options, check=False)
        assert result.stderr.startswith(b"recompiler: " + code)
        assert result.returncode == (3 if code == b"E_OUTPUT" else 2)
    # Before the work, not behind it: what is no ELF file is not even read.
    (tmp_path / "none").write_bytes(b"")
    result = recompiler("lift", "none", "-o", mine, check=False, cwd=tmp_path)
    assert result.stderr.startswith(b"recompiler: E_OUTPUT")
    (tmp_path / "none").unlink()
    assert mine.read_bytes() == small.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_text_that_spans_too_much_is_refused() -> None:
    with pytest.raises(Error, match="E_LIFT_ELF"):
        objectwriter.fits([], objectwriter.TEXT_MAX + 1)
