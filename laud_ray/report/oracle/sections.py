"""The page on a run's oracles as sections of a table and sentences, the same in the terminal and in HTML."""

import math
from collections.abc import Callable

from laud_ray.quality.oracles.split import Split
from laud_ray.quality.oracles.thresholds import Calibration, Reached
from laud_ray.report.formatting import ABSENT, dollars, duration, figure, kinds, percent
from laud_ray.report.oracle.calls import Calls
from laud_ray.report.oracle.model_tests import alternative_section, probe_section
from laud_ray.report.oracle.page import OraclePage, OracleShown, Price
from laud_ray.report.run.opinion_lines import agreement_line, confused_line, pair_line
from laud_ray.report.section import Section
from laud_ray.types import Estimate

OUTCOMES = {
    "unsure": "unsure",
    "below": "below its threshold",
    "unread": "unreadable",
    "refused": "refused",
    "abstained": "for an unknown reason",
}


def sections(page: OraclePage) -> tuple[Section, ...]:
    """Return the sections of the page, in the order in which they are read. Further tests add theirs here."""
    found = [one(page) for one in (_answers, _accuracy, _prices, _confidence, _agreement, _split)]
    found += [alternative_section(page.alternatives), probe_section(page.probes)]
    return (*(one for one in found if one.rows or one.lines), Section("Not tested", lines=not_tested(page)))


def not_tested(page: OraclePage) -> tuple[str, ...]:
    """Return what these figures do not show, in whole sentences. A test that was made takes its sentence away."""
    untold: list[str] = []
    if not page.probes:
        untold.append("Whether the answers change with the wording of the prompt or the order of the labels.")
    if not any(one.since_run or one.since_first for one in page.probes.values()):
        untold.append("Whether the model behind an endpoint's name has changed during the run.")
    if not any(one.test for one in page.alternatives.values()):
        untold.append("Whether a model agrees with people as well as people agree with each other.")
    if not page.trusted:
        untold.append("The accuracy of any oracle, because no trusted one answered the same random documents.")
    else:
        untold.append("Errors of the trusted oracle itself: its answers count as right.")
    untold.append("Accuracy on the documents that were selected for training, which are harder than random ones.")
    return tuple(untold)


def _answers(page: OraclePage) -> Section:
    rows = tuple(
        (
            one.name,
            f"{one.counts.answers:,}",
            f"{one.counts.labels:,}",
            f"{one.counts.answers - one.counts.labels:,}",
            f"{one.counts.random:,}",
            "unknown" if one.dollars is None else dollars(one.dollars),
            ABSENT if one.seconds is None else f"{one.seconds:.1f}",
        )
        for one in page.oracles
    )
    lines = [line for one in page.oracles for line in _answer_lines(one)]
    lines.append(
        "On random documents: those of the evaluation sample. All others were selected, and no figure below is from "
        "them. Seconds: the median latency of a model's answer, or people's active time."
    )
    columns = ("oracle", "answers", "labels", "abstained", "random", "dollars", "seconds")
    return Section("Answers", columns, rows, tuple(lines))


def _answer_lines(one: OracleShown) -> list[str]:
    lines = []
    if one.counts.abstained:
        listed = kinds({OUTCOMES[name]: n for name, n in one.counts.abstained.items()})
        lines.append(f"{one.name}: abstained from {sum(one.counts.abstained.values()):,}: {listed}.")
    if one.calls is not None:
        lines.append(f"{one.name}: {_calls(one.calls)}.")
    if one.shares is not None:
        lines.append(
            f"{one.name}: asks the same model as {one.shares}, so its calls are not told apart; its costs are those "
            "that are recorded with its answers."
        )
    if one.unpriced is not None:
        lines.append(f"{one.name}: dollars are unknown: {one.unpriced}.")
    return lines


def _calls(calls: Calls) -> str:
    said = f"{calls.total:,} calls"
    parts = [f"{calls.answered:,} answered"]
    if calls.unread:
        parts.append(f"{calls.unread:,} of these unreadable")
    if calls.failed:
        parts.append(f"{calls.failed:,} failed, {calls.billed:,} of these may have been billed")
    if calls.lost:
        parts.append(f"{calls.lost:,} in flight or lost")
    said += f": {', '.join(parts)}; {calls.tokens:,} tokens"
    if calls.uncertain:
        said += f"; up to {dollars(calls.uncertain)} of the cost is for calls that may not have been billed"
    if calls.median is not None and calls.slowest_tenth is not None:
        said += (
            f"; latency {calls.median:.2f} s in the median, {calls.slowest_tenth:.2f} s or more for the slowest tenth"
        )
    return said


