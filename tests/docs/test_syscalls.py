"""docs/syscalls.md is what the tables say, and where kinds of guests differ there is a reason."""

from __future__ import annotations

import pytest

from tests.docs import syscalls
from tests.testbed import ROOT

pytestmark = pytest.mark.skipif(
    not (syscalls.HOST.exists() and syscalls.ENGINE.exists()), reason="no host was built for this machine: x86-64 only"
)


def test_page_is_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "syscalls.md").read_text() == syscalls.page(), "python -m tests.docs.syscalls"


def test_every_row_says_what_is_left_out_of_it() -> None:
    for kind, rows in syscalls.tables().items():
        for name, row in rows.items():
            assert row.status in syscalls.STATUSES, f"{name} of {kind}"
            assert row.status == "full" or row.remark, f"{name} of {kind}"


def test_a_syscall_has_one_number_in_all_tables() -> None:
    numbers: dict[str, set[int]] = {}
    for rows in syscalls.tables().values():
        for name, row in rows.items():
            numbers.setdefault(name, set()).add(row.number)
    assert not {name: found for name, found in numbers.items() if len(found) > 1}
    assert len({number for found in numbers.values() for number in found}) == len(numbers)


def test_two_kinds_differ_in_status_only_with_a_reason() -> None:
    reasons = [(reason.kinds, name) for reason in syscalls.REASONS for name in reason.names.split()]
    assert len(reasons) == len(set(reasons))
    assert set(reasons) == set(syscalls.differences(syscalls.tables()))
