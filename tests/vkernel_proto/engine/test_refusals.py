"""What must be refused is refused before an instruction of a guest has run, and the audit log says so by hash."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from recompiler.errors import Error
from recompiler.signing.append import Claims, Inputs, append
from tests.bundles import TARGET, TestBundle
from tests.csrc.engine.conftest import need
from tests.testbed import Signer, recompiler
from tests.vkernel_proto.engine.serving import Running, output, records, serving
from vkernel_proto.engine import control_plane
from vkernel_proto.engine.server import BundleConfig, BundleServer
from vkernel_proto.wire.client import Denied

STRANGE = b"\0asm\x01\0\0\0 not of the image"
UNSIGNED_SCRIPT = b"#!/bin/guest echo\n# nobody signed this\n"


def digest(data: bytes) -> str:
    return blake3(data).hexdigest()


# ---- files


def put(root: Path, path: str, data: bytes) -> str:
    file = root / path[1:]
    file.unlink(missing_ok=True)
    file.write_bytes(data)
    file.chmod(0o755)
    return digest(data)


def flip(root: Path, path: str) -> str:
    """Changes one bit of a file."""
    data = bytearray((root / path[1:]).read_bytes())
    data[-1] ^= 1
    return put(root, path, bytes(data))


def unknown(root: Path, bundle: TestBundle) -> tuple[str, str | None, str, str]:
    return "/bin/strange", None, "unknown hash", put(root, "/bin/strange", STRANGE)


def changed(root: Path, bundle: TestBundle) -> tuple[str, str | None, str, str]:
    return "/bin/wc", None, "unknown hash", flip(root, "/bin/wc")


def renamed(root: Path, bundle: TestBundle) -> tuple[str, str | None, str, str]:
    """/bin/wc is a signed program, but not the one that is claimed."""
    os.rename(root / "bin/guest", root / "bin/wc")
    return "/bin/wc", bundle.hash["/bin/wc"], "path names another file", bundle.hash["/bin/guest"]


def unsigned_script(root: Path, bundle: TestBundle) -> tuple[str, str | None, str, str]:
    return "/bin/script", None, "unknown hash", put(root, "/bin/script", UNSIGNED_SCRIPT)


def unknown_interpreter(root: Path, bundle: TestBundle) -> tuple[str, str | None, str, str]:
    return "/bin/script", None, "unknown interpreter", flip(root, "/bin/guest")


def another_interpreter(root: Path, bundle: TestBundle) -> tuple[str, str | None, str, str]:
    os.replace(root / "bin/wc", root / "bin/guest")
    return "/bin/script", None, "another interpreter", bundle.hash["/bin/wc"]


FILES = [unknown, changed, renamed, unsigned_script, unknown_interpreter, another_interpreter]


@pytest.mark.parametrize("row", FILES, ids=lambda row: row.__name__)
def test_a_file_that_is_not_the_signed_one_does_not_run(
    row: Callable[..., tuple[str, str | None, str, str]], bundle: TestBundle, tmp_path: Path
) -> None:
    # A copy of the image's files: they are not signed, so whoever can write them may have.
    root = tmp_path / "root"
    shutil.copytree(bundle.rootfs, root, symlinks=True)
    path, claimed, reason, hash = row(root, bundle)
    (tmp_path / "run").mkdir()
    with serving(bundle, tmp_path / "run", "one", root=root) as running:
        assert_refused(running, path, reason, {"hash": f"blake3:{claimed}"} if claimed else {})
    assert running.records("spawn") == []
    denials = running.records("deny")
    assert [record["message"] for record in denials] == ["exec", "spawn"]
    for record in denials:
        assert (record["reason"], record["hash"], record["cid"]) == (reason, hash, "one")
        if "interpreter" in reason:
            assert record["chain"] == bundle.hash["/bin/script"]


def assert_refused(running: Running, path: str, reason: str, claim: dict[str, str]) -> None:
    """exec and spawn are both denied with EACCES; nothing reaches the descriptors that a guest would have had."""
    control = running.control()
    answer = control.ask("exec", path=path, argv=[path, "echo", "RAN"], **claim)
    assert (answer["status"], answer["reason"], answer["errno"]) == ("denied", reason, errno.EACCES)
    reader, writer = os.pipe()
    with open(reader, "rb") as output:
        with open(writer, "wb"), pytest.raises(Denied) as caught:
            control.spawn([path, "echo", "RAN"], (writer, writer, writer), path=path, **claim)
        assert output.read() == b""
    assert (caught.value.reason, caught.value.errno) == (reason, errno.EACCES)
    assert control.ps() == []


def test_a_file_that_a_guest_injected_does_not_run(bundle: TestBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path, "one") as running:
        need(running.in_force(), "overlay")
        control = running.control()
        assert output(control, "guest", "echo", "here") == (0, b"here\n")
        # A guest has no chmod: it takes the execute bit of a program that it moves away.
        assert output(control, "guest", "rename", "/bin/wc", "/bin/injected") == (0, b"ok\n")
        assert output(control, "/bin/injected", stdin=b"signed bytes, any name\n")[0] == 0
        assert output(control, "guest", "put", "/bin/injected", UNSIGNED_SCRIPT.decode()) == (0, b"ok\n")
        assert_refused(running, "/bin/injected", "unknown hash", {})
        assert_refused(
            running, "/bin/injected", "path names another file", {"hash": f"blake3:{bundle.hash['/bin/wc']}"}
        )
        assert output(control, "guest", "put", "/bin/echo", "overwritten") == (0, b"ok\n")
        assert_refused(running, "/bin/echo", "unknown hash", {})
        assert_refused(running, "/bin/found", "unknown interpreter", {})
        hashes = [record["hash"] for record in running.records("deny")]
    assert hashes == [digest(UNSIGNED_SCRIPT)] * 4 + [digest(b"overwritten")] * 4


# ---- bundles


def no_signature_file(copy: TestBundle, other: Signer) -> str:
    (copy.folder / "bundle.sig").unlink()
    return "E_OPEN"


def nobodys_signature(copy: TestBundle, other: Signer) -> str:
    inputs = Inputs(
        copy.folder / "container.wasm",
        copy.folder / "manifest.json",
        None,
        copy.folder / f"container.{TARGET}.cwasm",
    )
    append(inputs, copy.folder / "bundle.sig", Claims(signed_at=int(time.time())), [], force=True)
    return "E_UNSIGNED"


def a_strangers_signature(copy: TestBundle, other: Signer) -> str:
    replace(copy, signer=other).sign()
    return "E_KEY_UNKNOWN"


def a_signature_with_another_bit(copy: TestBundle, other: Signer) -> str:
    at = (copy.folder / "bundle.sig").stat().st_size - 16 - 40  # before the footer: in the one signature record
    damage(copy, "bundle.sig", at)
    return "E_SIG_INVALID"


def an_artifact_with_another_bit(copy: TestBundle, other: Signer) -> str:
    damage(copy, f"container.{TARGET}.cwasm", 5000)
    return "E_DIGEST"


def an_artifact_of_other_code(copy: TestBundle, other: Signer) -> str:
    exchange(copy, f"container.{TARGET}.cwasm", b"\x7fELF native code of somebody else")
    return "E_DIGEST"


def no_artifact(copy: TestBundle, other: Signer) -> str:
    (copy.folder / f"container.{TARGET}.cwasm").unlink()
    return "E_AOT_MISSING"


def a_module_with_another_bit(copy: TestBundle, other: Signer) -> str:
    damage(copy, "container.wasm", 5000)
    return "E_DIGEST"


def the_manifest_of_another_bundle(copy: TestBundle, other: Signer) -> str:
    """One that allows more, in good form."""
    document = json.loads((copy.folder / "manifest.json").read_bytes())
    document["policy"]["network"]["connect"] = ["*:*"]
    exchange(copy, "manifest.json", json.dumps(document).encode())
    return "E_DIGEST"


def a_hash_that_leads_to_another_entry(copy: TestBundle, other: Signer) -> str:
    document = json.loads((copy.folder / "manifest.json").read_bytes())
    wc, guest = (document["entries"][copy.hash[path]] for path in ("/bin/wc", "/bin/guest"))
    wc["entry"], guest["entry"] = guest["entry"], wc["entry"]
    exchange(copy, "manifest.json", json.dumps(document).encode())
    return "E_DIGEST"


def an_older_release(copy: TestBundle, other: Signer) -> str:
    """The store that the vkernel reads wants version 3 or later."""
    copy.sign(security_version=2)
    return "E_ROLLBACK"


def damage(copy: TestBundle, name: str, at: int) -> None:
    data = bytearray((copy.folder / name).read_bytes())
    data[at] ^= 0x10
    exchange(copy, name, bytes(data))


def exchange(copy: TestBundle, name: str, data: bytes) -> None:
    (copy.folder / name).unlink()  # it is a link to the session's bundle
    (copy.folder / name).write_bytes(data)


BUNDLES = [
    *(no_signature_file, nobodys_signature, a_strangers_signature, a_signature_with_another_bit),
    *(an_artifact_with_another_bit, an_artifact_of_other_code, no_artifact, a_module_with_another_bit),
    *(the_manifest_of_another_bundle, a_hash_that_leads_to_another_entry, an_older_release),
]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    folder = tmp_path_factory.mktemp("stranger")
    recompiler("keygen", "--dev", "--label", "stranger", "-o", folder / "dev.key")
    return Signer(folder, folder / "dev.key", folder / "none.json")


@pytest.fixture
def copy(bundle: TestBundle, tmp_path: Path) -> TestBundle:
    shutil.copytree(bundle.folder, tmp_path / "bundle", symlinks=True, copy_function=os.link)
    return replace(bundle, folder=tmp_path / "bundle")


def started(copy: TestBundle, pubkeys: Path, folder: Path) -> BundleServer:
    (folder / "run").mkdir()
    return BundleServer(BundleConfig(copy.folder, pubkeys=pubkeys, run_dir=folder / "run", audit=folder / "audit"))


def newer(signer: Signer, folder: Path) -> Path:
    """The signer's store, with a minimum of 3."""
    store = json.loads(signer.pubkeys.read_bytes())
    store["minimum"] = [{"subject": "test/bundle", "security_version": 3}]
    (folder / "pubkeys.json").write_text(json.dumps(store))
    (folder / "pubkeys.json").chmod(0o600)
    return folder / "pubkeys.json"


