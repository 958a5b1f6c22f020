"""Options that several commands share."""

import click
import pytest

from laud_ray.cli.commands.catalogs import relabel
from laud_ray.cli.commands.evaluation import evaluate
from laud_ray.cli.commands.oracle import oracle
from laud_ray.cli.options import SHARE, Share


def test_a_share_is_the_same_number_in_both_spellings() -> None:
    for tenths in range(1, 1001):
        fraction = f"{tenths // 1000}.{tenths % 1000:03}"
        percent = f"{tenths // 10}.{tenths % 10}%"
        assert SHARE.convert(percent, None, None) == SHARE.convert(fraction, None, None) == float(fraction)


@pytest.mark.parametrize("text", ["90%", "0.9", " 90 % ", ".9", "9e-1", "0.90"])
def test_spellings(text: str) -> None:
    assert SHARE.convert(text, None, None) == 0.9


@pytest.mark.parametrize("text", ["90", "0", "0%", "1.01", "101%", "-5%", "nan", "NaN%", "inf", "", "%", "half", "9%%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not valid; expected a share above 0 and up to 1, such as 5%"):
        SHARE.convert(text, None, None)


def test_ends_that_an_option_allows() -> None:
    assert Share(zero=True).convert("0", None, None) == 0
    assert Share(whole=False).convert("99.9%", None, None) == 0.999
    with pytest.raises(click.BadParameter, match="expected a share of at least 0 and below 1"):
        Share(zero=True, whole=False).convert("100%", None, None)


def test_all_options_that_are_shares_take_both_spellings() -> None:
    names = {
        relabel: ("threshold", "sample", "max_change", "cascade", "accuracy"),
        evaluate: ("width",),
        oracle: ("accuracy", "epsilon"),
    }
    for command, options in names.items():
        types = {one.name: one.type for one in command.params}
        assert all(types[name].convert("90%", None, None) == 0.9 for name in options), command.name
