"""Query strategies that look at space, on made-up spaces and against brute force."""

import pickle
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from sklearn.cluster import KMeans as ReferenceKMeans

from laud_ray.errors import PoolExhaustedError
from laud_ray.query.mix import Mix
from laud_ray.query.spatial import balls, geometry
from laud_ray.query.spatial.anchors import Anchors
from laud_ray.query.spatial.answerable import Answering, answerable
from laud_ray.query.spatial.committee import Disagreement
from laud_ray.query.spatial.contrast import Contrastive, divergence
from laud_ray.query.spatial.covering import CoreSet, KMeans, ProbCover, TypiClust
from laud_ray.query.spatial.diverse import Diverse
from laud_ray.query.spatial.gradient import Badge, outer_distances
from laud_ray.query.uncertainty import Entropy, HighConfidence, LeastConfidence, Margin, Random
from laud_ray.types import Candidates, Floats, Indices, QueryStrategy, Space, SpatialStrategy

K = 3
EVERY: list[SpatialStrategy] = [
    KMeans(),
    CoreSet(),
    TypiClust(),
    ProbCover(),
    Badge(),
    Contrastive(),
    Disagreement(),
    Anchors((4, 0, 1)),
    Diverse(Margin(), "kmeans"),
    Diverse(Margin(), "coreset"),
    Diverse(Margin(), "badge"),
    Diverse(Disagreement()),
    Answering(Margin()),
    Answering(Diverse(Entropy())),
    Answering(Mix(((0.5, Margin()), (0.5, Random())))),
]
NAMES = [repr(strategy) for strategy in EVERY]


