"""Agreement of annotators: the published examples of Cohen's kappa and Krippendorff's alpha."""

import pytest

from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.quality.raters import Confused, compare, most_confused


def said(who: str, number: int, labels: str) -> list[Opinion]:
    """One annotator's labels of documents 0, 1, ...; a dot is no label."""
    return [Opinion(str(i), number, 0, None if one == "." else one, who) for i, one in enumerate(labels)]


def test_alpha_of_krippendorffs_example() -> None:
    """Krippendorff (2011), example C: four observers, missing data, nominal alpha 0.743; unit 12 has one value."""
    rows = {"A": "123321412...", "B": "1233224125.3", "C": ".3332342251.", "D": "12332441251."}
    found = compare([one for number, (who, row) in enumerate(rows.items(), 1) for one in said(who, number, row)])
    assert found is not None
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.documents == 11


def test_kappa_of_a_table_of_counts() -> None:
    """Two raters of 50 applications: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; observed .7, by chance .5: kappa .4."""
    found = compare([*said("one", 1, "y" * 25 + "n" * 25), *said("other", 2, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15)])
    assert found is not None
    (pair,) = found.pairs
    assert (pair.n, pair.share, pair.kappa) == (50, pytest.approx(0.7), pytest.approx(0.4))
    assert found.confused == (Confused("n", "y", 15),)


def test_what_a_model_says_and_single_answers_do_not_count() -> None:
    assert compare([*said("one", 1, "ab."), *said(MODEL, 2, "abc"), *said("other", 3, "..c")]) is None


def test_the_most_frequent_confusions_come_first() -> None:
    pairs = [("Tea", "Tea"), *[("Tea", "Coffee")] * 2, ("Coffee", "Tea"), *[("Juice", "Tea")] * 3]
    assert most_confused(pairs)[:2] == (Confused("Juice", "Tea", 3), Confused("Tea", "Coffee", 2))
