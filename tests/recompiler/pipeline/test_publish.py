"""In: builds that are repeated, refused, broken off, killed. Out: a bundle is whole or not there, always the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recompiler import cli
from recompiler.cli.build import command as build_command
from recompiler.errors import Error
from recompiler.pipeline import publish
from recompiler.pipeline.build import build
from recompiler.pipeline.contents import Objects
from tests import image_writer as w
from tests.recompiler.pipeline.images import MOMENT, ONE, TWO, built, layout, order, tree
from tests.testbed import Signer, recompiler

COMMAND = (sys.executable, "-c", "from recompiler.cli.build import main; main()")
NOBODY = 65534
# The user may not be able to read this Python: it is imported before.
AS_USER = f"""
import os, wasmtime
from recompiler.cli.build import main
import recompiler.pipeline.build
os.setgroups([]); os.setresgid({NOBODY}, {NOBODY}, {NOBODY}); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
os.environ["SOURCE_DATE_EPOCH"] = "{MOMENT}"
main()
"""


def command(image: str, folder: Path, *more: str | Path) -> list[str]:
    places = ["--output", folder / "container.wasm", "--manifest", folder / "manifest.json"]
    return [*COMMAND, "--image", image, *map(str, places), "--name", "test/image", *map(str, more)]


def run(words: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, capture_output=True, timeout=60, check=False, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def image(tmp_path: Path) -> str:
    return layout(tmp_path / "image")


def test_the_same_image_makes_the_same_bytes_anywhere(signer: Signer, image: str, tmp_path: Path) -> None:
    other = tmp_path / "other" / "place"
    other.mkdir(parents=True)
    shutil.copytree(image, other / "copy")
    environments = [
        {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": str(MOMENT)},
        {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2", "SOURCE_DATE_EPOCH": str(MOMENT)},
    ]
    runs = [(command(image, tmp_path / "one", "--key", signer.key), tmp_path, 0o022)]
    runs += [(command("copy", Path("two"), "--key", signer.key), other, 0o077)]
    for (words, cwd, umask), environment in zip(runs, environments, strict=True):
        result = run(words, cwd=cwd, env=os.environ | environment, umask=umask)
        assert result.returncode == 0, result.stderr
        assert result.stderr == b""
    one, two = tree(tmp_path / "one"), tree(other / "two")
    assert one == two
    assert {"container.wasm", "manifest.json", "bundle.sig", "rootfs/bin/one"} < set(one)
    assert any(name.endswith(".cwasm") for name in one)
    assert (tmp_path / "one").stat().st_mode == (other / "two").stat().st_mode
    verified = recompiler("verify", "--routes", "--pubkeys", signer.pubkeys, tmp_path / "one")
    assert b"4 entries, rootfs of 7 files, 0 problems" in verified.stdout


def test_an_existing_bundle_is_refused_and_stays(image: str, tmp_path: Path) -> None:
    built(image, tmp_path / "bundle")
    before = tree(tmp_path)
    with pytest.raises(Error, match=r"E_OUTPUT: .*container\.wasm exists; --force replaces the bundle"):
        built(image, tmp_path / "bundle")
    assert tree(tmp_path) == before


def test_force_replaces_the_bundle_and_nothing_else(image: str, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    built(image, folder, manifest="mapping.json", target=None)
    (folder / "notes").write_text("mine")
    (folder / "container.aarch64-linux.cwasm").write_text("stale")
    (folder / "rootfs" / "stale").write_text("stale")
    other = layout(tmp_path / "other", w.tar(w.file("bin/two", TWO, 0o755)))
    manifest = built(other, folder, force=True)
    assert [each.export for each in manifest.entries.values()] == ["two"]
    names = {path.name for path in folder.iterdir()}
    assert names == {"notes", "bundle.sig", "container.wasm", "manifest.json", "rootfs"}
    assert set(tree(folder / "rootfs")) == {"bin", "bin/two"}


def test_a_directory_that_is_there_gets_the_bundle_beside_what_it_has(image: str, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "notes").write_text("mine")
    built(image, tmp_path / "bundle")
    assert "notes" in tree(tmp_path / "bundle")
    result = run(command(image, Path(".")), cwd=tmp_path)  # `--output ./container.wasm`
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "rootfs" / "bin" / "one").exists()


@pytest.mark.parametrize("blocked", ["file", "symlink", "dangling", "absent"])
def test_an_output_that_cannot_be_is_refused_before_the_image_is_read(blocked: str, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    if blocked == "file":
        folder.write_text("x")
    elif blocked == "symlink":
        folder.symlink_to(tmp_path)
    elif blocked == "dangling":
        folder.mkdir()
        (folder / "manifest.json").symlink_to("nowhere")
    else:
        folder = tmp_path / "no" / "bundle"
    before = tree(tmp_path)
    with pytest.raises(Error, match="E_OUTPUT"):
        build(order(tmp_path / "no image", folder))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("failing", range(8))
def test_a_rename_that_fails_puts_everything_back(
    failing: int, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bundle"
    built(image, folder)
    (folder / "bundle.sig").write_text("old")
    before = tree(tmp_path)
    rename, done = os.rename, []

    def limited(source: str, target: str, **more: int) -> None:
        done.append(source)
        if len(done) == failing + 1:
            raise OSError(28, "no space")
        rename(source, target, **more)

    monkeypatch.setattr(publish.os, "rename", limited)
    original = publish.publish

    def counted(*arguments: object) -> None:
        done.clear()
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(publish, "publish", counted)
    with pytest.raises(Error, match="E_OUTPUT"):
        built(image, folder, force=True)
    assert tree(tmp_path) == before


STEPS = ["layer 2 of 2", "merge", "compile", "manifest", "publish"]


def begun(image: str, folder: Path, step: str) -> subprocess.Popen[bytes]:
    """A build that has just said that it begins this step."""
    process = subprocess.Popen(command(image, folder, "--progress"), stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if step.encode() in line:
            return process
    raise AssertionError(f"no step {step}")


@pytest.mark.parametrize("step", STEPS)
def test_a_build_that_is_killed_leaves_no_bundle_or_a_whole_one(step: str, image: str, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "bundle"
    folder.parent.mkdir()
    with begun(image, folder, step) as process:
        process.kill()
    left = {path.name for path in folder.parent.iterdir()}
    assert all(name == "bundle" or name.startswith(".bundle.") for name in left)
    if folder.exists():
        assert (folder / "bundle.sig").exists()
        assert len(tree(folder)) == len(tree(folder / "rootfs")) + 5
    built(image, tmp_path / "again")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_asked_to_end_removes_what_it_began(number: int, image: str, tmp_path: Path) -> None:
    step = random.choice(STEPS[:-1])
    print("step", step)
    folder = tmp_path / "out" / "bundle"
    folder.parent.mkdir()
    with begun(image, folder, step) as process:
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode in (0, 130, 128 + number, -number)
    assert process.returncode == 0 or not list(folder.parent.iterdir())


def test_an_ordinary_user_builds_the_same(image: str, tmp_path: Path) -> None:
    """No step needs a privilege, and the result does not tell who built it."""
    if os.geteuid() != 0:
        pytest.skip("not root: every other test is this one")
    place = tmp_path / "place"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    for folder in (tmp_path, *tmp_path.parents):
        if folder not in (Path("/tmp"), Path("/")):
            folder.chmod(folder.stat().st_mode | 0o055)
    build(order(image, tmp_path / "mine"))
    result = run([sys.executable, "-c", AS_USER, *command(image, place / "bundle", "--no-compile")[3:]], cwd=place)
    assert result.returncode == 0, result.stderr
    assert tree(place / "bundle") == tree(tmp_path / "mine")


def here(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The command in this process: status, standard output, standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words[len(COMMAND) :], build_command)
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capsys.readouterr()


def test_the_command_reports_in_json_and_refuses_in_json(
    image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = here(command(image, tmp_path / "bundle", "--no-compile", "--json"), capsys)
    report = json.loads(out)
    assert (report["result"], report["subject"], report["signed_by"]) == ("built", "test/image", 0)
    assert len(report["entries"]) == 4
    status, out, _ = here(command(image, tmp_path / "bundle", "--json"), capsys)
    assert (status, json.loads(out)["error"]["code"]) == (3, "E_OUTPUT")


@pytest.mark.parametrize(
    "more",
    [
        ["--target", "x86_64-linux", "--no-compile"],
        ["--manifest", "elsewhere/manifest.json"],
        ["--rootfs", "files"],
        ["--output", "a.wasm"],
        ["--name", "Not A Subject"],
        ["--platform", "amd64"],
        ["--signed-at", "x"],
        ["more"],
    ],
)
def test_options_that_make_no_sense_are_refused(
    more: list[str], image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = here([*command(image, tmp_path / "bundle"), *more], capsys)
    assert (status, out) in ((2, ""), (11, ""))
    assert err.startswith("recompiler-build: E_")
    assert err.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


def test_the_summary_and_the_program_of_the_wheel(image: str, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "recompiler-build"
    words = [str(program), "--image", image, "--output", str(tmp_path / "b" / "container.wasm"), "--no-compile"]
    result = run(words)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.decode().splitlines()
    assert lines[0].startswith(f"{tmp_path / 'b'}: image, release ")
    assert lines[0].endswith("unsigned, to be signed by 1")
    assert lines[1] == "  2 programs, 2 scripts, 1 files left out"
    assert lines[-1] == f"  no AOT artifact yet: recompiler compile {tmp_path / 'b'}"


def test_programs_are_read_once_as_they_were_digested(image: str, tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    for chunk in objects.take(iter([ONE[:10], ONE[10:]])):
        assert chunk
    content = objects.taken()
    assert objects.read(content) == ONE
    objects.path(content).write_bytes(TWO)
    with pytest.raises(Error, match="E_CHANGED"):
        objects.read(content)