def unit(vectors: npt.ArrayLike) -> Floats:
    array = np.asarray(vectors, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def random_proba(rng: np.random.Generator, n: int, k: int = K) -> Floats:
    return rng.dirichlet(np.ones(k), n).astype(np.float32)


def space_of(
    vectors: Floats,
    proba: Floats | None = None,
    *,
    known: Floats | None = None,
    known_proba: Floats | None = None,
    labels: npt.ArrayLike | None = None,
    committee: Floats | None = None,
) -> Space:
    """Return a space of unit vectors; even probabilities and the label 0 where nothing else is said."""
    known = np.zeros((0, vectors.shape[1]), np.float32) if known is None else known
    proba = np.full((len(vectors), K), 1 / K, np.float32) if proba is None else proba
    even = np.full((len(known), proba.shape[1]), 1 / proba.shape[1], np.float32)
    return Space(
        vectors=vectors,
        proba=proba,
        known_vectors=known,
        known_proba=even if known_proba is None else known_proba,
        known_labels=np.zeros(len(known), np.int64) if labels is None else np.asarray(labels, np.int64),
        committee=committee,
    )


def pool_of(space: Space, strategy: QueryStrategy) -> Candidates:
    names = [f"d{row}" for row in range(len(space.vectors))]
    return Candidates(names, names, strategy.utility(space.proba), space)


def pick(strategy: QueryStrategy, space: Space, n: int, seed: int = 0) -> list[int]:
    return strategy.pick(pool_of(space, strategy), n, rng=np.random.default_rng(seed)).tolist()


def random_space(seed: int, m: int, known: int, *, distinct: int | None = None, d: int = 4) -> Space:
    """Return a space with abstentions, a committee, and at most `distinct` different vectors of candidates."""
    rng = np.random.default_rng(seed)
    vectors, around = unit(rng.normal(size=(m, d))), unit(rng.normal(size=(known, d)))
    if distinct is not None:
        vectors = vectors[np.arange(m) % distinct]
    return space_of(
        vectors,
        random_proba(rng, m),
        known=around,
        known_proba=random_proba(rng, known),
        labels=rng.integers(-1, K, known),
        committee=np.stack([random_proba(rng, m) for _ in range(3)]),
    )


def blobs(sizes: list[int], seed: int = 0, d: int = 16, noise: float = 0.05) -> tuple[Floats, Indices]:
    """Return unit vectors in tight blobs around far directions, shuffled, and the blob of each."""
    rng = np.random.default_rng(seed)
    member = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return unit(np.eye(d)[member] + noise * rng.normal(size=(len(member), d))), member


# --- what all of them owe ---


@pytest.mark.parametrize("strategy", EVERY, ids=NAMES)
@settings(max_examples=15, deadline=None)
@given(
    m=st.integers(1, 40),
    share=st.floats(0, 1),
    known=st.integers(0, 12),
    distinct=st.none() | st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_pick_gives_distinct_rows_and_depends_on_the_seed_alone(
    strategy: SpatialStrategy, m: int, share: float, known: int, distinct: int | None, seed: int
) -> None:
    space = random_space(seed, m, known, distinct=distinct)
    pool, n = pool_of(space, strategy), round(m * share)
    rows, again = (strategy.pick(pool, n, rng=np.random.default_rng(seed)) for _ in range(2))
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == len(rows) == n
    assert set(rows.tolist()) <= set(range(m))
    assert (rows == again).all()


@pytest.mark.parametrize("strategy", EVERY, ids=NAMES)
def test_an_empty_pool_gives_nothing(strategy: SpatialStrategy) -> None:
    assert pick(strategy, random_space(0, 0, 3), 0) == []


@pytest.mark.parametrize("strategy", EVERY, ids=NAMES)
def test_pick_refuses_what_it_cannot_do(strategy: SpatialStrategy) -> None:
    space = random_space(0, 4, 2)
    with pytest.raises(PoolExhaustedError, match="asked for 5 documents, the pool holds 4"):
        pick(strategy, space, 5)
    with pytest.raises(ValueError, match="asked for -1 documents; expected at least 0"):
        pick(strategy, space, -1)
    names = ["a", "b"]
    pool = Candidates(names, names, strategy.utility(space.proba[:2]))
    with pytest.raises(ValueError, match=f"no space; expected one, because {type(strategy).__name__} uses"):
        strategy.pick(pool, 1, rng=np.random.default_rng(0))
    pool = Candidates(names, names, strategy.utility(space.proba[:2]), space)
    with pytest.raises(ValueError, match="the space has 4 candidates; expected 2, as the pool"):
        strategy.pick(pool, 1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("strategy", EVERY, ids=NAMES)
def test_pick_leaves_the_space_alone(strategy: SpatialStrategy) -> None:
    space, same = random_space(0, 30, 8), random_space(0, 30, 8)
    pick(strategy, space, 10)
    for name in Space.__slots__:
        assert (getattr(space, name) == getattr(same, name)).all()


@pytest.mark.parametrize("strategy", EVERY, ids=NAMES)
def test_strategies_can_be_sent_to_workers(strategy: SpatialStrategy) -> None:
    assert isinstance(strategy, SpatialStrategy)
    assert pickle.loads(pickle.dumps(strategy)) == strategy


@pytest.mark.parametrize("strategy", [KMeans(), CoreSet(), TypiClust(), ProbCover(), Contrastive()])
def test_those_that_take_a_random_shortlist_prefer_no_document(strategy: SpatialStrategy) -> None:
    assert not strategy.utility(random_proba(np.random.default_rng(0), 5)).any()


def test_what_they_ask_for() -> None:
    assert (Disagreement().committee, Badge().committee) == (3, 0)
    assert (Diverse(Margin()).reach, Diverse(KMeans()).reach, Diverse(Disagreement()).committee) == (10, 100, 3)
    assert (Answering(Margin()).reach, Answering(KMeans()).reach, Answering(Disagreement()).committee) == (10, 100, 3)
    assert Badge().utility(np.array([[0.2, 0.8]])) == LeastConfidence().utility(np.array([[0.2, 0.8]]))


def test_a_part_of_a_pool_takes_the_space_along() -> None:
    space = random_space(0, 6, 2)
    part = pool_of(space, Margin()).take(np.array([4, 1]))
    assert part.ids == ["d4", "d1"]
    assert part.space is not None
    assert part.space.committee is not None
    assert (part.space.vectors == space.vectors[[4, 1]]).all()
    assert part.space.committee.shape == (3, 2, K)
    assert Candidates(["a"], ["a"], np.zeros((1, 1))).take(np.array([0])).space is None


# --- geometry ---


def test_distances_are_scipys_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows, points = rng.normal(size=(50, 5)).astype(np.float32), rng.normal(size=(20, 5)).astype(np.float32)
    expected = cdist(rows, points)
    for size in (1, 130, 10_000):
        monkeypatch.setattr(geometry, "_BLOCK", size)
        indices, distances = geometry.nearest(rows, points, 4)
        assert (indices == np.argsort(expected, axis=1)[:, :4]).all()
        assert distances == pytest.approx(np.sort(expected, axis=1)[:, :4], abs=1e-3)
    assert geometry.nearest(rows, points[:0], 4)[0].shape == (50, 0)


def test_clusters_are_as_tight_as_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 6)).astype(np.float32)
    weights = rng.random(400) + 0.01
    reference = ReferenceKMeans(20, n_init=1, random_state=0).fit(vectors, sample_weight=weights)
    labels, centres = geometry.cluster(vectors, 20, rng=rng, weights=weights)
    assert set(labels.tolist()) == set(range(len(centres)))
    for label, centre in enumerate(centres):
        mine = labels == label
        assert centre == pytest.approx(np.average(vectors[mine], axis=0, weights=weights[mine]), abs=1e-5)
    scatter = (weights * ((vectors - centres[labels]) ** 2).sum(axis=1)).sum()
    assert scatter < 1.1 * reference.inertia_


def test_clusters_find_the_blobs() -> None:
    vectors, member = blobs([50, 30, 20, 10])
    labels, centres = geometry.cluster(vectors, 4, rng=np.random.default_rng(0))
    assert len(centres) == 4
    assert len({(label, blob) for label, blob in zip(labels.tolist(), member.tolist(), strict=True)}) == 4


def test_scatter_draws_by_weight_and_squared_distance() -> None:
    line = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    weights = np.array([1.0, 4.0, 1.0, 1.0])
    seconds = [
        geometry.draw_seeds(
            4, 2, squared=geometry.squared_from(line), first=0, rng=np.random.default_rng(seed), weights=weights
        )[1]
        for seed in range(1000)
    ]
    # weight times distance from 0: 4 x 1, 1 x 4, 1 x 9
    assert np.bincount(seconds, minlength=4) / 1000 == pytest.approx([0, 4 / 17, 4 / 17, 9 / 17], abs=0.06)


# --- covering ---


def naive_core_set(vectors: Floats, known: Floats, n: int) -> list[int]:
    picked: list[int] = []
    for _ in range(n):
        gaps = cdist(vectors, np.vstack([known, vectors[picked]])).min(axis=1)
        gaps[picked] = -1
        picked.append(int(gaps.argmax()))
    return picked


@settings(max_examples=30, deadline=None)
@given(m=st.integers(2, 40), known=st.integers(1, 9), seed=st.integers(0, 1000))
def test_core_set_is_the_naive_one(m: int, known: int, seed: int) -> None:
    space = random_space(seed, m, known)
    n = m // 2
    assert pick(CoreSet(), space, n) == naive_core_set(space.vectors, space.known_vectors, n)


def test_core_set_is_at_most_twice_the_best_radius() -> None:
    vectors = random_space(0, 14, 0).vectors
    distances = cdist(vectors, vectors)
    best = min(distances[:, list(centres)].min(axis=1).max() for centres in combinations(range(14), 4))
    for seed in range(5):
        rows = pick(CoreSet(), space_of(vectors), 4, seed)
        assert distances[:, rows].min(axis=1).max() <= 2 * best + 1e-6


@pytest.mark.parametrize("strategy", [KMeans(), CoreSet(), TypiClust(), ProbCover()], ids=lambda s: type(s).__name__)
def test_all_blobs_are_found_where_random_misses_the_small_ones(strategy: SpatialStrategy) -> None:
    sizes = [200, 100, 50, 12, 11, 10, 9, 8]
    vectors, member = blobs(sizes, noise=0.01)
    space = space_of(vectors, np.eye(8, dtype=np.float32)[member])
    found = [len(set(member[pick(strategy, space, 8, seed)].tolist())) for seed in range(5)]
    by_chance = [len(set(member[pick(Random(), space, 8, seed)].tolist())) for seed in range(5)]
    assert min(found) == 8
    assert np.mean(found) > np.mean(by_chance) + 2


@pytest.mark.parametrize("strategy", [CoreSet(), TypiClust(), ProbCover()], ids=lambda s: type(s).__name__)
def test_what_is_known_already_is_not_covered_again(strategy: SpatialStrategy) -> None:
    vectors, member = blobs([60, 40, 20, 20])
    known, of = blobs([1, 1], seed=1)
    assert set(of.tolist()) == {0, 1}
    space = space_of(vectors, np.eye(4, dtype=np.float32)[member], known=known)
    for seed in range(5):
        assert set(member[pick(strategy, space, 2, seed)].tolist()) == {2, 3}


def test_k_means_takes_the_middle_of_the_largest_cluster_first() -> None:
    vectors, member = blobs([30, 20, 10])
    rows = pick(KMeans(), space_of(vectors), 3)
    assert member[rows].tolist() == [0, 1, 2]
    for row in rows:
        mine = np.flatnonzero(member == member[row])
        middle = vectors[mine].mean(axis=0)
        assert row == mine[np.linalg.norm(vectors[mine] - middle, axis=1).argmin()]


def test_typiclust_takes_the_most_typical_of_the_largest_cluster_first() -> None:
    vectors, member = blobs([40, 30, 8])
    rows = pick(TypiClust(), space_of(vectors), 3)
    assert member[rows].tolist() == [0, 1, 2]
    for row in rows:
        mine = np.flatnonzero(member == member[row])
        distances = np.sort(cdist(vectors[mine], vectors[mine]), axis=1)[:, 1:21]
        assert row == mine[distances.mean(axis=1).argmin()]


def test_typiclust_leaves_outliers_for_last() -> None:
    vectors, member = blobs([20, 20, 1, 1])
    picked = member[pick(TypiClust(), space_of(vectors), 4)].tolist()
    assert set(picked[:2]) == {0, 1}
    assert set(picked[2:]) == {0, 1}
    everything = pick(TypiClust(), space_of(vectors), 42)
    assert sorted(everything) == list(range(42))


def brute_cover(vectors: Floats, known: Floats, rows: list[int], radius: float) -> int:
    """Return how many vectors lie in the balls."""
    centres = np.vstack([known, vectors[rows]])
    return int((cdist(vectors, centres) <= radius).any(axis=1).sum())


@settings(max_examples=30, deadline=None)
@given(m=st.integers(2, 40), known=st.integers(0, 5), radius=st.floats(0.1, 1.5), seed=st.integers(0, 1000))
def test_every_ball_covers_the_most_that_is_left(m: int, known: int, radius: float, seed: int) -> None:
    space = random_space(seed, m, known)
    vectors, around = space.vectors, space.known_vectors
    none = np.zeros(0, np.int64)
    rows = balls.cover(vectors, around, m, taken=none, radius=radius, rng=np.random.default_rng(0)).tolist()
    for place, row in enumerate(rows):
        gains = [brute_cover(vectors, around, [*rows[:place], other], radius) for other in range(m)]
        assert gains[row] == max(gains)
    assert brute_cover(vectors, around, rows, radius) == m


def test_coverage_counted_in_some_is_close(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = random_space(0, 600, 0).vectors
    none, nowhere, covered = np.zeros(0, np.int64), vectors[:0], []
    for witnesses in (600, 300):
        monkeypatch.setattr(balls, "_WITNESSES", witnesses)
        rows = balls.cover(vectors, nowhere, 10, taken=none, radius=0.6, rng=np.random.default_rng(0)).tolist()
        covered.append(brute_cover(vectors, nowhere, rows, 0.6))
    assert covered[1] > 0.85 * covered[0]


def test_taken_rows_cover_and_are_not_picked_again() -> None:
    vectors = random_space(0, 60, 0).vectors
    first = balls.cover(vectors, vectors[:0], 60, taken=np.zeros(0, np.int64), radius=1.0, rng=np.random.default_rng(0))
    none_left = balls.cover(vectors, vectors[:0], 60, taken=first, radius=1.0, rng=np.random.default_rng(0))
    assert none_left.tolist() == []
    finer = balls.cover(vectors, vectors[:0], 60, taken=first, radius=0.5, rng=np.random.default_rng(0))
    assert len(finer) > 0
    assert not set(finer.tolist()) & set(first.tolist())


def test_the_radius_keeps_balls_pure() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(300, 3)))
    predicted = (vectors[:, 0] > 0.2).astype(np.int64)
    radius = balls.radii(vectors, predicted, purity=0.8, rng=rng)[0]
    inside = cdist(vectors, vectors) <= radius
    pure = [len(set(predicted[row].tolist())) == 1 for row in inside]
    assert np.mean(pure) == pytest.approx(0.8, abs=0.01)


