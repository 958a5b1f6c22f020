"""Tests of language models as sections of the page and as JSON: the probe, and the alternative annotator test."""

from collections.abc import Mapping

from laud_ray.evaluation.probing.probe import Findings
from laud_ray.quality.probe import Change, Errors
from laud_ray.report.formatting import dollars, figure, percent
from laud_ray.report.json_values import estimate_json
from laud_ray.report.oracle.alternative import Alternative
from laud_ray.report.section import Section
from laud_ray.store.probes import Probe


def probe_section(probes: Mapping[str, Findings], unfinished: Mapping[str, tuple[Probe, int]]) -> Section:
    """Return what the finished probes show, and which lack answers, by the names of the models."""
    columns = ("oracle", "n", "same prompt again", "other wording", "other order", "unstable documents")
    rows = tuple(
        (
            name,
            f"{one.flips.n:,}",
            *map(figure, (one.flips.again, one.flips.wording, one.flips.order, one.flips.unstable)),
        )
        for name, one in probes.items()
    )
    lines = [line for name, one in probes.items() for line in _probe(name, one)]
    if probes:
        lines.append(
            "Probability that the label changes if the prompt is asked again, worded in another way (3 wordings of one "
            "meaning), or lists the labels in the reverse order. Unstable: the six prompts do not all give one label. "
            "Single answers count, before the threshold; documents are the sampling units."
        )
    for name, (probe, missing) in unfinished.items():
        n = len(probe.documents)
        lines.append(
            f"{name}: probe {probe.number} lacks {missing:,} of {sum(map(len, probe.keys)):,} answers; --probe {n} "
            "resumes it."
        )
    return Section("Answers by wording and order", columns if rows else (), rows, tuple(lines))


def _probe(name: str, one: Findings) -> list[str]:
    flips = one.flips
    lines = [f"{name}: probe {one.probe.number}, of {_day(one)}, {flips.answers:,} answers"]
    if flips.unread:
        lines[0] += f", {flips.unread:,} of them without a label (unreadable or refused)"
    lines[0] += "" if one.dollars is None else f", {dollars(one.dollars)} besides those above"
    lines[0] += "."
    unstable, stable = flips.errors
    if unstable.n or stable.n:
        lines.append(
            f"{name}: where a trusted label is known, the prompt that is used errs on {_errors(unstable)} unstable "
            f"documents, and on {_errors(stable)} stable ones."
        )
    else:
        lines.append(f"{name}: no trusted label of these documents is known, so the errors among them are not.")
    if one.since_run is not None:
        lines.append(_change(name, one.since_run, "the run asked it"))
    if one.since_first is not None and one.first is not None:
        lines.append(_change(name, one.since_first, f"its first probe, of {one.first.began:%Y-%m-%d}"))
    if one.incomparable is not None:
        lines.append(f"{name}: cannot be compared with its first probe: {one.incomparable}.")
    return lines


def _day(one: Findings) -> str:
    return f"{one.probe.began:%Y-%m-%d}"


def _errors(errors: Errors) -> str:
    share = errors.share
    if share is None:
        return "none of 0"
    return f"{errors.wrong:,} of {errors.n:,} ({figure(share)})"


def _change(name: str, change: Change, since: str) -> str:
    chance = [percent(one) for one in (change.before, change.after) if one is not None]
    figures = (
        f"asked the same prompt about {change.n:,} documents, it gives another label with a probability of "
        f"{figure(change.changed)}; asked twice at one time, {' and '.join(chance)}; exact p = {_p(change.p)}"
    )
    if change.found:
        cause = "the model behind the name, or how it is served, has changed"
        return f"{name} answers differently since {since}, more than chance explains: {figures}; {cause}."
    return f"{name}: no sign that it has changed since {since}: {figures}."


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else f"{p:.1e}"


