"""recompiler merge, and recompiler inspect --wat-dispatch, as people and scripts meet them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import wasmtime
from blake3 import blake3

from recompiler.errors import Error
from recompiler.format import manifest, strictjson
from recompiler.merge import dispatch, routes, wat
from recompiler.merge.merger import merge
from recompiler.merge.names import plain
from recompiler.wasm import reader
from recompiler.wasm.model import DATA, FUNC, TABLE, Module
from tests.testbed import recompiler


def wasm(fields: str = "", start: str = "") -> bytes:
    return bytes(wasmtime.wat2wasm(f'(module {fields} (memory (export "memory") 1) (func (export "_start") {start}))'))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"one": wasm(), "two": wasm("(global i32 (i32.const 1))"), "three": wasm(start="nop")}
    paths = [tmp_path / f"{name}.wasm" for name in contents]
    for path, data in zip(paths, contents.values(), strict=True):
        path.write_bytes(data)
    return paths


def refusal(*arguments: str | Path) -> tuple[int, bytes]:
    result = recompiler(*arguments, check=False)
    assert result.stdout == b""
    return result.returncode, result.stderr


def test_the_map_is_the_entries_of_a_manifest(files: list[Path], tmp_path: Path) -> None:
    out, map_ = tmp_path / "container.wasm", tmp_path / "map.json"
    shown = recompiler("merge", *files, "-o", out, "--map", map_)
    assert shown.stdout == b""
    assert re.match(rb"3 programs, \d+ bytes -> \d+; 3 functions -> 2\n", shown.stderr)
    entries = json.loads(map_.read_text())
    assert sorted(entries) == sorted(blake3(path.read_bytes()).hexdigest() for path in files)
    for path in files:
        row = entries[blake3(path.read_bytes()).hexdigest()]
        assert (row["export"], row["kind"], row["paths"]) == (path.stem, "wasi", [f"/{path.stem}"])
    assert sorted(row["entry"] for row in entries.values()) == [0, 1, 2]
    document = json.loads(manifest.build(out.read_bytes(), name="demo/three"))
    document["entries"] = entries
    assert len(manifest.parse(strictjson.dumps(document)).entries) == 3


def test_without_a_map_file_the_map_is_the_output(files: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "a.wasm", tmp_path / "b.wasm"
    shown = recompiler("merge", *files, "-o", first)
    recompiler("merge", *reversed(files), "-o", second, "--map", tmp_path / "map.json")
    assert first.read_bytes() == second.read_bytes()
    assert shown.stdout == (tmp_path / "map.json").read_bytes()


def test_names_are_given_in_order(files: list[Path], tmp_path: Path) -> None:
    shown = recompiler("merge", *files, files[0], "--names", "x,y,z,again", "-o", tmp_path / "container.wasm")
    entries = json.loads(shown.stdout)
    assert entries[blake3(files[0].read_bytes()).hexdigest()]["paths"] == ["/again", "/x"]
    assert {row["export"] for row in entries.values()} == {"again", "y", "z"}


def test_wrong_command_lines_are_usage_errors(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "container.wasm"
    assert refusal("merge", *files, "--names", "a,b", "-o", out)[0] == 2
    assert refusal("merge", *files, "--names", "a,b,a", "-o", out)[0] == 2
    assert refusal("merge", *files, "--names", "a,b,memory", "-o", out)[0] == 2
    assert refusal("merge", "-o", out)[0] == 2
    assert not out.exists()


def test_an_output_that_exists_stays_without_force(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "container.wasm"
    out.write_bytes(b"mine")
    status, text = refusal("merge", *files, "-o", out)
    assert (status, b"E_OUTPUT" in text, out.read_bytes()) == (3, True, b"mine")
    status, _ = refusal("merge", *files, "-o", files[0], "--force")
    assert status == 3
    assert files[0].read_bytes() == wasm()
    recompiler("merge", *files, "-o", out, "--force")
    assert out.read_bytes()[:4] == b"\0asm"


def test_a_refusal_names_the_program(files: list[Path], tmp_path: Path) -> None:
    files[1].write_bytes(files[1].read_bytes()[:-3])
    status, text = refusal("merge", *files, "-o", tmp_path / "container.wasm")
    assert status == 11
    assert b"E_WASM_INVALID: two: " in text
    files[1].write_bytes(wasmtime.wat2wasm("(module)"))
    status, text = refusal("merge", *files, "-o", tmp_path / "container.wasm")
    assert (status, b"E_WASM_EXPORT: two: " in text) == (11, True)


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "_dispatch", "_start", "memory", "memory.0", "x" * 256, "\ud800"])
def test_a_name_that_cannot_be_exported_is_refused(name: str) -> None:
    with pytest.raises(Error) as refused:
        merge([(name, wasm())])
    assert refused.value.code == "E_USAGE"


def test_the_dispatcher_is_shown_as_wat(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "container.wasm"
    recompiler("merge", *files, "-o", out)
    text = recompiler("inspect", "--wat-dispatch", out).stdout.decode()
    for path in files:
        assert f'{blake3(path.read_bytes()).hexdigest()} "{path.stem}" ;)' in text
    # The text of _dispatch, assembled in a module of the same shape, is _dispatch.
    found = re.search(r"\(table.*\n.*\(elem[^)]*\) \(i32.const 0\) func", text)
    assert found
    function = re.search(r"^\(func \$_dispatch .*?^\)", text, re.M | re.S)
    assert function
    module = reader.read(out.read_bytes())
    type_ = module.types.index(dispatch.ENTRY_TYPE)
    fields = "(type (func))" * type_ + "(type (func (param i32 i32) (result i32)))(table $entries 3 3 funcref)"
    again = reader.read(bytes(wasmtime.wat2wasm(f"(module {fields} {function.group()})")))
    index = module.exported(dispatch.EXPORT, FUNC)
    assert index is not None
    assert code(again, 0) == code(module, index)


def code(module: Module, index: int) -> bytes:
    body = module.bodies[index - module.imported(FUNC)]
    return module.data[body.start : body.end]


def test_entries_show_what_they_make_and_odd_names_are_quoted() -> None:
    fields = '(data (i32.const 8) "abc") (global (mut f64) (f64.const 2)) (global (mut v128) (v128.const i64x2 1 2))'
    more = "(global (mut f64) (f64.const 3)) (global (mut v128) (v128.const i64x2 1 3))"
    text = wat.dispatcher(merge([('a "b" ö', wasm(fields)), ("plain", wasm(more))]).data)
    assert '(func $"a \\u{22}b\\u{22} ö" (param i32 i32) (result i32)' in text
    assert "memory.init 0 0" in text
    assert "f64.const 0x1.8000000000000p+1" in text
    assert "v128.const i8x16 1 0 0 0 0 0 0 0 3" in text
    with pytest.raises(Error, match="not a merged module"):
        wat.dispatcher(wasm())


def test_names_of_programs_are_kept() -> None:
    first = wasm(
        "(func $own (result i32) (i32.const 1)) (func $same (drop (i32.const 5))) (global $g (mut i32) (i32.const 0))"
    )
    second = wasm('(func $same (drop (i32.const 5))) (table $t 1 funcref) (data $d (i32.const 0) "x")')
    merged = reader.read(merge([("a", first), ("b", second)]).data)
    names = {(space, text.decode()) for space, _, text in plain(merged)}
    assert {
        (FUNC, "a:own"),
        (FUNC, "same"),
        (FUNC, "_start"),
        (FUNC, "a"),
        (FUNC, "b"),
        (FUNC, "_dispatch"),
        (DATA, "d"),
    } <= names
    assert {(TABLE, "t"), (TABLE, "entries")} <= names


def test_routes_are_refused_when_anything_on_the_way_differs() -> None:
    a, b = wasm(), wasm(start="nop")
    data = merge([("a", a), ("b", b)]).data
    module = reader.read(data)
    rows = routes.read(module)
    assert [row.digest for row in rows] == sorted((blake3(a).digest(), blake3(b).digest()))
    index = module.exported(dispatch.EXPORT, FUNC)
    assert index is not None
    body = module.bodies[index - module.imported(FUNC)]
    table = b"\x02" + bytes((rows[0].function, rows[1].function))
    swap = b"\x02" + bytes((rows[1].function, rows[0].function))
    assert data.count(table + b"\x0a") == 1  # the code section follows
    wrong = {
        "another number of programs": data[: body.start + 4] + b"\x03" + data[body.start + 5 :],
        "no trap": data[: body.start + 8] + b"\x01" + data[body.start + 9 :],
        "entries swapped": data.replace(table + b"\x0a", swap + b"\x0a"),
        "no rows": data.replace(routes.SECTION, b"recompiler.entriez"),
        "rows twice": data + routes.section([]),
        "a hash twice": data.replace(rows[0].digest, rows[1].digest),
        "another name": data.replace(rows[0].digest + b"\x01a", rows[0].digest + b"\x01c"),
    }
    assert data[body.start + 8] == 0  # unreachable
    for what, spoiled in wrong.items():
        assert spoiled != data, what
        with pytest.raises(Error) as refused:
            routes.read(reader.read(spoiled))
        assert refused.value.code == "E_WASM_INVALID"
