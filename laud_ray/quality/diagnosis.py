"""Diagnose problems of a run, each with the figures that show it and a remedy. Pure: from rounds and answers alone.

The problems are the failure signatures of LAUD, arXiv 2511.14738 (an early plateau, high variance, diminishing
returns), and overfitting across rounds. A problem is only reported with enough rounds or answers, and if the difference
is larger than the intervals.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import mean

from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.label_sets import named
from laud_ray.stats import estimate_share
from laud_ray.types import Estimate, Purpose, RoundResult

# The number of recent rounds. One or two flat rounds are common on any curve, so three are compared.
RECENT = 3
# The least gain of macro-F1 by the recent rounds. Below FLAT (the default of the stop rule `plateau`) it is a plateau;
# below SLOW, together with few surprises, the returns diminish.
FLAT, SLOW = 0.005, 0.01
# Below this kappa, the bound 4 (1 - T) / T on the change of F (arXiv 1504.06329) is over 0.44: the models are unstable.
SETTLED = 0.9
# Queries are too uniform if they cover less than a third of the classes that random documents would cover, or if more
# than a fifth are near-duplicates. A good selection also prefers some classes, but less; and the loop avoids
# near-duplicates as long as it can.
NARROW, ALIKE = 1 / 3, 0.2
# The least numbers of answers to compute a share from; with 30, its interval is 30 points wide.
LEAST_ANSWERS, LEAST_SURPRISES, LEAST_PAIRS = 30, 50, 10
# How many falls of macro-F1 in how many rounds count as swings: two in ten occur by chance with a probability of 2 %.
SWINGS_AMONG, SWINGS = 10, 2
# A model with a confidence of SURE should err at most once in ten times, provided that its calibration error is at most
# BELIEVED. (With a few hundred documents, 0.05 of this error is noise.)
SURE, BELIEVED = 0.9, 0.1
# The least growth of the calibration error that is more than noise.
WORSE_CALIBRATED = 0.02
# How many earlier texts recent ones are compared with.
_EARLIER = 1000


@dataclass(frozen=True, slots=True)
class Reply:
    """An answered query, with the prediction of the round's model before the answer.

    Attributes:
        round: the round of the query.
        purpose: why it was asked.
        text: the document's text.
        predicted: the model's label; None if there is none.
        confidence: the model's probability of that label, in [0, 1].
        label: the answer; None for an abstention.
    """

    round: int
    purpose: Purpose
    text: str
    predicted: str | None
    confidence: float | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem: its name, the figures that show it, and a remedy, the last two as sentences."""

    name: str
    evidence: str
    remedy: str


def diagnose(history: Sequence[RoundResult], replies: Sequence[Reply]) -> tuple[Finding, ...]:
    """Return the problems of a run, from its closed rounds and all answers, both in order."""
    trained = [r for r in history if r.number > 0 and _known(r.figures.accuracy) and _known(r.figures.macro_f1)]
    asked = [reply for reply in replies if reply.purpose == "query"]
    looks = (
        _early_plateau(trained, asked, replies),
        _high_variance(trained, asked, replies),
        _diminishing_returns(trained, asked),
        _overfitting(trained),
    )
    return tuple(finding for finding in looks if finding is not None)


def _early_plateau(trained: Sequence[RoundResult], asked: Sequence[Reply], replies: Sequence[Reply]) -> Finding | None:
    if len(trained) < RECENT + 2 or (gain := _gain(trained)) > FLAT:
        return None
    signs = [*_unsettled(trained), *_narrow(trained, asked), *_alike(asked, replies)]
    if not signs:
        return None
    sets = trained[-1].figures.multilabel is not None
    mixed = "a mix of {} and typiclust"
    others = f"or {mixed.format('label_entropy')}" if sets else f"query.strategy auto, or {mixed.format('margin')}"
    return Finding(
        "early_plateau",
        f"the last {RECENT} rounds changed the best macro-F1 by {100 * gain:+.1f} points, while " + " and ".join(signs),
        f"the queries are probably too similar: in a new run, use query.diversity kmeans, {others}, whichever this run "
        "did not use",
    )


