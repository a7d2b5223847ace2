"""In: command lines. Out: files, one line on stderr or one JSON object, and the exit status of docs/format.md."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recompiler import cli
from recompiler.errors import CODES
from tests.format import builder as b

Run = Callable[..., "tuple[int, str, str]"]
EPOCH = str(b.SIGNED_AT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    (tmp_path / "hello.wasm").write_bytes(b.wasm())
    (tmp_path / "stub").write_bytes(b.elf())
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in the folder; gives its exit status, stdout and stderr."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


@pytest.fixture
def signed(run: Run) -> Run:
    """The same, after dev.key, pubkeys.json, hello.json and the signed file hello have been made."""
    steps = (
        "keygen --dev --label demo -o dev.key",
        "pubkeys --role dev dev.pub -o pubkeys.json",
        "manifest --name demo/hello hello.wasm -o hello.json",
        "append --blob hello.wasm --manifest hello.json --key dev.key stub -o hello",
    )
    for step in steps:
        assert run(*step.split())[0] == 0, step
    return run


def test_keygen_makes_a_private_key_for_its_owner_alone(run: Run, folder: Path) -> None:
    assert run("keygen", "--dev", "--label", "demo", "-o", "dev.key")[0] == 0
    assert stat.S_IMODE((folder / "dev.key").stat().st_mode) == 0o600
    before = (folder / "dev.key").read_bytes()
    status, _, err = run("keygen", "--dev", "--label", "demo", "-o", "dev.key")
    assert (status, err.split(":")[1]) == (3, " E_OUTPUT")
    assert (folder / "dev.key").read_bytes() == before
    assert run("keygen", "--label", "a b", "-o", "other.key")[0] == 2


def test_a_signed_file_is_verified(signed: Run) -> None:
    status, out, err = signed("verify", "--pubkeys", "pubkeys.json", "hello")
    assert (status, err) == (0, "")
    assert out.startswith("hello: verified demo/hello release ")


def test_verify_json_is_one_object_with_the_verdict_of_each_file(signed: Run) -> None:
    status, out, err = signed("verify", "--json", "--pubkeys", "pubkeys.json", "hello", "stub", "none")
    result = json.loads(out)
    assert (status, result["exit_code"], err) == (10, 10, "")
    assert [row["result"] for row in result["files"]] == ["verified", "refused", "refused"]
    assert [row.get("error", {}).get("code") for row in result["files"]] == [None, "E_NO_TRAILER", "E_OPEN"]
    assert result["files"][0]["keys"][0]["label"] == "demo"


def test_the_word_is_not_printed_for_a_file_that_is_refused(signed: Run, folder: Path) -> None:
    data = bytearray((folder / "hello").read_bytes())
    data[150] ^= 1
    (folder / "broken").write_bytes(data)
    for options in ([], ["--json"]):
        status, out, err = signed("verify", *options, "--pubkeys", "pubkeys.json", "broken")
        assert status == 12
        assert "verified" not in (out + err).lower()


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ("verify --pubkeys none hello", 15, "E_KEYS_OPEN"),
        ("verify --pubkeys pubkeys.json stub", 10, "E_NO_TRAILER"),
        ("verify --pubkeys pubkeys.json unsigned", 16, "E_UNSIGNED"),
        ("verify --pubkeys other.json hello", 13, "E_KEY_UNKNOWN"),
        ("verify --pubkeys pubkeys.json expired", 14, "E_EXPIRED"),
        ("verify --pubkeys pubkeys.json cut", 11, "E_STATEMENT_OFFSET"),
        ("verify --pubkeys pubkeys.json .", 3, "E_NOT_REGULAR"),
        ("verify --pubkeys pubkeys.json", 2, "E_USAGE"),
        ("verify --nonsense hello", 2, "E_USAGE"),
        ("nonsense", 2, "E_USAGE"),
        ("append --blob hello.wasm --manifest hello.json stub -o x", 2, "E_USAGE"),
        ("append --blob hello.wasm --manifest hello.json --unsigned -o x", 2, "E_USAGE"),
        ("append --blob hello.wasm --manifest hello.json --key dev.pub stub -o x", 3, "E_KEY_FILE"),
        ("append --blob hello.wasm --manifest hello.json --key dev.key stub -o hello", 3, "E_OUTPUT"),
        ("append --blob hello.wasm --manifest hello.json --key dev.key stub -o stub --force", 3, "E_OUTPUT"),
        ("append --blob stub --manifest hello.json --key dev.key stub -o x", 11, "E_WASM_HEADER"),
        ("statement -o x --print hello", 2, "E_USAGE"),
        ("attach --sig a --sig b --pubkey dev.pub unsigned", 2, "E_USAGE"),
        ("sign --key dev.key hello", 2, "E_USAGE"),
        ("manifest --name Demo hello.wasm -o x", 11, "E_MANIFEST_SCHEMA"),
        ("manifest --name demo/x --connect localhost:1 hello.wasm -o x", 11, "E_MANIFEST_SCHEMA"),
        ("pubkeys --threshold 2 dev.pub -o x", 15, "E_KEYS_THRESHOLD"),
        ("inspect stub", 10, "E_NO_TRAILER"),
        ("inspect none", 3, "E_OPEN"),
    ],
)
def test_a_refusal_is_one_line_and_its_exit_status(
    signed: Run, folder: Path, arguments: str, status: int, code: str
) -> None:
    append = "append --blob hello.wasm --manifest hello.json"
    assert signed(*f"{append} --unsigned stub -o unsigned".split())[0] == 0
    times = f"--signed-at {b.SIGNED_AT - 10**8} --expires-at {b.SIGNED_AT - 10**8 + 1}"
    assert signed(*f"{append} --key dev.key {times} stub -o expired".split())[0] == 0
    assert signed("keygen", "--label", "x", "-o", "other.key")[0] == 0
    assert signed("pubkeys", "other.pub", "-o", "other.json")[0] == 0
    (folder / "cut").write_bytes((folder / "hello").read_bytes()[1:])
    found, _, err = signed(*arguments.split())
    assert err.startswith(f"recompiler: {code}: "), err
    assert err.count("\n") == 1
    assert found == status == CODES[code]


@pytest.mark.parametrize(
    "arguments", ["verify --json --nonsense", "verify --json", "nonsense --json", "inspect --json none"]
)
def test_json_is_one_object_also_for_a_usage_error(run: Run, arguments: str) -> None:
    status, out, err = run(*arguments.split())
    assert err == ""
    assert json.loads(out)["error"]["exit_code"] == status


def test_a_name_with_escapes_cannot_move_the_cursor(run: Run, folder: Path) -> None:
    (folder / "\x1b[2J\u202eevil").write_bytes(b"x" * 100)
    for command in ("verify", "inspect"):
        _, out, err = run(command, "\x1b[2J\u202eevil")
        assert "\x1b" not in out + err
        assert "\u202e" not in out + err


def test_strict_refuses_a_signature_that_does_not_count(signed: Run) -> None:
    assert signed("keygen", "--label", "x", "-o", "other.key")[0] == 0
    keys = ["--key", "dev.key", "--key", "other.key"]
    assert signed("append", "--blob", "hello.wasm", "--manifest", "hello.json", *keys, "stub", "-o", "two")[0] == 0
    assert signed("verify", "--pubkeys", "pubkeys.json", "two")[0] == 0
    assert signed("verify", "--strict", "--pubkeys", "pubkeys.json", "two")[0] == 13


def test_source_date_epoch_makes_the_same_bytes(signed: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = ["append", "--blob", "hello.wasm", "--manifest", "hello.json", "--key", "dev.key", "stub", "-o"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    assert signed(*append, "one")[0] == 0
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert signed(*append, "two", "--signed-at", EPOCH)[0] == 0
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")
    assert signed(*append, "three")[0] == 2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_can_sign_in_place_of_a_kms(signed: Run, folder: Path) -> None:
    append = "append --blob hello.wasm --manifest hello.json --signed-at"
    assert signed(*append.split(), EPOCH, "--key", "dev.key", "stub", "-o", "here")[0] == 0
    assert signed(*append.split(), EPOCH, "--unsigned", "stub", "-o", "there")[0] == 0
    assert signed("statement", "there", "-o", "st")[0] == 0
    assert (folder / "st").stat().st_size == 384
    command = "openssl pkeyutl -sign -rawin -inkey dev.key -in st -out sig"
    subprocess.run(command.split(), check=True, timeout=30, capture_output=True)
    assert signed("attach", "--sig", "sig", "--pubkey", "dev.pub", "there")[0] == 0
    assert (folder / "here").read_bytes() == (folder / "there").read_bytes()


def test_statement_goes_to_a_pipe_as_bytes_and_prints_as_text(signed: Run, folder: Path) -> None:
    command = [sys.executable, "-m", "recompiler", "statement", "hello"]
    raw = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    assert len(raw) == 384
    assert raw in (folder / "hello").read_bytes()
    status, out, _ = signed("statement", "--print", "hello")
    assert status == 0
    assert "demo/hello" in out


def test_sign_makes_what_append_would_have_made(signed: Run, folder: Path) -> None:
    append = "append --blob hello.wasm --manifest hello.json --signed-at"
    assert signed(*append.split(), EPOCH, "--key", "dev.key", "stub", "-o", "one")[0] == 0
    assert signed(*append.split(), EPOCH, "--unsigned", "stub", "-o", "two")[0] == 0
    assert signed("sign", "--key", "dev.key", "two")[0] == 0
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_a_bundle_is_found_beside_its_signature(signed: Run, folder: Path) -> None:
    (folder / "b").mkdir(mode=0o700)
    (folder / "b" / "container.wasm").write_bytes(b.wasm())
    shutil.copy(folder / "hello.json", folder / "b" / "manifest.json")
    inputs = "--blob b/container.wasm --manifest b/manifest.json"
    assert signed("append", "--detached", *inputs.split(), "--key", "dev.key", "-o", "b/bundle.sig")[0] == 0
    assert signed("verify", "--pubkeys", "pubkeys.json", "b/bundle.sig")[0] == 0
    assert signed("inspect", "b/bundle.sig")[0] == 0
    (folder / "b" / "manifest.json").rename(folder / "elsewhere.json")
    assert signed("verify", "--pubkeys", "pubkeys.json", "b/bundle.sig")[0] == 3
    assert signed("verify", "--pubkeys", "pubkeys.json", "--manifest", "elsewhere.json", "b/bundle.sig")[0] == 0
    assert signed("verify", "--pubkeys", "pubkeys.json", "--manifest", "hello.wasm", "b/bundle.sig")[0] == 12


def test_inspect_begins_with_not_verified_and_shows_the_layout(signed: Run, folder: Path) -> None:
    status, out, err = signed("inspect", "hello")
    assert (status, err) == (0, "")
    assert out.startswith("NOT VERIFIED")
    size = (folder / "hello").stat().st_size
    rows = [line.split() for line in out.splitlines()]
    assert [str(size - 32), str(size), "32", "footer"] in rows
    assert ["0", str(len(b.elf())), str(len(b.elf())), "STUB"] in rows


def test_inspect_explains_every_byte_of_the_trailer_once(signed: Run, folder: Path) -> None:
    status, out, _ = signed("inspect", "--json", "--explain", "hello")
    result = json.loads(out)
    assert (status, result["status"]) == (0, "NOT VERIFIED")
    at = result["size"] - 32 - 112 - 384
    for field in result["fields"]:
        assert field["offset"] == at
        assert field["meaning"]
        at += field["size"]
    assert at == result["size"]
    status, out, _ = signed("inspect", "--explain", "hello")
    assert "statement.security_version" in out


def test_inspect_shows_what_it_can_of_a_broken_file(signed: Run, folder: Path) -> None:
    data = bytearray((folder / "hello").read_bytes())
    data[-528 + 0x24] = 9  # kind
    (folder / "broken").write_bytes(data)
    status, out, err = signed("inspect", "broken")
    assert (status, out[:12]) == (11, "NOT VERIFIED")
    assert "demo/hello" in out
    assert err.startswith("recompiler: E_KIND: ")


def test_inspect_names_a_development_stub(signed: Run) -> None:
    name = f"{os.uname().machine}-linux"
    for stub, shown in ((f"{name}-dev", True), (name, False)):
        status, _, err = signed(
            "append", "--blob", "hello.wasm", "--manifest", "hello.json", "--key", "dev.key", stub, "-o", stub
        )
        if "E_OPEN" in err:
            pytest.skip(f"the stub {stub} is not built")
        assert status == 0
        _, out, _ = signed("inspect", stub)
        assert ("DEVELOPMENT STUB" in out) is shown
        assert json.loads(signed("inspect", "--json", stub)[1])["stub"]["development"] is shown


def test_help_of_every_command_has_an_example(run: Run) -> None:
    assert run("--help")[0] == 0
    for name in cli.COMMANDS:
        status, out, _ = run(name, "--help")
        assert status == 0
        assert "Example: " in out, name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(run: Run, shell: str) -> None:
    status, out, _ = run("completion", shell)
    assert (status, "_RECOMPILER_COMPLETE" in out) == (0, True)


def test_completion_completes_a_command(run: Run) -> None:
    env = {**os.environ, "_RECOMPILER_COMPLETE": "bash_complete", "COMP_WORDS": "recompiler ver", "COMP_CWORD": "1"}
    command = [sys.executable, "-m", "recompiler"]
    out = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False).stdout
    assert out == b"plain,verify\n"


def test_verify_starts_without_the_heavy_libraries(signed: Run) -> None:
    script = "import sys; from recompiler import cli\ntry: cli.main(sys.argv[1:])\nexcept SystemExit: pass\n"
    script += "print(sorted({'wasmtime', 'lief', 'vkernel_proto', 'ziglang'} & set(sys.modules)))"
    command = [sys.executable, "-c", script, "verify", "--pubkeys", "pubkeys.json", "hello"]
    out = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.decode()
    assert "verified" in out
    assert out.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_traceback(signed: Run) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "recompiler", "inspect", "hello"]
    with os.fdopen(writer, "wb") as pipe:
        result = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (3, b"")
