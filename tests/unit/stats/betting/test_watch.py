"""The watch: silent at the edge of what is tolerated, however often one looks; loud beyond it."""

import json
from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from laud_ray.stats.betting import FAR, TESTS, Batch, Reference, Tolerance, Watch, Wealth
from laud_ray.stats.betting.bets import STEPS, bets_on_mean, bets_on_shares, bets_on_tails
from laud_ray.stats.betting.reference import beyond, distances_of, exact_bounds, radius
from laud_ray.stats.betting.wealth import ALWAYS, CALM, STAKE, Moves

SHARES = np.array([0.4, 0.3, 0.2, 0.1, 0.0])


def draw(rng: np.random.Generator, n: int, *, mean: float = 0.85, shift: float = 0.0, novel: float = 0.01) -> Batch:
    shares = (1 - shift) * SHARES + shift * np.eye(5)[4]
    far = np.searchsorted(FAR, np.where(rng.random(n) < (novel - 0.01) / 0.99, 1, rng.random(n)))
    return Batch(rng.choice(5, n, p=shares), rng.beta(6 * mean, 6 * (1 - mean), n), far)


def reference(rng: np.random.Generator, n: int = 50_000) -> Reference:
    return Reference.of([draw(rng, n)], 5)


def year(rng: np.random.Generator, batches: int = 52, n: int = 500, **change: float) -> tuple[str, ...]:
    watch = Watch.start(reference(rng))
    for _ in range(batches):
        watch = watch.after(draw(rng, n, **change))
    return watch.alarms


def test_no_change_is_no_alarm() -> None:
    assert [year(np.random.default_rng(seed)) for seed in range(20)] == [()] * 20


def test_documents_that_were_chosen_for_training_are_no_drift() -> None:
    """Those of which the model was least sure are trained on: without them the others look surer than new ones are."""
    rng = np.random.default_rng(0)
    whole = draw(rng, 20_000)
    sure = np.argsort(whole.confidence)[2_000:]
    others = Reference.of([Batch(whole.best[sure], whole.confidence[sure])], 5)
    fresh = [draw(rng, 500) for _ in range(52)]
    alarms = []
    for known in (others, replace(others, trained=2_000)):
        watch = Watch.start(known)
        for batch in fresh:
            watch = watch.after(batch)
        alarms.append(watch.alarms)
    assert alarms == [("confidence",), ()]
    assert replace(others, trained=2_000).within(0.5) == (0.45, 0.55)
    assert Reference.from_json(replace(others, trained=7).to_json()).trained == 7


def test_texts_that_an_append_leaves_out_are_no_drift() -> None:
    """Frequent texts are known, so new ones are rare, and rare ones are hard: they are like those that occur once."""
    rng, many = np.random.default_rng(0), 200_000
    often = 1 / np.arange(1, many + 1)
    sure = 0.95 - 0.5 * np.arange(many) / many * rng.random(many)
    drawn = rng.choice(many, 60_000, p=often / often.sum())
    old, new = drawn[:30_000], drawn[30_000:]
    texts, counts = np.unique(old, return_counts=True)
    seen, alarms = set(old.tolist()), []
    for known in (old, texts[counts == 1]):
        watch = Watch.start(Reference.of([Batch(np.zeros(len(known), np.int64), sure[known])], 1))
        for batch in np.split(new, 20):
            fresh = np.array(sorted(set(batch.tolist()) - seen))
            watch = watch.after(Batch(np.zeros(len(fresh), np.int64), sure[fresh]))
        alarms.append(watch.alarms)
    assert alarms == [("confidence",), ()]


def test_at_the_edge_of_all_tolerances_at_most_5_percent_of_years_have_a_false_alarm() -> None:
    years = [year(np.random.default_rng(seed), mean=0.84, shift=0.02, novel=0.015) for seed in range(100)]
    # Ville's inequality bounds the expected share by 5 %; 10 of 100 would be three standard errors more.
    assert sum(bool(alarms) for alarms in years) < 10


@pytest.mark.parametrize(
    ("change", "test"),
    [
        ({"mean": 0.80}, "confidence"),
        ({"mean": 0.90}, "confidence"),
        ({"shift": 0.1}, "labels"),
        ({"novel": 0.05}, "novelty"),
    ],
)
def test_each_change_alarms_its_own_test_soon(change: dict[str, float], test: str) -> None:
    assert [year(np.random.default_rng(seed), 6, **change) for seed in range(10)] == [(test,)] * 10


