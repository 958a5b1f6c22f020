"""Cells that a spreadsheet would run or rewrite are guarded, and read back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laud_ray.people.exchange.cells import guarded, unguarded


@pytest.mark.parametrize(
    "cell",
    [
        *("=1+1", "+49 89", "-5", "@sum", "\tx", "\rx", " =1", "＝1", "'=1", "'tea", "007", "3/4", "1e5", "true"),
        *("may 5", "2.50 €", "(5)", "12:30", "50 %", "Oct-12", "3 am"),
    ],
)
def test_what_a_spreadsheet_would_run_or_rewrite_begins_with_an_apostrophe(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["", " ", "tea", "7up 330 ml", "2% milk", "a=b", "Käse & co", "q-000017", "mayonnaise"]
)
def test_other_texts_stay(cell: str) -> None:
    assert guarded(cell) == cell


@given(st.text(alphabet="'=+-@\t\r\n 0a", max_size=6) | st.text(max_size=20))
def test_guarding_is_undone_exactly(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")


@given(st.text(alphabet="=+-@0a ", max_size=6))
def test_an_apostrophe_that_a_spreadsheet_took_away_is_not_missed(cell: str) -> None:
    assert unguarded(cell) == cell
