"""A zygote loads the bytes that were verified, made with its own settings, or nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import blake3
import pytest
import wasmtime

from recompiler import aot
from recompiler.errors import Error
from tests.csrc.engine.client import TARGET, Refused, Zygote
from tests.csrc.engine.conftest import EVERYTHING

EMPTY = b"\0asm\1\0\0\0"


def refusal(cwasm: Path, **load: object) -> str:
    with Zygote() as zygote:
        with pytest.raises(Refused) as refused:
            zygote.load(cwasm, **load)  # type: ignore[arg-type]
        assert zygote.process.wait(10) == 1
    return refused.value.text


def test_an_artifact_with_one_changed_bit_is_refused(artifact: Path, tmp_path: Path) -> None:
    data = bytearray(artifact.read_bytes())
    digest = blake3.blake3(data).digest()
    data[len(data) // 2] ^= 1
    (tmp_path / "changed").write_bytes(data)
    assert refusal(tmp_path / "changed", digest=digest).startswith("E_DIGEST: ")


def test_an_artifact_of_another_size_is_refused(artifact: Path) -> None:
    size = artifact.stat().st_size
    assert refusal(artifact, size=size + 1).startswith("E_DIGEST: the artifact is shorter")
    assert refusal(artifact, size=size - 1).startswith("E_DIGEST: ")
    assert refusal(artifact, size=0).startswith("E_DIGEST: ")


def test_settings_that_differ_are_named(artifact: Path) -> None:
    ours = f"{aot.engine()} {aot.settings(TARGET)}"
    other = ours.replace("cranelift_opt_level=1", "cranelift_opt_level=2")
    text = refusal(artifact, settings=other)
    assert text.startswith("E_ENGINE_MODULE: ")
    assert "cranelift_opt_level=2" in text
    assert refusal(artifact, settings=ours + " has_avx").startswith("E_ENGINE_MODULE: ")
    assert refusal(artifact, settings="").startswith("E_ENGINE_MODULE: ")


def test_an_artifact_that_lies_about_its_settings_is_refused_by_wasmtime(tmp_path: Path) -> None:
    config = wasmtime.Config()
    config.consume_fuel = True
    path = tmp_path / "other.cwasm"
    path.write_bytes(wasmtime.Module(wasmtime.Engine(config), EMPTY).serialize())
    text = refusal(path)
    assert text.startswith("E_ENGINE_MODULE: wasmtime refuses the artifact: ")
    assert "?" not in text  # wasmtime's lines are joined, not made unprintable
    assert "; " in text


def test_bytes_that_are_no_artifact_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\x7fELF" + bytes(5000))
    assert refusal(tmp_path / "noise").startswith("E_ENGINE_MODULE: ")


@pytest.mark.parametrize(
    "wat",
    [
        '(module (import "env" "system" (func)))',
        '(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32))))',
        '(module (import "wasi_snapshot_preview1" "fd_close" (memory 1)))',
    ],
)
def test_an_import_that_is_not_a_wasi_function_of_its_type_is_refused(wat: str, tmp_path: Path) -> None:
    path = tmp_path / "import.cwasm"
    path.write_bytes(aot.compile_module(bytes(wasmtime.wat2wasm(wat)), TARGET))
    assert refusal(path).startswith("E_ENGINE_LINK: ")


def test_a_changed_file_does_not_change_what_was_loaded(artifact: Path, tmp_path: Path, root: Path) -> None:
    copy = tmp_path / "copy.cwasm"
    copy.write_bytes(artifact.read_bytes())
    with Zygote() as zygote:
        zygote.load(copy)
        copy.write_bytes(b"\xcc" * copy.stat().st_size)
        assert zygote.create(root, EVERYTHING).run("guest", "echo", "same").out == b"same\n"


def test_a_zygote_loads_once_and_only_then_makes_containers(artifact: Path, root: Path) -> None:
    with Zygote() as zygote:
        with pytest.raises(Refused, match="needs a loaded module"):
            zygote.create(root, EVERYTHING)
        zygote.load(artifact)
        container = zygote.create(root, EVERYTHING)
        with pytest.raises(Refused, match="loads once"):
            zygote.load(artifact)
        assert container.run("guest", "exit", "5").status == 5


@pytest.mark.parametrize("wat", ["(module)", '(module (func (export "_start") (param i32)))'])
def test_a_module_that_cannot_be_entered_is_refused_when_it_is_spawned(wat: str, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "odd.cwasm"
    path.write_bytes(aot.compile_module(bytes(wasmtime.wat2wasm(wat)), TARGET))
    with Zygote() as zygote:
        zygote.load(path)
        result = zygote.create(root, EVERYTHING).run("odd")
    assert result.status == 125
    assert result.err.startswith(b"recompiler: E_ENGINE_MODULE: ")


def test_compiling_twice_gives_the_same_bytes(artifact: Path) -> None:
    wasm = bytes(wasmtime.wat2wasm('(module (memory 1) (data (i32.const 0) "x") (func (export "_start")))'))
    assert aot.compile_module(wasm, TARGET) == aot.compile_module(wasm, TARGET)


def sections(artifact: bytes) -> dict[str, bytes]:
    """What an ELF file's section headers name."""
    begin = int.from_bytes(artifact[40:48], "little")
    count, names = (int.from_bytes(artifact[at : at + 2], "little") for at in (60, 62))
    rows = [struct.unpack_from("<2I4Q2I2Q", artifact, begin + n * 64) for n in range(count)]
    text = artifact[rows[names][4] :]
    return {text[row[0] : text.index(b"\0", row[0])].decode(): artifact[row[4] : row[4] + row[5]] for row in rows}


def test_an_artifact_is_what_wasmtime_made_without_what_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    wasm = bytes(wasmtime.wat2wasm('(module (memory 1) (data (i32.const 0) "x") (func (export "_start")))'))
    made = aot.compile_module(wasm, TARGET)
    monkeypatch.setattr(aot, "stripped", lambda artifact: artifact)
    whole = sections(aot.compile_module(wasm, TARGET))
    unused = {name.decode() for name in aot.UNUSED}
    assert unused <= whole.keys()
    assert sections(made) == {name: data for name, data in whole.items() if name not in unused}


def test_a_target_that_this_wheel_cannot_make_is_an_error_that_says_where() -> None:
    foreign = next(target for target in aot.TARGETS if target != TARGET)
    with pytest.raises(Error, match="on one of these") as error:
        aot.compile_module(EMPTY, foreign)
    assert error.value.code == "E_COMPILER"
    with pytest.raises(Error) as error:
        aot.settings("riscv64-linux")
    assert error.value.code == "E_USAGE"
    with pytest.raises(Error) as error:
        aot.compile_module(b"\0asm\1\0\0\0\xff", TARGET)
    assert error.value.code == "E_WASM_INVALID"