@pytest.mark.parametrize("row", BUNDLES, ids=lambda row: row.__name__)
def test_a_bundle_that_is_not_the_signed_one_is_not_started(
    row: Callable[[TestBundle, Signer], str],
    copy: TestBundle,
    stranger: Signer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a zygote was started for a bundle that is refused")

    monkeypatch.setattr(control_plane, "Zygote", never)
    code = row(copy, stranger)
    pubkeys = newer(copy.signer, tmp_path) if code == "E_ROLLBACK" else copy.signer.pubkeys
    with pytest.raises(Error) as caught:
        started(copy, pubkeys, tmp_path)
    assert caught.value.code == code
    assert list((tmp_path / "run").iterdir()) == []
    log = records(tmp_path / "audit")
    assert [record["event"] for record in log] == ["start", "refuse"]
    assert (log[1]["error"], log[1]["bundle"]) == (code, str(copy.folder))


def test_the_copy_and_the_newer_store_are_accepted_where_nothing_is_wrong(copy: TestBundle, tmp_path: Path) -> None:
    copy.sign(security_version=3)
    server = started(copy, newer(copy.signer, tmp_path), tmp_path)
    server.close()
    log = records(tmp_path / "audit")
    assert [record["event"] for record in log] == ["start", "bundle", "stop"]
    assert log[1]["security_version"] == 3
    assert log[1]["wasm"] == digest((copy.folder / "container.wasm").read_bytes())