def test_radii_are_halved_down_to_the_nearest_neighbour() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(200, 3)))
    least = np.median(np.sort(cdist(vectors, vectors), axis=1)[:, 1])
    one, mixed = np.zeros(200, np.int64), np.arange(200)
    radii = balls.radii(vectors, one, purity=0.95, rng=rng)
    assert radii == [2 / 2**halving for halving in range(len(radii))]
    assert radii[-1] / 2 < least <= radii[-1]
    assert balls.radii(vectors, mixed, purity=0.95, rng=rng) == [pytest.approx(least, abs=1e-3)]
    with pytest.raises(ValueError, match=r"purity is 1.0; expected above 0 and below 1"):
        ProbCover(purity=1.0)


# --- gradients, contrast, committee ---


def test_badge_distances_are_those_of_explicit_outer_products() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(30, K)), rng.normal(size=(30, 7))
    outer = np.einsum("mk,md->mkd", left, right).reshape(30, -1)
    squared = outer_distances(left, right)
    expected = cdist(outer, outer, "sqeuclidean")
    assert np.array([squared(row) for row in range(30)]) == pytest.approx(expected, abs=1e-9)


def test_badge_is_k_means_plus_plus_on_explicit_gradients() -> None:
    space = random_space(3, 40, 0)
    residual = space.proba.astype(float) - np.eye(K)[space.proba.argmax(axis=1)]
    gradients = np.einsum("mk,md->mkd", residual, space.vectors).reshape(40, -1)
    distances = cdist(gradients, gradients, "sqeuclidean")
    first = int(np.linalg.norm(gradients, axis=1).argmax())
    expected = geometry.draw_seeds(
        40, 12, squared=lambda row: distances[row], first=first, rng=np.random.default_rng(7)
    )
    assert pick(Badge(), space, 12, seed=7) == expected.tolist()