def _unsettled(trained: Sequence[RoundResult]) -> Iterator[str]:
    kappas = [result.kappa for result in trained[-RECENT:] if result.kappa is not None]
    if len(kappas) == RECENT and mean(kappas) < SETTLED:
        yield f"the models still differ (kappa {mean(kappas):.2f} from round to round; settled ones have 0.99)"


def _narrow(trained: Sequence[RoundResult], asked: Sequence[Reply]) -> Iterator[str]:
    """Compare the effective number of classes, exp(entropy), of recent answers with that of the evaluation sample."""
    support = [row.support for row in trained[-1].figures.per_class]
    labels = [reply.label for reply in _recent(asked) if reply.label is not None]
    if trained[-1].figures.multilabel is not None:
        labels = [label for answer in labels for label in named(answer)]
    # Not for binary tasks: their evaluation sample is stratified, and their queries should prefer one class.
    if len(support) < 3 or len(labels) < LEAST_ANSWERS:
        return
    found, expected = _effective(list(Counter(labels).values())), min(_effective(support), len(labels))
    if found < NARROW * expected:
        yield (
            f"{len(labels)} recent answers cover effectively {found:.1f} classes, where random documents would cover "
            f"about {expected:.1f}"
        )


def _alike(asked: Sequence[Reply], replies: Sequence[Reply]) -> Iterator[str]:
    recent = _recent(asked)
    if len(recent) < LEAST_ANSWERS:
        return
    first = min(reply.round for reply in recent)
    seen = NearDuplicates([r.text for r in replies if r.purpose != "query" or r.round < first][-_EARLIER:])
    alike = 0
    for reply in recent:
        alike += reply.text in seen
        seen.add(reply.text)
    if alike > ALIKE * len(recent):
        yield f"{alike} of {len(recent)} recent queries are near-duplicates of earlier ones"


def _high_variance(trained: Sequence[RoundResult], asked: Sequence[Reply], replies: Sequence[Reply]) -> Finding | None:
    signs = [*_swings(trained), *_contradicted(trained, asked), *_inconsistent(replies)]
    if not signs:
        return None
    return Finding(
        "high_variance",
        "; ".join(signs),
        "the oracle is probably inconsistent: read some of these answers, make its guideline and the descriptions of "
        "the labels clearer, let an llm vote several times, or let a second oracle answer the doubtful documents",
    )


def _swings(trained: Sequence[RoundResult]) -> Iterator[str]:
    recent = trained[-SWINGS_AMONG:]
    falls = [(a, b) for a, b in pairwise(recent) if _below(b.figures.macro_f1, a.figures.macro_f1)]
    if len(falls) >= SWINGS:
        listed = ", ".join(f"{_f1(a)} to {_f1(b)} in round {b.number}" for a, b in falls)
        yield f"macro-F1 fell {len(falls)} times by more than its intervals allow: {listed}"


def _contradicted(trained: Sequence[RoundResult], asked: Sequence[Reply]) -> Iterator[str]:
    """Check answers that contradict a confident model, if its confidence is calibrated on the evaluation sample."""
    believed = {result.number for result in trained if result.figures.calibration_error <= BELIEVED}
    sure = [r for r in asked if r.round in believed and r.label is not None and (r.confidence or 0.0) >= SURE]
    if len(sure) < LEAST_ANSWERS:
        return
    against = sum(reply.label != reply.predicted for reply in sure)
    if estimate_share(against, len(sure)).low > 1 - SURE:
        yield (
            f"{against} of {len(sure)} answers contradict a model whose confidence was at least {SURE:.0%}, and is "
            "calibrated on the evaluation sample"
        )


