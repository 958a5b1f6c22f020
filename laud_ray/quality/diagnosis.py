"""Say what goes wrong in a run, with the figures that show it and a remedy. Pure: over rounds and answers alone.

The failure signatures of LAUD, arXiv 2511.14738: an early plateau, high variance, diminishing returns; and overfitting
across rounds. Nothing is said without evidence: each signature needs enough rounds or answers, and a difference that
the intervals leave no doubt about.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import mean

from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.stats import estimate_share
from laud_ray.types import Estimate, Purpose, RoundResult

# Rounds that count as recent: one or two flat ones are common on any curve.
RECENT = 3
# Macro-F1 that recent rounds must add, or the curve is flat: the default of the stop rule `plateau`, and twice that
# where flatness is not the point itself.
FLAT, SLOW = 0.005, 0.01
# Below this kappa the bound 4 (1 - T) / T on the change of F (arXiv 1504.06329) is 0.44: nothing has settled.
SETTLED = 0.9
# Queries that meet less than a third of the classes that random documents would meet, and a fifth of near-duplicates:
# a good selection prefers some classes, but not so much, and the loop passes over near-duplicates while it can.
NARROW, ALIKE = 1 / 3, 0.2
# Answers below which a share says nothing; at 30 its interval is 30 points wide.
LEAST_ANSWERS, LEAST_SURPRISES, LEAST_PAIRS = 30, 50, 10
# Falls are looked for in so many rounds: among ten, chance alone brings two with a probability of 2 %.
SWINGS_AMONG, SWINGS = 10, 2
# A model that is this sure errs at most one time in ten, if its calibration error, of which 0.05 is noise at a few
# hundred documents, says that it can be believed.
SURE, BELIEVED = 0.9, 0.1
# A calibration error that grew by less is noise, too.
WORSE_CALIBRATED = 0.02
# Earlier texts that recent ones are compared with.
_EARLIER = 1000


@dataclass(frozen=True, slots=True)
class Reply:
    """An answered query. predicted is what the model of that round thought; label is None for an abstention."""

    round: int
    purpose: Purpose
    text: str
    predicted: str | None
    confidence: float | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, the figures that show it, and what to do; the last two are sentences."""

    name: str
    evidence: str
    remedy: str


def diagnose(history: Sequence[RoundResult], replies: Sequence[Reply]) -> tuple[Finding, ...]:
    """Return what is wrong with a run, from its closed rounds and all answers, both in order."""
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
    return Finding(
        "early_plateau",
        f"the last {RECENT} rounds changed the best macro-F1 by {100 * gain:+.1f} points, while " + " and ".join(signs),
        "the queries are probably too alike: in a new run, take what this one did not do of query.diversity kmeans, "
        "query.strategy auto, and mix with shares for margin and typiclust",
    )


def _unsettled(trained: Sequence[RoundResult]) -> Iterator[str]:
    kappas = [result.kappa for result in trained[-RECENT:] if result.kappa is not None]
    if len(kappas) == RECENT and mean(kappas) < SETTLED:
        yield f"the models still differ (kappa {mean(kappas):.2f} from round to round; settled ones have 0.99)"


def _narrow(trained: Sequence[RoundResult], asked: Sequence[Reply]) -> Iterator[str]:
    """Compare effective numbers of classes, exp(entropy): of recent answers and of the evaluation sample."""
    support = [row.support for row in trained[-1].figures.per_class]
    labels = [reply.label for reply in _recent(asked) if reply.label is not None]
    # A binary task's evaluation sample is stratified, and queries that meet one class more than chance are its aim.
    if len(support) < 3 or len(labels) < LEAST_ANSWERS:
        return
    found, expected = _effective(list(Counter(labels).values())), min(_effective(support), len(labels))
    if found < NARROW * expected:
        yield (
            f"{len(labels)} recent answers spread over {found:.1f} classes' worth of labels, where random documents "
            f"would over about {expected:.1f}"
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
        "the oracle is probably inconsistent: read some of these answers, make its guideline and the labels' "
        "descriptions clearer, let an llm vote several times, or let a second oracle answer what is doubtful",
    )