def test_badge_finds_what_is_uncertain_in_different_places() -> None:
    vectors, member = blobs([40, 40, 40, 300], noise=0.01)
    sure = np.array([0.98, 0.01, 0.01], np.float32)
    proba = np.where((member < 3)[:, None], np.float32([0.4, 0.35, 0.25]), sure).astype(np.float32)
    for seed in range(5):
        picked = member[pick(Badge(), space_of(vectors, proba), 4, seed)]
        assert {0, 1, 2} <= set(picked.tolist())


def test_contrast_is_scipys_divergence_from_the_nearest() -> None:
    space = random_space(5, 20, 40)
    labelled = np.flatnonzero(space.known_labels >= 0)
    assert 10 < len(labelled) < 40
    order = np.argsort(cdist(space.vectors, space.known_vectors[labelled]), axis=1)[:, :10]
    expected = [
        np.mean([entropy(space.known_proba[labelled[other]], space.proba[row]) for other in order[row]])
        for row in range(20)
    ]
    assert divergence(space) == pytest.approx(np.array(expected), rel=1e-4)
    assert pick(Contrastive(), space, 20) == np.argsort(expected)[::-1].tolist()


def test_contrast_is_finite_where_the_model_is_certain() -> None:
    certain = np.eye(K, dtype=np.float32)
    space = space_of(unit(np.ones((3, 2))), certain, known=unit(np.ones((1, 2))), known_proba=certain[:1])
    contrast = divergence(space)
    assert contrast[0] == pytest.approx(0, abs=1e-5)
    assert np.isfinite(contrast).all()
    assert min(contrast[1:]) > 10


