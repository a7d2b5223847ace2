"""docs/forms.md says what is lifted, as the table of forms and the census of Debian's programs have it."""

from __future__ import annotations

from tests.recompiler.lift import census


def test_the_page_of_forms_is_up_to_date() -> None:
    again = "python -m tests.recompiler.lift.census page"
    assert census.page() == census.PAGE.read_text(), f"docs/forms.md is older than the table of forms: {again}"


def test_what_debian_uses_most_is_lifted() -> None:
    _, rows = census.read()
    missing = sum(row.total for row in rows if not row.wide and not row.lifted())
    assert missing * 100 < sum(row.total for row in rows)
