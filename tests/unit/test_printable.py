"""Values of a user's in messages: nothing that a terminal obeys, never more than a line."""

import pytest

from laud_ray.printable import did_you_mean, first_line, printable, quoted


def test_what_cannot_be_seen_is_escaped() -> None:
    assert printable("Milch ü 🍞") == "Milch ü 🍞"
    assert printable("a\x1b[31m\u202e\u200b\n\udcff") == "a\\x1b[31m\\u202e\\u200b\\n\\xff"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff'", "'\\xff\\''"),
        ("x" * 100, f"'{'x' * 60}'..."),
        ("a\x1b", "'a\\x1b'"),
        ("50", "'50'"),
        (50, "50"),
        (True, "True"),
        (None, "None"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        (1 << 400, "an integer of 401 bits"),
        ({"password": "x"}, "a mapping"),
        (["password"], "a list"),
    ],
)
def test_a_value_is_quoted_in_one_short_line(value: object, expected: str) -> None:
    assert quoted(value) == expected


def test_the_nearest_name_is_offered() -> None:
    assert did_you_mean("kapa", {"gain": 1, "kappa": 2}) == " - did you mean 'kappa'?"
    assert did_you_mean("zzz", ["gain", "kappa"]) == ""
    assert did_you_mean("a", []) == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n no such file\nmore"), "no such file"),
        (ValueError("a\x1b[31m\u2028b"), "a\\x1b[31m"),
        (ValueError(" \n"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_an_error_is_said_in_its_first_line(error: BaseException, line: str) -> None:
    assert first_line(error) == line