def test_contrast_is_entropy_while_all_abstained() -> None:
    proba = random_proba(np.random.default_rng(0), 5)
    space = space_of(unit(np.ones((5, 2))), proba, known=unit(np.ones((2, 2))), labels=[-1, -1])
    assert pick(Contrastive(), space, 5) == np.argsort(-entropy(proba, axis=1)).tolist()


def test_disagreement_is_the_mean_divergence_from_the_consensus() -> None:
    space = random_space(0, 15, 0)
    assert space.committee is not None
    consensus = space.committee.mean(axis=0)
    expected = np.mean([entropy(member, consensus, axis=1) for member in space.committee], axis=0)
    assert pick(Disagreement(), space, 15) == np.argsort(-expected).tolist()


@pytest.mark.parametrize("models", [0, 1])
def test_a_committee_of_one_is_ranked_by_entropy(models: int) -> None:
    proba = random_proba(np.random.default_rng(0), 6)
    committee = proba[None][::-1, ::-1] if models else None
    space = space_of(unit(np.ones((6, 2))), proba, committee=committee)
    assert pick(Disagreement(), space, 6) == np.argsort(-entropy(proba, axis=1)).tolist()


# --- anchors ---


def test_anchors_find_the_neighbours_of_a_rare_class() -> None:
    vectors, member = blobs([300, 300, 6])
    proba = np.tile(np.float32([0.5, 0.49, 0.01]), (606, 1))  # the model is blind to the third
    known, of = blobs([9, 9, 1], seed=1)
    space = space_of(vectors, proba, known=known, labels=of)
    counts = tuple(np.bincount(of).tolist())
    rare = [(member[pick(Anchors(counts), space, 4, seed)] == 2).sum() for seed in range(20)]
    by_chance = [(member[pick(Random(), space, 4, seed)] == 2).sum() for seed in range(20)]
    assert np.mean(rare) > 0.8  # 6 of a subpool of 20, so 1.2 of 4 are expected
    assert np.mean(rare) > 5 * np.mean(by_chance)