def test_a_drift_is_noticed_after_a_long_calm_and_an_obvious_one_in_its_first_batch() -> None:
    rng = np.random.default_rng(0)
    watch = Watch.start(reference(rng))
    for _ in range(200):
        watch = watch.after(draw(rng, 500))
    assert min(one.log for one in watch.wealth.values()) > -2
    assert watch.after(draw(rng, 500, novel=0.3)).alarms == ("novelty",)
    for _ in range(4):
        watch = watch.after(draw(rng, 500, novel=0.05))
    assert watch.alarms == ("novelty",)


def test_small_batches_add_up_as_large_ones_do() -> None:
    rng = np.random.default_rng(1)
    for size in (10, 100_000):
        watch = Watch.start(reference(rng))
        for _ in range(max(1, 4000 // size)):
            watch = watch.after(draw(rng, size, novel=0.05))
        assert watch.alarms == ("novelty",)


def test_an_alarm_stays() -> None:
    rng = np.random.default_rng(2)
    watch = Watch.start(reference(rng)).after(draw(rng, 1000, novel=0.2))
    for _ in range(30):
        watch = watch.after(draw(rng, 1000, novel=0.005))
    assert watch.alarms == ("novelty",)
    assert watch.wealth["novelty"].peak >= watch.threshold == pytest.approx(log(3 / 0.045))


def test_the_order_of_documents_has_no_effect() -> None:
    rng = np.random.default_rng(3)
    watch, batch = Watch.start(reference(rng)), draw(rng, 400, mean=0.7)
    assert batch.far is not None
    order = np.argsort(batch.confidence)
    other = Batch(batch.best[order], batch.confidence[order], batch.far[order])
    for test in TESTS:
        assert watch.after(batch).wealth[test].log == pytest.approx(watch.after(other).wealth[test].log)


def test_json_keeps_all_and_goes_on_the_same() -> None:
    rng = np.random.default_rng(4)
    watch = Watch.start(reference(rng), 0.1, Tolerance(0.02, 0.03, 0.04))
    for _ in range(3):
        watch = watch.after(draw(rng, 300, mean=0.8))
    stored = json.dumps([watch.reference.to_json(), watch.to_json()])
    known, state = json.loads(stored)
    again = Watch.from_json(state, Reference.from_json(known))
    assert json.dumps([again.reference.to_json(), again.to_json()]) == stored
    batch = draw(rng, 300)
    assert again.after(batch).to_json() == watch.after(batch).to_json()
    assert Watch.from_json(Watch.start(known_reference()).to_json(), known_reference()).wealth["labels"].sums is None


def known_reference() -> Reference:
    return Reference.of([Batch(np.array([0, 0, 1]), np.array([0.5, 0.7, 0.9]), np.array([0, 5, 0]))], 3)


def test_a_reference_is_the_same_by_parts() -> None:
    rng = np.random.default_rng(5)
    whole = draw(rng, 1000)
    assert whole.far is not None
    cuts = [(0, 10), (10, 10), (10, 600), (600, 1000)]
    parts = [Batch(whole.best[a:b], whole.confidence[a:b], whole.far[a:b]) for a, b in cuts]
    found = Reference.of(iter(parts), 5)
    assert found.counts.tolist() == np.bincount(whole.best, minlength=5).tolist()
    assert found.mean == pytest.approx(whole.confidence.mean())
    assert found.variance == pytest.approx(whole.confidence.var())
    assert (found.n, found.far_of) == (1000, 1000)
    assert found.far.tolist() == [(whole.far > level).sum() for level in range(5)]
    assert found.novel == (whole.far == 5).mean()
    nothing = {"counts": [0, 0], "mean": 0, "variance": 0, "far": [0, 0, 0, 0, 0], "far_of": 0, "trained": 0}
    assert Reference.of([], 2).to_json() == nothing


def test_the_labels_that_moved_are_named_largest_first() -> None:
    batch = Batch(np.array([2, 2, 2, 1]), np.full(4, 0.5))
    assert known_reference().moved(Reference.of([batch], 3), 2) == ((2, 0.0, 0.75), (0, pytest.approx(2 / 3), 0.0))
    assert known_reference().moved(Reference.of([], 3)) == ()


def test_a_batch_without_documents_or_without_novelty_leaves_tests_as_they_are() -> None:
    rng = np.random.default_rng(6)
    watch = Watch.start(reference(rng)).after(draw(rng, 100))
    assert watch.after(Batch(np.array([], np.int64), np.array([]), np.array([], np.int64))) is watch
    after = watch.after(Batch(np.array([0, 1]), np.array([0.5, 0.6])))
    assert after.wealth["novelty"] is watch.wealth["novelty"]
    assert (after.documents, after.wealth["labels"].batches) == (102, 2)


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_a_small_reference_makes_no_bets_that_it_could_not_stand_for(n: int) -> None:
    rng = np.random.default_rng(7)
    watch = Watch.start(reference(rng, n))
    for _ in range(20):
        watch = watch.after(draw(rng, 500))
    assert watch.alarms == ()


def test_one_label_and_one_confidence_only() -> None:
    same = Batch(np.zeros(2000, np.int64), np.ones(2000), np.zeros(2000, np.int64))
    watch = Watch.start(Reference.of([same], 1))
    for _ in range(5):
        watch = watch.after(same)
    assert watch.alarms == ()
    assert all(np.isfinite(one.log) for one in watch.wealth.values())
    lower = Batch(same.best, np.full(2000, 0.9), same.far)
    assert watch.after(lower).after(lower).alarms == ("confidence",)


def test_a_label_that_the_reference_never_had_is_noticed_among_thousands() -> None:
    rng = np.random.default_rng(8)
    old = Batch(rng.integers(0, 4999, 200_000), np.full(200_000, 0.8))
    watch = Watch.start(Reference.of([old], 5000))
    for _ in range(4):
        best = np.where(rng.random(1000) < 0.05, 4999, rng.integers(0, 4999, 1000))
        watch = watch.after(Batch(best, np.full(1000, 0.8)))
    assert watch.alarms == ("labels",)
    assert len(json.dumps(watch.wealth["labels"].to_json())) < 20_000


@pytest.mark.parametrize(
    ("best", "confidence", "far", "words"),
    [
        ([0], [np.nan], [5], "confidence nan is not valid; expected 0 to 1"),
        ([0], [1.1], [5], "confidence 1.1 is not valid; expected 0 to 1"),
        ([-1], [0.1], [5], "label -1 is not valid; expected at least 0"),
        ([0, 1], [0.1, 0.2], [5], r"have \[2, 2, 1\] documents"),
        ([0], [0.1], [6], "far 6 is not valid; expected 0 to 5"),
        ([0, 0], [0.1, 0.1], [0, -1], "far -1 is not valid; expected 0 to 5"),
    ],
)
def test_a_batch_that_cannot_be(best: list[int], confidence: list[float], far: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Batch(np.array(best), np.array(confidence), np.array(far))


def test_input_that_is_not_valid() -> None:
    with pytest.raises(ValueError, match="tolerance.labels: 0 is not valid"):
        Tolerance(labels=0)
    with pytest.raises(ValueError, match="alpha = 1 is not valid"):
        Watch.start(known_reference(), 1)
    with pytest.raises(ValueError, match="3"):
        Watch.start(known_reference()).after(Batch(np.array([3]), np.array([0.5])))


def test_gains_are_fair_at_the_edge() -> None:
    rng, n = np.random.default_rng(9), 20_000
    shares, low, high = np.array([0.2]), np.array([0.15]), np.array([0.25])
    for edge, side in ((0.15, 0), (0.25, 1)):
        counts = rng.binomial(4, edge, n)
        gains = np.stack([bets_on_shares(np.array([c]), 4, shares, low, high, 1000).gains for c in range(5)])
        mean = np.exp(gains.reshape(5, 2, len(STEPS))[:, side]).T @ (np.bincount(counts, minlength=5) / n)
        assert mean == pytest.approx(1, abs=0.1)
    values = rng.beta(3, 3, (n, 4)) * 0.8
    gains = np.stack([bets_on_mean(row, 0.5, 0.04, 0.4, 0.6).gains for row in values[:2000]])
    assert np.exp(gains[:, : len(STEPS)]).mean(0) == pytest.approx(1, abs=0.15)


def test_wealth_is_what_its_parts_earn() -> None:
    moves = Moves(np.array([log(3.0), log(0.5)]), np.array([1.0, -1.0]), np.array([True, True]))
    first = Wealth().after(moves)
    assert exp(first.log) == pytest.approx(1 - ALWAYS + ALWAYS / 2 * (3 + 0.5))
    assert first.sums is not None
    assert first.sums.tolist() == [1, 0]
    on = STAKE * CALM / (CALM + 1) * (exp(1) - 1) / 2
    parts = (1 - ALWAYS / 2) * np.array([1, on]) / (1 + on) + ALWAYS / 2 * np.array([0, 0.5])
    second = first.after(moves)
    assert exp(second.log - first.log) == pytest.approx(parts @ [1, 3] + ALWAYS / 4 * 0.5)
    nothing = Wealth().after(Moves(np.zeros(2), np.zeros(2), np.zeros(2, np.bool_)))
    assert nothing.log == 0


def test_bets_on_all_distances_are_fair_together() -> None:
    """Documents at the edge of what is tolerated at every distance: the mean wealth stays 1 whatever it is put on."""
    rng, tolerated, n = np.random.default_rng(11), Tolerance().far, 1_000_000
    assert tolerated[-1] == pytest.approx(0.015)
    assert tolerated - (1 - np.array(FAR)) == pytest.approx(0.005 / 0.99 * np.array(FAR))
    before = np.round((1 - np.array(FAR)) * n).astype(np.int64)
    found = []
    for _ in range(1000):
        wealth = Wealth()
        for _ in range(3):
            far = np.searchsorted(-tolerated, -rng.random(50), side="right")
            wealth = wealth.after(bets_on_tails(beyond(far), 50, tolerated, before, n))
        found.append(exp(wealth.log))
    assert np.mean(found) <= 1 + 3 * np.std(found) / np.sqrt(len(found))


def test_new_text_that_lies_no_farther_than_95_percent_is_noticed() -> None:
    """A third of it is beyond the 95th percentile, and none beyond the 98th."""
    rng = np.random.default_rng(13)
    watch = Watch.start(reference(rng))
    for _ in range(7):
        batch = draw(rng, 1000)
        assert batch.far is not None
        new = rng.random(1000) < 0.1
        far = np.where(new, np.where(rng.random(1000) < 0.33, 3, 0), batch.far)
        watch = watch.after(replace(batch, far=far))
    assert watch.alarms == ("novelty",)


def test_exact_bounds_are_those_of_clopper_and_pearson() -> None:
    low, high = exact_bounds(np.array([0, 3, 10]), 10, 0.025)
    assert low == pytest.approx([0, 0.06674, 0.69150], abs=1e-5)
    assert high == pytest.approx([0.30850, 0.65245, 1], abs=1e-5)
    assert [bound.tolist() for bound in exact_bounds(np.array([0, 0]), 0, 0.1)] == [[0, 0], [1, 1]]


def test_documents_beyond_each_distance_are_counted() -> None:
    assert beyond(np.array([0, 1, 4, 4, 3])).tolist() == [4, 3, 3, 2, 0]
    assert beyond(np.array([], np.int64)).tolist() == [0, 0, 0, 0, 0]
    distances, after = distances_of(np.arange(1000.0)[::-1])
    assert distances.tolist() == [799, 899, 949, 979, 989]
    assert after.tolist() == [200, 100, 50, 20, 10]
    assert distances_of(np.zeros(3))[1].tolist() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("n", [30, 300])
def test_an_unlucky_choice_of_distances_is_no_drift(n: int) -> None:
    """Nothing has changed, and few documents chose the distances: the mean wealth over their choices stays 1."""
    rng, found = np.random.default_rng(15), []
    for _ in range(800):
        distances, known = distances_of(rng.random(n))
        wealth, seen = Wealth(), n
        for _ in range(6):
            counts = beyond(np.searchsorted(distances, rng.random(100)))
            wealth = wealth.after(bets_on_tails(counts, 100, Tolerance().far, known, seen))
            known, seen = known + counts, seen + 100
        found.append(wealth)
    last = np.exp([one.log for one in found])
    assert last.mean() <= 1 + 3 * last.std() / np.sqrt(len(last))
    assert np.mean([one.peak >= log(20) for one in found]) < 0.05


def test_documents_of_earlier_batches_belong_to_the_urn() -> None:
    rng = np.random.default_rng(16)
    watch, batch = Watch.start(known_reference()), draw(rng, 100)
    assert batch.far is not None
    after = watch.after(replace(batch, best=np.zeros(100, np.int64)))
    assert (after.far.tolist(), after.far_of) == (beyond(batch.far).tolist(), 100)


def test_a_bet_against_the_urn_is_a_ratio_of_likelihoods() -> None:
    """3 of 4 documents lie beyond what 1 of 5 does: the urn draws these with 2/6 3/7 4/8, and the other with 4/9."""
    moves = bets_on_tails(np.array([3]), 4, np.array([0.2]), np.array([1]), 5)
    bold = 0.2 + 0.8 * STEPS
    urn, edge = 2 / 6 * 3 / 7 * 4 / 8 * 4 / 9, 0.2**3 * 0.8
    assert moves.evidence == pytest.approx(np.log(bold**3 * (1 - bold) / urn))
    assert moves.gains == pytest.approx(np.log(bold**3 * (1 - bold) / max(urn, edge)))
    assert not bets_on_tails(np.array([3]), 4, np.array([0.2]), np.array([0]), 0).open.any()


def test_the_radius_covers_and_shrinks() -> None:
    rng = np.random.default_rng(10)
    values = rng.beta(5, 1, (2000, 200))
    off = np.abs(values.mean(1) - 5 / 6)
    bounds = np.array([radius(row.var(), 200, 0.05) for row in values])
    assert (off > bounds).mean() < 0.02
    assert radius(0.1, 1, 0.05) == np.inf
    assert radius(0.1, 40_000, 0.05) < radius(0.1, 10_000, 0.05) / 1.9
