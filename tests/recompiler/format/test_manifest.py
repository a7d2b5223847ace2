"""In: manifests, right and wrong in one way. Out: entries and policy, or the code of the table in docs/format.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recompiler.errors import Error
from recompiler.format import manifest
from tests.format import builder as b

HASH = "ab" * 32
ENTRY = {"entry": 0, "export": "_start", "kind": "elf", "paths": ["/bin/x"]}
FULL: dict[str, Any] = {
    "source": {"config": f"sha256:{HASH}", "diff_ids": [f"sha256:{HASH}"], "reference": "oci:./layout:tag"},
    "aot": b.aot_rows(b"code"),
    "entries": {
        "00" * 32: {**ENTRY, "original": HASH},
        "01" * 32: {**ENTRY, "kind": "script", "interpreter": HASH, "argument": "-e"},
        "02" * 32: {**ENTRY, "kind": "script", "interpreter": HASH},
        "03" * 32: {**ENTRY, "kind": "polyfill", "replaces": HASH, "provider": "quickjs"},
    },
    "omitted": [{"path": "/usr/bin/node", "blake3": HASH, "reason": "generates code at run time"}],
    "coverage": {"functions": 2, "lifted": 1, "stubs": [{"file": HASH, "address": "0x401000", "reason": "jump"}]},
}


def document(**fields: Any) -> dict[str, Any]:
    return b.manifest_document(b.wasm(), **FULL | fields)


def code_of(value: dict[str, Any] | bytes) -> str:
    with pytest.raises(Error) as caught:
        manifest.parse(value if isinstance(value, bytes) else b.dump(value))
    return caught.value.code


def test_a_full_manifest_becomes_entries_and_policy() -> None:
    found = manifest.parse(b.dump(document()))
    assert found.name == "demo/hello"
    assert found.entries["01" * 32].interpreter == HASH
    assert found.entries["03" * 32].provider == "quickjs"
    assert found.entries["00" * 32].paths == ("/bin/x",)
    policy = found.policy
    assert (policy.allow, policy.connect, policy.bind) == (frozenset({"exit_group", "write"}), (), ())
    assert (policy.memory_bytes, policy.processes, policy.open_files) == (1 << 20, 1, 16)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, the containers included."""
    rows = [place] if place else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return rows + [found for key, element in items for found in places(element, (*place, key))]


def changed(place: tuple[Any, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    import copy

    top = copy.deepcopy(document())
    inner: Any = top
    for key in place[:-1]:
        inner = inner[key]
    change(inner, place[-1])
    return top


OPTIONAL = {("source",), ("aot",), ("omitted",), ("coverage",), ("policy", "network", "bind")}


@pytest.mark.parametrize("place", places(document()), ids=lambda place: ".".join(str(key)[:12] for key in place))
def test_a_wrong_type_anywhere_is_refused(place: tuple[Any, ...]) -> None:
    for wrong in (None, 1.5, True):
        top = changed(place, lambda inner, key, wrong=wrong: inner.__setitem__(key, wrong))
        assert code_of(top) == ("E_MANIFEST_SYNTAX" if wrong == 1.5 else "E_MANIFEST_SCHEMA")


@pytest.mark.parametrize("place", [p for p in places(document()) if isinstance(p[-1], str)], ids=str)
def test_a_missing_field_is_refused_unless_it_is_optional(place: tuple[Any, ...]) -> None:
    top = changed(place, lambda inner, key: inner.__delitem__(key))
    optional = place in OPTIONAL or place[-1] in ("original", "argument") or (place[0] == "entries" and len(place) == 2)
    if optional:
        assert manifest.parse(b.dump(top))
    else:
        assert code_of(top) == "E_MANIFEST_SCHEMA"


@pytest.mark.parametrize("kind", ["elf", "library", "wasi"])
@pytest.mark.parametrize("field", ["interpreter", "argument", "replaces", "provider"])
def test_fields_of_scripts_and_polyfills_are_unknown_on_other_kinds(kind: str, field: str) -> None:
    assert code_of(document(entries={HASH: {**ENTRY, "kind": kind, field: HASH}})) == "E_MANIFEST_SCHEMA"


@pytest.mark.parametrize("value", ["", "a b", "Read", "a" * 33, "\u00e9"])
def test_names_of_syscalls_are_spelt_as_linux_does(value: str) -> None:
    policy = b.manifest_document(b.wasm())["policy"]
    policy["syscalls"]["allow"] = [value]
    assert code_of(document(policy=policy)) == "E_MANIFEST_SCHEMA"


def test_a_syscall_that_stands_twice_is_refused() -> None:
    policy = b.manifest_document(b.wasm())["policy"]
    policy["syscalls"]["allow"] = ["read", "read"]
    assert code_of(document(policy=policy)) == "E_MANIFEST_SCHEMA"


BAD_PATHS = (
    *("", "/", "x", "./x", "/x/", "//x", "/x//y", "/./x", "/x/.", "/..", "/x/../y", "/a\0b", "/a\nb", "/\x7f", "/\x85"),
    *(
        "/\u061c",
        "/\u200e",
        "/\u200f",
        "/\u202a",
        "/\u202e",
        "/\u2066",
        "/\u2069",
        "/" + "x" * 4096,
        "/" + "\u00e9" * 2048,
    ),
)


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_a_path_that_is_not_what_it_looks_like_is_refused(path: str) -> None:
    assert code_of(document(entries={HASH: {**ENTRY, "paths": ["/ok", path]}})) == "E_MANIFEST_PATH"
    assert code_of(document(omitted=[{"path": path, "blake3": HASH, "reason": ""}])) == "E_MANIFEST_PATH"


@pytest.mark.parametrize("path", ["/a", "/...", "/.a/b", "/\u00e9", "/a b", "/" + "x" * 4095, "/\u2065"])
def test_a_plain_path_is_taken(path: str) -> None:
    assert manifest.parse(b.dump(document(entries={HASH: {**ENTRY, "paths": [path]}})))


def test_the_schema_of_the_whole_document_is_judged_before_any_path() -> None:
    entries = {HASH: {**ENTRY, "paths": ["x"]}}
    assert code_of(document(entries=entries, omitted=[{}])) == "E_MANIFEST_SCHEMA"


def test_a_minimal_manifest_names_the_module_and_denies_the_rest() -> None:
    data = manifest.build(b.wasm(), name="demo/hello", connect=["127.0.0.1:80"])
    assert data == manifest.build(b.wasm(), name="demo/hello", connect=["127.0.0.1:80"])
    found = manifest.parse(data)
    (digest,) = found.entries
    assert found.document["megabinary"] == {"blake3": digest, "size": len(b.wasm())}
    assert {"connect", "socket", "write"} <= found.policy.allow
    assert not {"bind", "mmap", "mprotect", "memfd_create", "kill"} & found.policy.allow


def test_an_allow_list_is_taken_as_it_is() -> None:
    found = manifest.parse(manifest.build(b.wasm(), name="demo/hello", allow=["write"], connect=["*:*"]))
    assert found.policy.allow == {"write"}


@pytest.mark.parametrize("name", ["", "Demo", "/x", "a//b", "a..b", "a" * 64, "a\0"])
def test_a_name_that_is_no_subject_is_refused(name: str) -> None:
    with pytest.raises(Error, match="E_MANIFEST_SCHEMA"):
        manifest.build(b.wasm(), name=name)
