"""The page on a run's oracles as sections of a table and sentences, the same in the terminal and in HTML."""

from laud_ray.quality.oracles.thresholds import Calibration, Reached
from laud_ray.report.formatting import ABSENT, dollars, duration, figure, kinds, percent
from laud_ray.report.oracle.calls import Calls
from laud_ray.report.oracle.model_tests import alternative_section, probe_section
from laud_ray.report.oracle.page import OraclePage, OracleShown
from laud_ray.report.oracle.price_sections import price_section, split_section
from laud_ray.report.run.opinion_lines import agreement_line, confused_line, pair_line
from laud_ray.report.section import Section

OUTCOMES = {
    "unsure": "unsure",
    "below": "below its threshold",
    "unread": "unreadable",
    "refused": "refused",
    "abstained": "for an unknown reason",
}


def sections(page: OraclePage) -> tuple[Section, ...]:
    """Return the sections of the page, in the order in which they are read. Further tests add theirs here."""
    found = [one(page) for one in (_answers, _accuracy, price_section, _confidence, _agreement, split_section)]
    found += [alternative_section(page.alternatives), probe_section(page.probes, page.unfinished)]
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
    if one.kind == "people" and one.total_seconds is not None:
        lines.append(f"{one.name}: {duration(one.total_seconds)} of active time.")
    if one.shares is not None:
        lines.append(
            f"{one.name}: asks the same model in the same words as {one.shares}, so that their calls cannot be told "
            "apart; answers and costs are as recorded with the run's annotations."
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
    lines += [line for one in page.oracles if one.accuracy is not None for line in _cautions(one, page)]
    for one in page.oracles:
        if one.confused:
            listed = ", ".join(f"{pair.label} for {pair.other} ({pair.count:,})" for pair in one.confused)
            lines.append(f"{one.name}: most confused: {listed}.")
    columns = ("oracle", "accuracy of labels", "n", "with trusted", "asked")
    return Section("Accuracy on random documents", columns if rows else (), rows, tuple(lines))


def _cautions(one: OracleShown, page: OraclePage) -> list[str]:
    """Say in which way an oracle's accuracy on random documents differs from what it is elsewhere in the run."""
    found = []
    if one.examples:
        found.append(
            f"{one.name}: its prompts show up to {one.examples} annotated examples, but it was asked about the "
            "evaluation sample before there were any. These figures, its confidence and its thresholds are those of "
            "prompts without examples; with them its answers may be better."
        )
    within = [other.name for other in page.oracles if other.trusted and _is_within(other, one)]
    found += [
        f"{one.name}: {name}, one of its members, is the trusted oracle, so its answers are compared with themselves."
        for name in within
    ]
    return found


def _is_within(other: OracleShown, one: OracleShown) -> bool:
    return any(place.startswith(f"{own}.oracles[") for place in other.places for own in one.places)


def _trusted_line(one: OracleShown, page: OraclePage) -> str:
    return f"{one.name} is the trusted oracle: its {page.trusted:,} labels of random documents count as right."


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
        lines += [f"{pair_line(pair)}." for pair in page.doubtful.pairs]
    return Section("Agreement", lines=tuple(lines))