def _accuracy(page: OraclePage) -> Section:
    rows = tuple(
        (one.name, figure(found.estimate), f"{found.estimate.n:,}", f"{found.trusted:,}", f"{one.sampled:,}")
        for one in page.oracles
        if (found := one.accuracy) is not None
    )
    lines = [_trusted_line(one, page) for one in page.oracles if one.trusted]
    if any(one.accuracy is not None and one.accuracy.powered for one in page.oracles):
        lines.append(
            "Labels without a trusted answer count by whether the current model predicts them, corrected by those "
            "with one (prediction-powered)."
        )
    lines += [f"{one.name}: {one.not_measured}." for one in page.oracles if one.not_measured is not None]
    for one in page.oracles:
        if one.confused:
            listed = ", ".join(f"{given} for {right} ({n:,})" for given, right, n in one.confused)
            lines.append(f"{one.name}: most confused: {listed}.")
    columns = ("oracle", "accuracy of labels", "n", "with trusted", "asked")
    return Section("Accuracy on random documents", columns if rows else (), rows, tuple(lines))


def _trusted_line(one: OracleShown, page: OraclePage) -> str:
    return f"{one.name} is the trusted oracle: its {page.trusted:,} labels of random documents count as right."


def _prices(page: OraclePage) -> Section:
    rows = []
    for one in page.oracles:
        for unit, price in (("dollars", one.dollar_price), ("seconds", one.second_price)):
            if price is not None:
                rows.append((one.name, unit, *_price_cells(price, unit)))
    lines = []
    if rows:
        lines.append(
            "On random documents. Abstentions, retries and failed calls are shared out among the labels. Effective: "
            "the price of the information of one right label, c / f with f = (1 - e k / (k - 1))², error e, "
            f"k = {page.classes:,} classes."
        )
    lines += _against_people(page)
    columns = ("oracle", "unit", "a label", "a right label", "effective")
    return Section("The price of a right label", columns if rows else (), tuple(rows), tuple(lines))


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
    """Write dollars with three significant digits where they are few."""
    if not math.isfinite(price):
        return "no bound"
    if price == 0 or price >= 0.1:
        return f"${price:,.2f}"
    return f"${price:.{2 - math.floor(math.log10(price))}f}"


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
        head = f"A label of people costs {_money(page.people)} ({page.people_from})"
        if found is None:
            lines.append(f"{head}; what one of {one.name} is worth is not measured.")
            continue
        said = f"{head}; the same information from {one.name} {_with_interval(found, _money)}"
        if found.high < page.people:
            lines.append(f"{said}: {one.name} is cheaper.")
        elif found.low > page.people:
            lines.append(f"{said}: people are cheaper.")
        else:
            lines.append(f"{said}: the interval does not say which is cheaper.")
    return lines


def _confidence(page: OraclePage) -> Section:
    rows, lines = [], []
    for one in page.oracles:
        if (found := one.calibration) is None:
            continue
        rows += [
            (one.name, percent(kept.share), f"{kept.threshold:.3f}", percent(kept.accuracy), f"{kept.n:,}")
            for kept in found.curve
        ]
        lines += _confidence_lines(one, found)
    columns = ("oracle", "answers kept", "confidence from", "accuracy of these", "n")
    return Section("Confidence", columns if rows else (), tuple(rows), tuple(lines))


def _confidence_lines(one: OracleShown, found: Calibration) -> list[str]:
    said = f"{one.name}: expected calibration error {percent(found.error)}, n = {found.n:,}"
    if found.auc is not None:
        said += f"; its confidence separates right answers from errors with an AUC of {found.auc:.2f} (0.50 is chance)"
    wanted = percent(found.wanted)
    alone = (
        f"{one.name}: no threshold is proven to make {wanted} of the answers that it keeps right"
        if found.alone is None
        else f"{one.name}: {_reached(found.alone)}; {wanted} of these are right with 95 % confidence, and "
        f"{percent(found.alone.accuracy)} as measured"
    )
    followed = (
        f"If the trusted oracle answers the rest, no threshold is proven to make {wanted} of all labels right"
        if found.followed is None
        else f"If the trusted oracle answers the rest, {_reached(found.followed)}; {wanted} of all labels are right "
        "with 95 % confidence"
    )
    return [f"{said}.", f"{alone}.", f"{followed}."]


def _reached(found: Reached) -> str:
    return f"threshold: {found.threshold:.3f} keeps {percent(found.share)} of the answers"


def _agreement(page: OraclePage) -> Section:
    lines = []
    if page.agreement is not None:
        lines.append(f"On random documents: {agreement_line(page.agreement, doubtful=False)}.")
        lines += [f"{pair_line(pair)}." for pair in page.agreement.pairs]
        lines += [f"{confused_line(one)}." for one in page.agreement.confused]
    if page.doubtful is not None:
        lines.append(
            f"On documents that were asked again because of doubts, or corrected by people, which are no random ones: "
            f"{agreement_line(page.doubtful, doubtful=False)}."
        )
    return Section("Agreement", lines=tuple(lines))


def _split(page: OraclePage) -> Section:
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
