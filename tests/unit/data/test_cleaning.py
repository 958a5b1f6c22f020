"""A column of texts is cleaned at once as one cell is."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.data.cleaning import clean
from laud_ray.texts import cut, normalise_text

SPACES = "  \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u202f\u3000\u200b\ufeff"
CHARACTERS = st.one_of(
    st.characters(codec="utf-8"), st.sampled_from(SPACES), st.sampled_from("a\x00\x7fe\u0301A\u030a\u1e9b\u0323\ufb01")
)
CELLS = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(CHARACTERS, max_size=30).map(str.encode),
    st.text("ab ", max_size=12).map(str.encode),
)
Cleaned = list[tuple[str | None, str | None]]


def cleaned(cells: list[bytes | None], max_chars: int) -> Cleaned:
    found = clean(pa.array(cells, pa.large_binary()), max_chars)
    texts, errors = found.texts, found.errors
    assert (texts.type, errors.type) == (pa.large_string(), pa.string())
    return list(zip(texts.to_pylist(), errors.to_pylist(), strict=True))


def one_by_one(cells: list[bytes | None], max_chars: int) -> tuple[Cleaned, int]:
    """The same cell by cell, by the rule that the words of the module say; how many were cut, too."""
    found: Cleaned = []
    truncated = 0
    for cell in cells:
        try:
            text = normalise_text((cell or b"").decode())
        except UnicodeDecodeError:
            found.append((None, "text is not UTF-8"))
            continue
        truncated += len(text) > max_chars
        found.append((cut(text, max_chars) or None, None if text else "null text" if cell is None else "empty text"))
    return found, truncated


@settings(max_examples=150, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=20), st.sampled_from([1, 2, 5, 2000]))
def test_a_column_is_cleaned_as_its_cells_are(cells: list[bytes | None], max_chars: int) -> None:
    expected, truncated = one_by_one(cells, max_chars)
    assert cleaned(cells, max_chars) == expected
    assert clean(pa.array(cells, pa.large_binary()), max_chars).truncated.sum() == truncated


def test_what_is_done_to_a_text() -> None:
    assert cleaned([b" green \t tea\n", "cafe\u0301".encode(), b"plain", b"a b c"], 3) == [
        ("gre", None),
        ("caf", None),
        ("pla", None),
        ("a b", None),
    ]
    assert cleaned([b"ab c"], 3) == [("ab", None)]
    assert cleaned([None, b"", b" \t ", b"\xff", "\u3000".encode(), b"\xed\xa0\x80"], 9) == [
        (None, "null text"),
        (None, "empty text"),
        (None, "empty text"),
        (None, "text is not UTF-8"),
        (None, "empty text"),
        (None, "text is not UTF-8"),
    ]
    assert cleaned(["cafe\u0301".encode()], 4) == [("caf\u00e9", None)]


def test_long_texts_are_cut_and_slices_are_only_themselves() -> None:
    long = b"x y " * 262_144
    assert cleaned([long, b"z" * 1_048_576], 2000) == [(("x y " * 500).rstrip(), None), ("z" * 2000, None)]
    cells = pa.array([b"\xff", b" a ", None, b"b", b"\xff"], pa.large_binary()).slice(1, 3)
    found = clean(cells, 9)
    assert found.texts.to_pylist() == ["a", None, "b"]
    assert found.errors.to_pylist() == [None, "null text", None]


def test_no_cells_are_no_texts() -> None:
    assert cleaned([], 9) == []
    assert cleaned([None, None], 9) == [(None, "null text")] * 2