def alternative_section(found: Mapping[str, Alternative]) -> Section:
    """Return the outcome of the alternative annotator test, by the names of the models."""
    columns = ("oracle", "person", "n", "model better", "as good", "person better", "p", "model suffices")
    rows = tuple(
        (
            name,
            one.person,
            *(f"{n:,}" for n in (one.contest.n, one.contest.machine, one.contest.tied, one.contest.person)),
            _p(one.p),
            "yes" if one.beaten else "not shown",
        )
        for name, each in found.items()
        if each.test is not None
        for one in each.test.verdicts
    )
    lines = tuple(line for name, one in found.items() for line in _alternative(name, one))
    return Section("May a model replace people?", columns if rows else (), rows, lines)


def _alternative(name: str, one: Alternative) -> list[str]:
    if one.test is None:
        return [f"{name}: not tested whether it may replace people: {one.lack}."]
    test = one.test
    may = "may replace" if test.replaces else "is not shown to be able to replace"
    beaten = sum(each.beaten for each in test.verdicts)
    lines = [
        f"{name} {may} people by the alternative annotator test at epsilon {test.epsilon:g}: it represents the others "
        f"at least as well as {beaten} of {len(test.verdicts)} people do, a winning rate of {test.winning_rate:.2f} "
        f"(0.50 is needed); advantage probability {test.advantage:.2f}."
    ]
    if test.left_out:
        listed = ", ".join(f"{person} ({n})" for person, n in test.left_out.items())
        lines.append(f"Left out, with too few documents: {listed}.")
    if one.unlabelled:
        lines.append(f"{name} gave no label to {one.unlabelled:,} of the documents that several people labelled.")
    return lines


def probe_json(one: Findings) -> dict[str, object]:
    """Return a probe as JSON types."""
    flips = one.flips
    return {
        "number": one.probe.number,
        "began": one.probe.began.isoformat(),
        "n": flips.n,
        "answers": flips.answers,
        "unread": flips.unread,
        "dollars": one.dollars,
        "same_prompt": estimate_json(flips.again),
        "wording": estimate_json(flips.wording),
        "order": estimate_json(flips.order),
        "unstable": estimate_json(flips.unstable),
        "errors": {
            "unstable": {"n": flips.errors[0].n, "wrong": flips.errors[0].wrong},
            "stable": {"n": flips.errors[1].n, "wrong": flips.errors[1].wrong},
        },
        "since_first": _change_json(one.since_first),
        "since_run": _change_json(one.since_run),
        "incomparable": one.incomparable,
    }


def unfinished_json(probe: Probe, missing: int) -> dict[str, object]:
    """Return a probe that lacks answers as JSON types."""
    return {
        "number": probe.number,
        "began": probe.began.isoformat(),
        "n": len(probe.documents),
        "answers": sum(map(len, probe.keys)),
        "missing": missing,
    }


def _change_json(change: Change | None) -> dict[str, object] | None:
    if change is None:
        return None
    return {
        "n": change.n,
        "changed": estimate_json(change.changed),
        "same_prompt_before": change.before,
        "same_prompt_after": change.after,
        "telling": change.telling,
        "split": change.split,
        "p": change.p,
        "found": change.found,
    }


def alternative_json(one: Alternative) -> dict[str, object]:
    """Return the alternative annotator test as JSON types."""
    test = one.test
    if test is None:
        return {"tested": False, "why": one.lack}
    return {
        "tested": True,
        "epsilon": test.epsilon,
        "winning_rate": test.winning_rate,
        "advantage_probability": test.advantage,
        "may_replace": test.replaces,
        "people": [
            {
                "name": each.person,
                "n": each.contest.n,
                "better": each.contest.machine,
                "as_good": each.contest.tied,
                "worse": each.contest.person,
                "p": each.p,
                "beaten": each.beaten,
            }
            for each in test.verdicts
        ],
        "left_out": dict(test.left_out),
        "unlabelled": one.unlabelled,
    }
