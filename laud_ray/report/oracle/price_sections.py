"""The sections of the page that are about money: the price of a right label, and the evaluation's mix of answers."""

import math
from collections.abc import Callable

from laud_ray.quality.oracles.split import Split
from laud_ray.report.formatting import dollars, duration
from laud_ray.report.oracle.page import OraclePage, Price
from laud_ray.report.section import Section
from laud_ray.types import Estimate


def price_section(page: OraclePage) -> Section:
    """Return what the labels of each oracle cost, and how that compares with people."""
    rows = []
    for one in page.oracles:
        for unit, price in (("dollars", one.dollar_price), ("seconds", one.second_price)):
            if price is not None:
                rows.append((one.name, unit, *_price_cells(price, unit)))
    lines = []
    if rows:
        lines.append(
            "On random documents: dollars for 1,000, seconds for one. Abstentions, retries and failed calls are shared "
            "out among the labels. Effective: the price of the information of right labels, c / f with "
            "f = (1 - e k / (k - 1))², error e, "
            f"k = {page.classes:,} classes."
        )
    lines += _against_people(page)
    columns = ("oracle", "in", "labels", "right labels", "effective")
    return Section("The price of right labels", columns if rows else (), tuple(rows), tuple(lines))


def _price_cells(price: Price, unit: str) -> tuple[str, str, str]:
    each = _money if unit == "dollars" else _seconds
    right, effective = (
        "not measured" if one is None else _with_interval(one, each) for one in (price.per_right, price.effective)
    )
    return each(price.per_label), right, effective


def _with_interval(one: Estimate, each: Callable[[float], str]) -> str:
    if one.low == one.high:
        return each(one.value)
    return f"{each(one.value)} [{each(one.low)}, {each(one.high)}]"


def _money(price: float) -> str:
    """Write the dollars of 1,000 labels, given those of one."""
    return dollars(1000 * price) if math.isfinite(price) else "no bound"


def _seconds(price: float) -> str:
    return "no bound" if not math.isfinite(price) else f"{price:.2f} s" if price < 60 else duration(price)


def _against_people(page: OraclePage) -> list[str]:
    models = [one for one in page.oracles if one.dollar_price is not None and one.kind == "llm" and not one.trusted]
    if not models:
        return []
    if page.people is None:
        return [
            f"To compare with people, state the price of a label of theirs: laud oracle {page.storage} --people 0.50"
        ]
    lines = []
    for one in models:
        assert one.dollar_price is not None
        found = one.dollar_price.effective
        head = f"1,000 labels of people cost {_money(page.people)} ({page.people_from})"
        if found is None:
            lines.append(f"{head}; what those of {one.name} are worth is not measured.")
            continue
        said = f"{head}; the information of 1,000 right labels from {one.name} costs {_with_interval(found, _money)}"
        if found.high < page.people:
            lines.append(f"{said}: {one.name} is cheaper.")
        elif found.low > page.people:
            lines.append(f"{said}: people are cheaper.")
        else:
            lines.append(f"{said}: the interval does not say which is cheaper.")
    return lines


def split_section(page: OraclePage) -> Section:
    """Return the best mix of trusted and cheap answers for the evaluation."""
    if page.split is None:
        found = [f"The best mix of trusted and cheap answers is not known: {page.no_split}."] if page.trusted else []
    else:
        found = [_split_line(page.split)]
    return Section("The evaluation's mix of answers", lines=tuple(found))


def _split_line(split: Split) -> str:
    rho = split.rho
    known = f"correlation {rho.value:.2f} [{rho.low:.2f}, {rho.high:.2f}], n = {rho.n:,}"
    if split.worth is None:
        if not math.isfinite(split.break_even):
            return f"A mix of trusted and cheap answers is not worth it: their verdicts are not correlated ({known})."
        return (
            f"A price is unknown; a mix of trusted and cheap answers is worth it if a trusted answer costs more than "
            f"{split.break_even:,.1f} times a cheap one ({known})."
        )
    if not split.worth or split.cost is None:
        return (
            f"A mix is not worth it at these prices: trusted answers alone cost less for the same interval ({known})."
        )
    certain = "" if rho.low > 0 else "; the correlation may be 0, and then it is not"
    saved = f"${split.cost:.2f} for each dollar of trusted answers alone"
    if split.of_100 is None:
        return f"A mix of trusted and cheap answers is worth it: {saved}, for the same interval ({known}){certain}."
    few, many = split.of_100
    return (
        f"A mix of {few:,} trusted and {many:,} cheap answers has the interval of 100 trusted answers alone, and costs "
        f"{saved} ({known}): it is worth it{certain}."
    )