def _inconsistent(replies: Sequence[Reply]) -> Iterator[str]:
    """Check texts that differ only in case and punctuation, but got different answers."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for reply in replies:
        if reply.label is not None:
            plain = "".join(c if c.isalnum() else " " for c in reply.text.casefold())
            groups[" ".join(plain.split())].append(reply.label)
    pairs = [pair for labels in groups.values() for pair in combinations(labels[:5], 2)]
    differ = sum(a != b for a, b in pairs)
    if len(pairs) >= LEAST_PAIRS and estimate_share(differ, len(pairs)).low > 1 - SURE:
        yield f"of {len(pairs)} pairs of texts that differ only in case or punctuation, {differ} got different answers"


def _diminishing_returns(trained: Sequence[RoundResult], asked: Sequence[Reply]) -> Finding | None:
    """Compare the share of surprising answers to recent queries with the model's error rate on random documents."""
    if len(trained) < RECENT + 1 or (gain := _gain(trained)) > SLOW:
        return None
    error = {result.number: 1 - result.figures.accuracy.value for result in trained}
    known = [r for r in _recent(asked) if r.label is not None and r.predicted is not None and r.round in error]
    if len(known) < LEAST_SURPRISES:
        return None
    surprises = sum(reply.label != reply.predicted for reply in known)
    at_random = mean(error[reply.round] for reply in known)
    if surprises > at_random * len(known):
        return None
    return Finding(
        "diminishing_returns",
        f"{surprises} of {len(known)} recent answers ({surprises / len(known):.0%}) differed from the model's "
        f"prediction, no more than for random documents ({at_random:.0%}), and the last {RECENT} rounds changed the "
        f"best macro-F1 by {100 * gain:+.1f} points",
        "the queries find no more errors than random documents would: stop here (a stop rule such as gain or plateau "
        "does so by itself), or start a new run with another query.strategy or a stronger learner",
    )


def _overfitting(trained: Sequence[RoundResult]) -> Finding | None:
    """Check whether macro-F1 stayed below the best for two rounds while the calibration error rose."""
    if len(trained) < 3:
        return None
    best = max(trained[:-2], key=lambda result: result.figures.macro_f1.value)
    worse = [
        _below(result.figures.macro_f1, best.figures.macro_f1)
        and result.figures.calibration_error >= best.figures.calibration_error + WORSE_CALIBRATED
        for result in trained[-2:]
    ]
    if not all(worse):
        return None
    last = trained[-1]
    errors = [f"{100 * result.figures.calibration_error:.1f} %" for result in (best, last)]
    return Finding(
        "overfitting",
        f"macro-F1 is {_f1(last)} in round {last.number}, against {_f1(best)} in round {best.number} with "
        f"{last.annotations - best.annotations} fewer annotations, and the calibration error rose from {errors[0]} to "
        f"{errors[1]}",
        f"go back with `laud promote RUN {best.model}`; in a new run, train less, as the learner allows: fewer "
        "epochs, a lower rank, or examples held out to calibrate on (holdout)",
    )


def _gain(trained: Sequence[RoundResult]) -> float:
    """Return the gain of the recent rounds over the best macro-F1 of the trained rounds before them."""
    values = [result.figures.macro_f1.value for result in trained]
    return max(values[-RECENT:]) - max(values[:-RECENT])


def _recent(asked: Sequence[Reply]) -> list[Reply]:
    """Return the replies of the last RECENT rounds that have any."""
    last = sorted({reply.round for reply in asked})[-RECENT:]
    return [reply for reply in asked if reply.round in last]


def _effective(counts: Sequence[int]) -> float:
    """Return the effective number of classes: that of equally common classes with the same entropy."""
    total = sum(counts)
    return math.exp(-sum(c / total * math.log(c / total) for c in counts if c)) if total else 0.0


def _below(estimate: Estimate, other: Estimate) -> bool:
    """Whether an estimate is below another by more than the intervals allow, as if the samples were independent."""
    spread = math.hypot(*((e.high - e.low) / 2 for e in (estimate, other)))
    return other.value - estimate.value > max(spread, 0.01)


def _known(estimate: Estimate) -> bool:
    return all(map(math.isfinite, (estimate.value, estimate.low, estimate.high)))


def _f1(result: RoundResult) -> str:
    estimate = result.figures.macro_f1
    return f"{100 * estimate.value:.1f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