def _swings(trained: Sequence[RoundResult]) -> Iterator[str]:
    recent = trained[-SWINGS_AMONG:]
    falls = [(a, b) for a, b in pairwise(recent) if _below(b.figures.macro_f1, a.figures.macro_f1)]
    if len(falls) >= SWINGS:
        listed = ", ".join(f"{_f1(a)} to {_f1(b)} in round {b.number}" for a, b in falls)
        yield f"macro-F1 fell {len(falls)} times by more than its intervals allow: {listed}"


def _contradicted(trained: Sequence[RoundResult], asked: Sequence[Reply]) -> Iterator[str]:
    """Look at answers that contradict a model whose confidence the evaluation sample bears out."""
    believed = {result.number for result in trained if result.figures.calibration_error <= BELIEVED}
    sure = [r for r in asked if r.round in believed and r.label is not None and (r.confidence or 0.0) >= SURE]
    if len(sure) < LEAST_ANSWERS:
        return
    against = sum(reply.label != reply.predicted for reply in sure)
    if estimate_share(against, len(sure)).low > 1 - SURE:
        yield (
            f"{against} of {len(sure)} answers contradict a model that was at least {SURE:.0%} sure, and whose "
            "confidence holds on the evaluation sample"
        )


def _inconsistent(replies: Sequence[Reply]) -> Iterator[str]:
    """Look at texts that differ in case and punctuation only and were answered differently."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for reply in replies:
        if reply.label is not None:
            plain = "".join(c if c.isalnum() else " " for c in reply.text.casefold())
            groups[" ".join(plain.split())].append(reply.label)
    pairs = [pair for labels in groups.values() for pair in combinations(labels[:5], 2)]
    differ = sum(a != b for a, b in pairs)
    if len(pairs) >= LEAST_PAIRS and estimate_share(differ, len(pairs)).low > 1 - SURE:
        yield f"of {len(pairs)} pairs of texts that differ in punctuation only, {differ} were answered differently"


def _diminishing_returns(trained: Sequence[RoundResult], asked: Sequence[Reply]) -> Finding | None:
    """Compare the surprises of recent queries with those of random documents, which are the model's error rate."""
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
        f"{surprises} of {len(known)} recent answers ({surprises / len(known):.0%}) were other than the model "
        f"predicted, no more than of random documents ({at_random:.0%}), and the last {RECENT} rounds changed the best "
        f"macro-F1 by {100 * gain:+.1f} points",
        "the selection finds nothing that the model does not know: stop here (a stop rule such as gain or plateau does "
        "so by itself), or start a new run with another query.strategy or a stronger learner",
    )


def _overfitting(trained: Sequence[RoundResult]) -> Finding | None:
    """Look for figures that fell and stayed below the best, with a calibration error that rose."""
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
        f"{last.annotations - best.annotations} annotations less, and the calibration error rose from {errors[0]} to "
        f"{errors[1]}",
        f"go back with `laud promote RUN {best.model}`; in a new run, train less, as the learner allows: fewer "
        "epochs, a lower rank, or examples held out to calibrate on (holdout)",
    )


def _gain(trained: Sequence[RoundResult]) -> float:
    """What the recent rounds added to the best macro-F1 of the trained ones before them."""
    values = [result.figures.macro_f1.value for result in trained]
    return max(values[-RECENT:]) - max(values[:-RECENT])


def _recent(asked: Sequence[Reply]) -> list[Reply]:
    """The replies of the last rounds that have any."""
    last = sorted({reply.round for reply in asked})[-RECENT:]
    return [reply for reply in asked if reply.round in last]


def _effective(counts: Sequence[int]) -> float:
    """The number of equally common classes with the same entropy."""
    total = sum(counts)
    return math.exp(-sum(c / total * math.log(c / total) for c in counts if c)) if total else 0.0


def _below(estimate: Estimate, other: Estimate) -> bool:
    """Whether an estimate is below another by more than both intervals allow, were the samples two."""
    spread = math.hypot(*((e.high - e.low) / 2 for e in (estimate, other)))
    return other.value - estimate.value > max(spread, 0.01)


def _known(estimate: Estimate) -> bool:
    return all(map(math.isfinite, (estimate.value, estimate.low, estimate.high)))


def _f1(result: RoundResult) -> str:
    estimate = result.figures.macro_f1
    return f"{100 * estimate.value:.1f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