def test_anchors_rank_their_subpool_by_the_inner_strategy() -> None:
    space = random_space(0, 40, 10)
    everything = Anchors((3, 3, 3), LeastConfidence())
    expected = np.argsort(space.proba.max(axis=1))[:8].tolist()
    assert pick(everything, space, 8) == expected  # 5 x 8 = 40: all of them are in the subpool


def test_a_class_without_anchors_takes_its_likeliest() -> None:
    rng = np.random.default_rng(0)
    vectors, proba = unit(rng.normal(size=(100, 4))), random_proba(rng, 100)
    space = space_of(vectors, proba, known=unit(np.ones((2, 4))), labels=[0, 1])
    # One document makes a subpool of five. The class that nobody was seen of goes first and takes two of them; both
    # are surer than the others, so an inner strategy that wants the surest takes one.
    proba[:] = 0.34, 0.33, 0.33
    proba[[17, 71]] = [0.1, 0.1, 0.8], [0.05, 0.05, 0.9]
    assert pick(Anchors((1, 1, 0), HighConfidence()), space, 1) == [71]
    assert pick(Anchors((1, 1, 0), HighConfidence()), space, 2)[:2] == [71, 17]


def test_anchors_need_counts_of_every_class() -> None:
    with pytest.raises(ValueError, match="a class has -1 annotations"):
        Anchors((1, -1))
    with pytest.raises(ValueError, match="proba has 3 classes; expected 2, as many as counts"):
        Anchors((1, 1)).utility(np.full((1, 3), 1 / 3))


