"""The start of a run: walking down rankings that are bad, with what is near what was found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from laud_ray.steps.selection.seed import Nearby
from laud_ray.steps.selection.seed_walk import Sought, next_wave, nothing_to_learn, outcome, ranking_depth, shortfall
from laud_ray.store.store import Answered, Query
from laud_ray.types import Document, Floats

NAMES = ("Yogurt", "other")


class World:
    """A corpus whose documents lie on a sphere: Yogurt is rare, in two kinds, and zero-shot is bad at it."""

    def __init__(self, *, share: float, precision: float, documents: int = 1500, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        positive = np.arange(documents) < round(share * documents)
        centres = rng.normal(size=(12, 16))
        kind = np.where(positive, np.arange(documents) % 2, 2 + np.arange(documents) % 10)
        vectors = centres[kind] + 0.5 * rng.normal(size=(documents, 16))
        self.vectors: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.texts = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 12)) for _ in range(documents)]
        self.truth = dict(zip(self.texts, np.where(positive, *NAMES).tolist(), strict=True))
        self.place = {text: i for i, text in enumerate(self.texts)}
        self.embedded = 0
        # The head of the ranking of Yogurt: its documents with the given share of it, the rest at random.
        found, rest = rng.permutation(np.flatnonzero(positive)), rng.permutation(np.flatnonzero(~positive))
        others = round(len(found) * (1 - precision) / precision) if len(found) else 400
        head = rng.permutation([*found, *rest[:others]]).astype(int)
        self.rankings = [self._queries(head, "Yogurt"), self._queries(rest[::-1][:400], "other")]

    def _queries(self, rows: Sequence[int] | Floats, name: str) -> list[Query]:
        texts = [self.texts[int(i)] for i in rows]
        return [
            Query(Document(text, text), f"no. {place} for {name}", name, 0.5, sought=name, walk="ranking")
            for place, text in enumerate(texts, 1)
        ]

    def embed(self, texts: Sequence[str]) -> Floats:
        self.embedded += 1
        return self.vectors[[self.place[text] for text in texts]]

    def walk(self, *, per_class: int, cap: int, near: bool) -> list[Answered]:
        """Walk to the end; after every answer the next wave is asked for anew, as after a crash."""
        asked: list[Answered] = []
        while True:
            nearness = Nearby(self.rankings, self.embed) if near else None
            wave = next_wave(self.rankings, asked, NAMES, per_class=per_class, cap=cap, nearness=nearness)
            if not wave:
                return asked
            asked += [Answered(q, "seed", 1, True, self.truth[q.document.text]) for q in wave]


def found(asked: Sequence[Answered]) -> int:
    return sum(a.label == "Yogurt" for a in asked)


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_find_as_much_of_a_rare_class_with_fewer_queries(seed: int) -> None:
    world = World(share=0.02, precision=0.18, seed=seed)
    alone = world.walk(per_class=12, cap=400, near=False)
    helped = world.walk(per_class=12, cap=400, near=True)
    assert found(helped) >= found(alone) == 12
    assert len(helped) < 0.75 * len(alone)
    assert sum(a.label == "other" for a in helped) >= 12


def test_neighbours_find_more_within_a_share() -> None:
    world = World(share=0.02, precision=0.18)
    alone, helped = (world.walk(per_class=25, cap=100, near=near) for near in (False, True))
    assert found(helped) > 1.5 * found(alone)
    assert max(len(alone), len(helped)) <= 100


def test_the_walk_takes_from_ranking_and_neighbours_in_turn() -> None:
    world = World(share=0.02, precision=0.18)
    asked = [a.query for a in world.walk(per_class=12, cap=400, near=True) if a.query.sought == "Yogurt"]
    near = [query.walk == "nearness" for query in asked]
    first = next(i for i, query in enumerate(asked) if world.truth[query.document.text] == "Yogurt")
    assert not any(near[: first + 1])
    # A wave asks for several, so that what is found comes a wave later; from then on every other query is near.
    later = near[near.index(True) :]
    assert sum(later) == pytest.approx(len(later) / 2, abs=1)
    assert "near a confirmed Yogurt (0." in asked[near.index(True)].reason


def test_a_class_that_does_not_exist_ends_with_its_share() -> None:
    world = World(share=0.0, precision=0.18)
    asked = world.walk(per_class=3, cap=60, near=True)
    sought = outcome(asked, NAMES)
    assert sought == (Sought("Yogurt", 0, 30), Sought("other", len(asked), 3))
    assert shortfall(sought, 3) == "not found: 'Yogurt' in 30 queries"
    assert world.embedded == 0  # nothing is confirmed that it could be near to


def test_a_class_that_is_found_at_once_embeds_nothing() -> None:
    world = World(share=0.02, precision=0.999)
    world.walk(per_class=1, cap=60, near=True)
    assert world.embedded == 0


def test_a_process_that_starts_anew_walks_the_same_way() -> None:
    world = World(share=0.02, precision=0.18)
    anew = world.walk(per_class=12, cap=400, near=True)
    kept, asked = Nearby(world.rankings, world.embed), list[Answered]()
    while wave := next_wave(world.rankings, asked, NAMES, per_class=12, cap=400, nearness=kept):
        asked += [Answered(q, "seed", 1, True, world.truth[q.document.text]) for q in wave]
    assert asked == anew


def test_candidates_are_the_heads_of_all_rankings_and_a_confirmed_one_may_be_another() -> None:
    world = World(share=0.02, precision=0.18)
    yogurt, other = world.rankings
    nearby = Nearby(world.rankings, world.embed, most=20)
    outside = yogurt[50].document
    ranked = list(nearby.ranking("Yogurt", [outside]))
    assert {q.document.id for q in ranked} == {q.document.id for q in [*yogurt[:10], *other[:10]]}
    cosine = {q.document.id: world.vectors[world.place[q.document.id]] for q in ranked}
    similar = [float(cosine[q.document.id] @ world.vectors[world.place[outside.id]]) for q in ranked]
    assert similar == sorted(similar, reverse=True)
    assert ranked[0].reason == f"near a confirmed Yogurt ({similar[0]:.2f})"
    (itself, *_) = nearby.ranking("Yogurt", [outside, other[3].document])
    assert itself.document == other[3].document
    assert list(nearby.ranking("Yogurt", [])) == []


def test_the_walk_does_not_read_its_own_sentences() -> None:
    world = World(share=0.02, precision=0.18)
    asked = world.walk(per_class=12, cap=400, near=True)
    half = asked[: len(asked) // 2]
    reworded = [replace(one, query=replace(one.query, reason="weil es so ist")) for one in half]
    rest = [
        next_wave(world.rankings, some, NAMES, per_class=12, cap=400, nearness=Nearby(world.rankings, world.embed))
        for some in (half, reworded)
    ]
    assert rest[0] == rest[1] != []
    assert outcome(half, NAMES) == outcome(reworded, NAMES)


def test_the_shortfall_names_a_few_classes() -> None:
    assert shortfall([Sought("a", 2, 2)], 2) is None
    both = [Sought("a", 0, 1), Sought("b", 1, 7), Sought("c", 2, 2)]
    assert shortfall(both, 2) == "not found: 'a' in 1 query; found too seldom: 'b' 1 of 2 in 7 queries"
    many = [Sought(str(i), 0, 3) for i in range(9)]
    assert str(shortfall(many, 1)).endswith("'4' in 3 queries and 4 more classes")


def test_one_class_is_nothing_to_learn_from() -> None:
    sought = [Sought("Yogurt", 0, 150), Sought("other", 152, 2)]
    assert nothing_to_learn(sought, {"Yogurt", "other"}) is None
    assert nothing_to_learn(sought, {"other"}) == (
        "seed: 'Yogurt' was not found in 150 queries; every example is 'other', so no model can be trained and "
        "the zero-shot model stays current"
    )
    assert "no answer names a label" in str(nothing_to_learn(sought, set()))


def test_a_leaf_that_was_learned_is_of_a_branch_that_was_found() -> None:
    sought = [Sought("Food", 0, 9), Sought("Tools", 0, 12)]
    said = nothing_to_learn(sought, {"Food > Tea"}, group_of=lambda label: label.partition(" > ")[0], what="branches")
    assert said is not None
    assert said.startswith("seed: 'Tools' was not found in 12 queries; every example is 'Food > Tea'")
    many = [Sought(str(i), 0, 3) for i in range(9)]
    assert " and 4 more branches; " in str(nothing_to_learn(many, {"Food > Tea"}, what="branches"))
    assert str(shortfall(many, 1, "leaves")).endswith("and 4 more leaves")


def test_rankings_are_deep_enough_for_neighbours() -> None:
    assert ranking_depth(2, 300) == 2000
    assert ranking_depth(1000, 300) == 30


def test_waves_for_people_grow_and_find_what_small_ones_find() -> None:
    """A class that is not found is asked about 1, 2, 4 and at last 3 times, which is its share; others are not."""
    rankings = [
        [Query(Document(f"{name}{i}", f"{name} {'abcdefghijklmnopqrst'[i] * 9}"), "why", sought=name, walk="ranking")
         for i in range(20)]
        for name in ("Tea", "Rare")
    ]  # fmt: skip
    asked: list[Answered] = []
    waves: list[list[str]] = []
    while wave := next_wave(rankings, asked, ("Tea", "Rare"), per_class=1, cap=20, growing=True):
        waves.append([query.sought for query in wave])
        asked += [Answered(query, "seed", 1, True, "Tea") for query in wave]
    assert waves == [["Tea", "Rare"], ["Rare"] * 2, ["Rare"] * 4, ["Rare"] * 3]


def test_a_growing_wave_asks_no_more_than_the_rate_so_far_needs() -> None:
    """Two of five queries found the class, and one more is lacking: 1 * 6 / 3 queries."""
    ranking = [
        Query(Document(f"d{i}", "abcdefghijklmnopqrst"[i] * 9), "why", sought="Tea", walk="ranking") for i in range(20)
    ]
    asked = [Answered(query, "seed", 1, True, "Tea" if i < 2 else "no") for i, query in enumerate(ranking[:5])]
    wave = next_wave([ranking, []], asked, ("Tea", "no"), per_class=3, cap=40, growing=True)
    assert [query.document.id for query in wave] == ["d5", "d6"]
