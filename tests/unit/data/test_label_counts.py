"""Labels of a column are counted in bounded memory; what goes beyond is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laud_ray.data import label_counts
from laud_ray.data.label_counts import LabelCounts, SortedLabels, TwoLabels, load_labels

PAIRS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz")))


@given(PAIRS)
def test_texts_with_two_labels_against_plain_python(pairs: list[tuple[str, str]]) -> None:
    by_text: dict[str, set[str]] = {}
    for text, label in pairs:
        by_text.setdefault(text, set()).add(label)
    expected = sum(len(labels) > 1 for labels in by_text.values())
    two = TwoLabels()
    for text, label in pairs:
        two.add([text], [label])
    assert two.count() == expected
    sorted_labels, rows = SortedLabels(str), sorted(pairs)
    sorted_labels.add((i > 0 and rows[i - 1][0] == text, label) for i, (text, label) in enumerate(rows))
    found = sorted_labels.found()
    assert (found.two_labels, found.missing, sum(found.counts.values())) == (expected, 0, len(pairs))
    assert load_labels(found.dump(), "labels.json") == found


def test_beyond_the_bound_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_counts, "_AT_ONCE", 10)
    two = TwoLabels(most=30)
    for i in range(100):
        two.add([f"text {i}", f"text {i}"], ["x", "y"])
    assert not two.whole
    assert 15 <= two.count() <= 20


def test_labels_beyond_the_bound_are_counted_together() -> None:
    counts = LabelCounts(most=2)
    counts.add(["a", "b", "c", "a"])
    counts.add({"d": 3, "b": 2})
    assert (dict(counts.counts), counts.others, counts.rows) == ({"a": 2, "b": 3}, 4, 9)