# --- diverse batches ---


@pytest.mark.parametrize("method", ["kmeans", "coreset", "badge"])
def test_a_diverse_batch_has_no_two_of_a_kind(method: str) -> None:
    vectors, member = blobs([10, 10, 10, 10, 160], noise=0.01)
    # The best 40 of 200 lie in four blobs, and the ten very best in one.
    proba = np.full((200, 2), 0.5, np.float32)
    offset = np.where(member == 4, 0.4, 0.01 * member) + 0.001 * np.random.default_rng(0).random(200)
    proba += np.stack([offset, -offset], axis=1).astype(np.float32)
    space = space_of(vectors, proba)
    assert set(member[pick(Margin(), space, 4)].tolist()) == {0}
    diverse = Diverse(Margin(), method)  # type: ignore[arg-type]
    for seed in range(5):
        rows = pick(diverse, space, 4, seed)
        assert member[rows].tolist() == [0, 1, 2, 3]  # best first
        if method == "kmeans":
            assert rows == [min(np.flatnonzero(member == blob), key=lambda row: offset[row]) for blob in range(4)]


def test_a_diverse_batch_is_of_the_best_ten_for_each() -> None:
    space = random_space(0, 200, 0)
    best = set(pick(Margin(), space, 30))
    for method in ("kmeans", "coreset", "badge"):
        assert set(pick(Diverse(Margin(), method), space, 3)) <= best  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="method 'kmean' is not valid; expected one of badge, coreset, kmeans"):
        Diverse(Margin(), "kmean")  # type: ignore[arg-type]


def test_a_diverse_batch_of_duplicates_is_the_best_ones() -> None:
    proba = random_proba(np.random.default_rng(0), 30)
    space = space_of(unit(np.ones((30, 4))), proba)
    assert pick(Diverse(Margin()), space, 3) == pick(Margin(), space, 3)


# --- what can be answered ---


def test_without_abstentions_everything_is_answerable() -> None:
    space = random_space(0, 20, 0)
    assert (answerable(space) == 1).all()
    known = unit(np.random.default_rng(1).normal(size=(12, 4)))
    assert (answerable(space_of(space.vectors, known=known)) == 1).all()
    assert pick(Answering(Margin()), space, 5) == pick(Margin(), space, 5)


def test_chances_are_the_weighted_share_of_answers_by_hand() -> None:
    known = unit([[1, 0], [0, 1], [1, 1]])
    space = space_of(unit([[1, 0], [0, 1], [-1, -1]]), known=known, labels=[0, -1, 2])
    rate = (2 + 1) / (3 + 1)
    quarter = np.sqrt(0.5) ** 4  # the weight of the one between
    expected = [(rate + 1 + quarter) / (1 + 1 + quarter), (rate + quarter) / (1 + 1 + quarter), rate]
    assert answerable(space) == pytest.approx(np.array(expected))


def test_where_all_abstained_there_is_a_chance_left() -> None:
    space = space_of(unit(np.ones((3, 2))), known=unit(np.ones((20, 2))), labels=[-1] * 20)
    chances = answerable(space)
    assert (chances > 0).all()
    assert (chances < 0.1).all()


def test_no_budget_is_spent_where_oracles_abstain() -> None:
    vectors, member = blobs([50, 50])
    known, of = blobs([10, 10], seed=1)
    proba = np.where((member == 1)[:, None], np.float32([0.5, 0.5]), np.float32([0.9, 0.1])).astype(np.float32)
    space = space_of(vectors, proba, known=known, labels=np.where(of == 1, -1, 0))
    assert set(member[pick(Margin(), space, 10)].tolist()) == {1}  # uncertain because it is unanswerable
    assert set(member[pick(Answering(Margin()), space, 10)].tolist()) == {0}
    picked = member[pick(Answering(Margin()), space, 60)]  # more than can be answered: the others fill up
    assert np.bincount(picked).tolist() == [50, 10]
