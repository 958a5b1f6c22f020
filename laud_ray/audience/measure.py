"""Measure what an audience changed, from the exposures of users that were assigned to two arms at random."""

from collections.abc import Mapping
from dataclasses import dataclass

from laud_ray.audience.columns import Names
from laud_ray.audience.exposures import before_batches, open_exposures
from laud_ray.audience.totals import Totals, add_up
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.stats import uplift
from laud_ray.stats.uplift import Lift, Moments
from laud_ray.stats.uplift.moments import CLICKS, IMPRESSIONS, NOBODY, before
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.types import Estimate

MISMATCH = 0.001
LEAST_CLICKS, LEAST_ARM_CLICKS = 100, 10
# One user with more of an arm's impressions is probably a program, and no approximation holds.
HEAVY = 0.05
# CUPED by counts of the test itself removes all of the variance, and the effect with it.
SAME = 0.99
MOST_SEGMENTS = 50


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm, or a part of it. `rate` is its click-through rate; its n counts users. None: too few clicks."""

    name: str
    users: int
    impressions: int
    clicks: int
    rate: Estimate | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of users.

    Attributes:
        name: None: the users without a value.
        lift: None if nothing can be said, and `why` says why.
        p_adjusted: of its lift, adjusted for the number of segments (Holm).
    """

    name: str | None
    control: Arm
    treatment: Arm
    lift: Lift | None
    p_adjusted: float | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of an experiment.

    Attributes:
        path: the exposures, as the user gave them.
        rows: rows of exposures.
        ratio: how many users were meant to come into the control and into the treatment, such as (1, 1).
        mismatch_p: of the sample-ratio mismatch test on users.
        plain: the comparison without the period before the test.
        adjusted: the comparison by CUPED; None without counts from before the test.
        removed: the share of the variance that CUPED removed; None without it.
        before: the comparison of the period before the test, where there is no effect yet; None if unknown.
        design_effect: by how much the variance exceeds that of independent impressions.
        precision: of the rule, with its interval; None if it is not stated.
        segments: the largest segments by impressions; `more_segments` others are left out.
        notes: remarks for people.
    """

    path: str
    rows: int
    control: Arm
    treatment: Arm
    ratio: tuple[float, float]
    mismatch_p: float
    plain: Lift
    adjusted: Lift | None
    removed: float | None
    before: Lift | None
    design_effect: float | None
    precision: Estimate | None
    segments: tuple[Segment, ...]
    more_segments: int
    notes: tuple[str, ...]

    @property
    def lift(self) -> Lift:
        """The comparison that the verdict is about: by CUPED where it is known, as was decided before any result."""
        found = self.adjusted
        return self.plain if found is None or found.relative is None else found

    @property
    def relative(self) -> Estimate:
        """The relative lift of `lift`."""
        found = self.lift.relative
        assert found is not None, "both arms have clicks"
        return found

    @property
    def shown(self) -> bool:
        """Whether the interval of the relative lift leaves out 0."""
        return self.relative.low > 0 or self.relative.high < 0

    @property
    def smallest(self) -> float | None:
        """The smallest relative lift that would have been found with a probability of 80 %."""
        return uplift.smallest_lift(self.lift)

    @property
    def undiluted(self) -> Estimate | None:
        """The relative lift of an audience without errors; see `uplift.undiluted`. None without a precision."""
        return None if self.precision is None else uplift.undiluted(self.relative, self.precision)


def measure(
    path: str,
    *,
    pre: str | None = None,
    names: Names | None = None,
    control: str | None = None,
    ratio: tuple[float, float] = (1.0, 1.0),
    precision: Estimate | None = None,
    reading: Reading = AS_FOUND,
) -> Measured:
    """Measure the lift in click-through rate from the control to the treatment.

    Args:
        path: a file, folder, glob or URI of Parquet, CSV or JSON lines, with a row for each user, or several that are
            added up.
        pre: the same from before the test, whose rows are added up by user; None: the columns of `path`, if any.
        names: the columns.
        control: the name of the control; None: the arm with a usual name, such as "control".
        ratio: how many users were meant to come into the control and into the treatment.
        precision: of the rule that chose the audience.
        reading: settings that the user stated for text files.

    Raises:
        CorpusError: if a row or user is not valid, or the experiment does not show an effect of the arms: users did not
            come into the arms as they were meant to, or there are too few clicks.
        LaudError: if memory or disk space is too small.
    """
    exposures = open_exposures(path, names or Names(), reading)
    seen = Seen()
    if pre is not None and exposures.before:
        raise CorpusError(
            f"{path}: has counts from before the test itself, {quoted(exposures.names.pre_impressions)}; expected "
            "these or --pre, not both"
        )
    read = None if pre is None else (lambda: before_batches(pre, exposures.names, reading, seen))
    found = add_up(exposures, read, control=control)
    return evaluate(path, found, ratio, precision, (*found.notes, *seen.notes))


def evaluate(
    path: str,
    found: Totals,
    ratio: tuple[float, float],
    precision: Estimate | None,
    notes: tuple[str, ...] = (),
) -> Measured:
    """Compare the arms of added-up exposures; see `measure`."""
    control, treatment = (found.arms[name] for name in (found.control, found.treatment))
    share = ratio[1] / sum(ratio)
    mismatch = uplift.sample_ratio_p(control.users, treatment.users, share)
    if mismatch < MISMATCH:
        raise CorpusError(
            f"{path}: {found.control} has {control.users:,} users and {found.treatment} {treatment.users:,}, where "
            f"{ratio[0]:g}:{ratio[1]:g} was intended (p = {mismatch:.1g}): the arms do not hold comparable people, so "
            "no lift is shown; expected the --ratio of the assignment, and every assigned user in the data"
        )
    _require_clicks(path, {found.control: control, found.treatment: treatment})
    plain = uplift.compare(uplift.ratio(control), uplift.ratio(treatment))
    if not (plain.control.variance > 0 and plain.treatment.variance > 0):
        raise CorpusError(
            f"{path}: all users of an arm have the same click-through rate, from which no interval can be computed; "
            "expected exposures of people"
        )
    adjusted, before_test, removed = None, None, None
    slope = uplift.adjustment(control + treatment) if found.before else None
    if slope is not None and all(one.sums[3] for one in (control, treatment)):
        adjusted = uplift.compare(uplift.ratio(control, slope), uplift.ratio(treatment, slope))
        before_test = uplift.compare(before(control), before(treatment))
        errors = [one.control.error + one.treatment.error for one in (adjusted, plain)]
        removed = 1 - errors[0] / errors[1]
        if removed > SAME:
            raise CorpusError(
                f"{path}: the period before explains {removed:.1%} of the variance, as only the test itself does; "
                "expected counts from before the test"
            )
    segments = _segments(found, share)
    return Measured(
        path=path,
        rows=found.rows,
        control=_arm(found.control, control),
        treatment=_arm(found.treatment, treatment),
        ratio=ratio,
        mismatch_p=mismatch,
        plain=plain,
        adjusted=adjusted,
        removed=removed,
        before=before_test,
        design_effect=uplift.design_effect(plain, (control.sums[IMPRESSIONS], treatment.sums[IMPRESSIONS])),
        precision=precision,
        segments=segments[:MOST_SEGMENTS],
        more_segments=max(len(segments) - MOST_SEGMENTS, 0),
        notes=(*notes, *_remarks(found, before_test, adjusted)),
    )


def _require_clicks(path: str, arms: Mapping[str, Moments]) -> None:
    clicks = {name: arm.sums[CLICKS] for name, arm in arms.items()}
    whole = sum(clicks.values())
    if whole < LEAST_CLICKS:
        raise CorpusError(
            f"{path}: has {whole:,} clicks, which show no effect of any usual size; expected at least {LEAST_CLICKS}"
        )
    for name, count in clicks.items():
        if not _has_interval(arms[name]):
            raise CorpusError(
                f"{path}: {name} has {count:,} clicks of {arms[name].users:,} users, from which no interval can be "
                f"computed; expected at least {LEAST_ARM_CLICKS} clicks in each arm"
            )


def _has_interval(arm: Moments) -> bool:
    """Whether an arm has the clicks and users that an interval takes."""
    return arm.sums[CLICKS] >= LEAST_ARM_CLICKS and arm.users >= 2


def _arm(name: str, arm: Moments) -> Arm:
    rate = uplift.rate(uplift.ratio(arm)) if _has_interval(arm) else None
    return Arm(name, arm.users, arm.sums[IMPRESSIONS], arm.sums[CLICKS], rate)


def _segments(found: Totals, share: float) -> tuple[Segment, ...]:
    """Compare the arms in each segment, the largest first."""
    made = []
    for name, arms in found.segments.items():
        pair = [arms.get(one, NOBODY) for one in (found.control, found.treatment)]
        why = _why_not(pair, share, len(found.segments))
        lift = uplift.compare(*map(uplift.ratio, pair)) if why is None else None
        shown = [_arm(one, arm) for one, arm in zip((found.control, found.treatment), pair, strict=True)]
        made.append((pair[0].sums[IMPRESSIONS] + pair[1].sums[IMPRESSIONS], name, shown, lift, why))
    made.sort(key=lambda one: (-one[0], one[1] is None, one[1] or ""))
    adjusted = iter(uplift.holm([lift.p for _, _, _, lift, _ in made if lift is not None]))
    return tuple(
        Segment(name, shown[0], shown[1], lift, None if lift is None else next(adjusted), why)
        for _, name, shown, lift, why in made
    )


def _why_not(pair: list[Moments], share: float, segments: int) -> str | None:
    """Return why a segment's arms are not compared; None if they are."""
    if sum(arm.sums[CLICKS] for arm in pair) < LEAST_CLICKS or not all(map(_has_interval, pair)):
        return "too few clicks"
    if uplift.sample_ratio_p(pair[0].users, pair[1].users, share) < MISMATCH / segments:
        return "sample-ratio mismatch"
    return None


def _remarks(found: Totals, before_test: Lift | None, adjusted: Lift | None) -> list[str]:
    said = [
        f"one user has {share:.0%} of the impressions of {name}: it is probably a program, and intervals may be too "
        "narrow; compare without it"
        for name, share in found.heaviest.items()
        if share > HEAVY
    ]
    if before_test is not None and before_test.p < MISMATCH:
        said.append(
            f"click-through rates differed already before the test (p = {before_test.p:.1g}): users were not assigned "
            "at random, or the period before overlaps the test"
        )
    if found.before and adjusted is None:
        said.append("the period before the test has too few impressions or no differences, so that CUPED is left out")
    if found.without_test:
        said.append(f"{found.without_test:,} users of the period before the test are not in it, and are left out")
    return said
