"""Paths as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.taxonomy.path_text import occurs, split_path


@pytest.mark.parametrize(
    ("text", "separator", "names"),
    [
        ("Food > Tea", " > ", ("Food", "Tea")),
        (" Food\u00a0 >  Gru\u0308ner\u200b Tee ", " > ", ("Food", "Grüner Tee")),
        ("T>shirts > A -> B", " > ", ("T>shirts", "A -> B")),
        ("Food", " > ", ("Food",)),
        ("Food>Tea > Green", ">", ("Food", "Tea", "Green")),
        ("Food\tGreen  tea", "\t", ("Food", "Green tea")),
        ("a.b.c", ".", ("a", "b", "c")),
        ("a :: b:c", "::", ("a", "b:c")),
        ("a, b,c", ", ", ("a", "b,c")),
    ],
)
def test_names_of_a_path(text: str, separator: str, names: tuple[str, ...]) -> None:
    assert split_path(text, separator) == names
    assert occurs(text, separator) == (len(names) > 1)


@pytest.mark.parametrize(
    ("text", "separator"),
    [("A > > B", " > "), ("A >", " > "), ("> A", " > "), ("A >  > B", " > "), ("", " > "), ("/a", "/"), ("a//b", "/")],
)
def test_an_empty_level_is_refused(text: str, separator: str) -> None:
    with pytest.raises(ValueError, match="is not valid; expected a name at each level, with") as raised:
        split_path(text, separator)
    assert str(raised.value).startswith(repr(text))


def test_other_faults() -> None:
    with pytest.raises(ValueError, match=r"^'a\\x07' is not valid; expected a name of visible characters$"):
        split_path("a\x07 > b", " > ")
    with pytest.raises(ValueError, match="at most 1,000 characters"):
        split_path("a > " + 1001 * "b", " > ")
    with pytest.raises(ValueError, match="the separator '' is not valid; expected at least one character"):
        split_path("a", "")


@settings(deadline=None)
@given(st.lists(st.text("ab >/", min_size=1), min_size=1), st.sampled_from([" > ", ">", " / ", "/"]))
def test_what_is_split_is_joined_again(names: list[str], separator: str) -> None:
    try:
        path = split_path(separator.join(names), separator)
    except ValueError:
        return
    assert split_path(separator.join(path), separator) == path
