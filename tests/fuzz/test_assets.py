"""The fuzz targets' seeds say what they are meant to say, and every input that once was a finding is none any more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from recompiler import native
from recompiler.errors import Error
from tests.format import builder
from tests.fuzz import make_corpus
from tests.testbed import ROOT

CRASHES = sorted((Path(__file__).parent / "crashes").glob("*/*"))


def verify(file: bytes) -> Any:
    return native.verify_bytes(file, native.KeyStore.parse(builder.store()), now=builder.NOW, load=True)


# target -> what it calls, as far as the extension has it (frames and lines are the stub's)
CHECKS: dict[str, tuple[Callable[[bytes], Any], ...]] = {
    "fuzz_trailer": (verify,),
    "fuzz_manifest": (native.manifest_check,),
    "fuzz_keys": (native.KeyStore.parse,),
    "fuzz_json": (lambda text: native.json_check(text, 16),),
    "fuzz_wasm": (native.wasm_check, native.wasm_check_engine),
}


@pytest.mark.parametrize("target", ["fuzz_manifest", "fuzz_keys", "fuzz_json"])
def test_seeds_are_accepted_so_that_mutations_begin_at_the_end(target: str) -> None:
    for seed in make_corpus.SEEDS[target]():
        for check in CHECKS[target]:
            check(seed)


def test_the_first_trailer_and_the_first_module_are_accepted() -> None:
    assert verify(next(make_corpus.trailers())).subject == builder.SUBJECT
    native.wasm_check(next(make_corpus.modules()))


def test_seeds_are_made_for_targets_that_exist() -> None:
    assert set(make_corpus.SEEDS) <= {path.stem for path in (ROOT / "csrc" / "fuzz").glob("fuzz_*.c")}


if CRASHES:  # none yet

    @pytest.mark.parametrize("asset", CRASHES, ids=[f"{path.parent.name}/{path.name}" for path in CRASHES])
    def test_an_input_that_was_a_finding_is_read_without_one(asset: Path) -> None:
        for check in CHECKS.get(asset.parent.name, ()):
            with suppress(Error):
                check(asset.read_bytes())
