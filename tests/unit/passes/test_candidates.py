"""Selection that looks at where candidates lie: what reaches the strategy, and how a batch is filled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from laud_ray import config, query
from laud_ray.data.corpus import Corpus, Range
from laud_ray.errors import ConfigError
from laud_ray.passes.candidates import known
from laud_ray.passes.scoring import score_table
from laud_ray.passes.shortlists import SHORTLIST, Shortlist, read_shortlist, shortlist_range, to_candidates
from laud_ray.passes.stored import from_likeliest, likeliest
from laud_ray.passes.summary import summarise
from laud_ray.query import Margin, Mix
from laud_ray.query.spatial.space import reach
from laud_ray.steps.selection.picking import select, shortlist_depth
from laud_ray.steps.selection.seed_walk import ClassRanking
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Answered, Query
from laud_ray.taxonomy.groups import single
from laud_ray.types import Candidates, Document, Floats, Indices, Space, SpatialStrategy

RNG = np.random.default_rng(0)
TASK = {"task": {"name": "t", "labels": ["Tea", "Juice"]}, "corpus": {"path": "x.csv", "text": "text"}, "storage": "x"}
REPLAY = {"oracle": {"kind": "replay", "label": "label"}}


@dataclass(frozen=True, slots=True)
class Farthest:
    """Picks what is farthest from the known and the picked, by one number in place of vectors."""

    reach: ClassVar[int] = 20
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        return np.zeros((len(proba), 1), np.float32)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        assert pool.space is not None
        places, taken = pool.space.vectors[:, 0], list(pool.space.known_vectors[:, 0])
        picked: list[int] = []
        while len(picked) < n:
            gaps = np.min([np.abs(places - one) for one in taken], axis=0)
            gaps[picked] = -1
            picked.append(int(gaps.argmax()))
            taken.append(places[picked[-1]])
        return np.asarray(picked, np.int64)


def listed(texts: Sequence[str], criteria: Sequence[Sequence[int]] | None = None) -> pa.Table:
    """A shortlist; criteria are the rows that each has, its utility falling."""
    rows = [(row, c) for c, rows in enumerate(criteria or [range(len(texts))]) for row in rows]
    return pa.table(
        {
            "id": [f"d{row}" for row, _ in rows],
            "text": [texts[row] for row, _ in rows],
            "criterion": pa.array([c for _, c in rows], pa.int32()),
            "utility": pa.array(np.linspace(0, -1, len(rows)), pa.float32()),
            "tie": np.linspace(0, 1, len(rows)),
            "top_labels": [["Tea", "Juice"]] * len(rows),
            "top_probabilities": [[0.5, 0.4]] * len(rows),
        }
    )


def line(places: Sequence[float], asked: Sequence[float] = (0.0,)) -> Space:
    """A space of one dimension in which the model is sure of Tea."""
    sure = np.tile(np.float32([1, 0]), (len(places), 1))
    return Space(
        np.float32(places)[:, None],
        sure,
        np.float32(asked)[:, None],
        sure[: len(asked)],
        np.zeros(len(asked), np.int64),
    )


WORDS = ["apple pie", "brown bread", "soap bar", "green tea", "Soap bar!", "lamp oil"]


def chosen(
    strategy: SpatialStrategy, texts: Sequence[str], space: Space, n: int, asked: Sequence[str] = ()
) -> list[str]:
    table = listed(texts)
    pool = replace(to_candidates(table, 1), space=space)
    found = select(strategy, "far", table, pool, asked, n, rng=np.random.default_rng(0))
    return [one.document.id for one in found]


def test_a_near_duplicate_gives_its_place_to_the_farthest_from_what_was_picked() -> None:
    space = line([1, 2, 10, 5, 9, 6])
    # d2 at 10, then d3 at 5; d4 would be third by its place alone, but is near d2 in place and text.
    assert chosen(Farthest(), WORDS, space, 3) == ["d2", "d3", "d1"]
    # d2 is the same as what was asked, so the next is picked as if d2 were known: not d4 at 9 but d3.
    assert chosen(Farthest(), WORDS, space, 1, ["soap bar"]) == ["d3"]
    assert chosen(Farthest(), WORDS, space, 99, ["soap bar"])[-2:] == ["d2", "d4"]
    assert select(Farthest(), "far", listed([]), to_candidates(listed([]), 1), [], 3, rng=RNG) == []
    assert sorted(chosen(Farthest(), WORDS, space, 99)) == [f"d{i}" for i in range(6)]


def test_the_reason_belongs_to_its_document() -> None:
    pool = replace(to_candidates(listed(WORDS), 1), space=line([1, 2, 10, 5, 9, 6]))
    found = select(Farthest(), "far", listed(WORDS), pool, [], 2, rng=RNG)
    assert [(one.document.text, one.reason) for one in found] == [
        ("soap bar", "far: Tea 0.50 or Juice 0.40"),
        ("green tea", "far: Tea 0.50 or Juice 0.40"),
    ]


def test_each_part_of_a_mix_sees_its_own_candidates_where_they_lie() -> None:
    mix = Mix(((0.5, Margin()), (0.5, Farthest())))
    assert (mix.reach, mix.committee, reach(Mix(((1.0, Margin()),)))) == (20, 0, 0)
    table = listed(WORDS, [[5, 0], [3, 1, 2]])
    pool = to_candidates(table, 2)
    assert pool.ids == ["d5", "d0", "d3", "d1", "d2"]
    space = line([50, 40, 5, 2, 10])
    picked = mix.pick(replace(pool, space=space), 4, rng=RNG)
    # By margin d5 and d0, which lie farthest of all; by place d2 and d3 of its own three.
    assert [pool.ids[i] for i in picked] == ["d5", "d2", "d0", "d3"]


def test_a_shortlist_for_a_space_is_as_deep_as_its_strategy_reaches_and_no_deeper_than_its_cap() -> None:
    assert shortlist_depth(50) == shortlist_depth(50, cap=100) == 250
    assert shortlist_depth(50, reach=100) == 5000
    assert shortlist_depth(50, reach=2) == 250
    assert shortlist_depth(500, reach=200, cap=50_000) == 50_000
    assert shortlist_depth(500, reach=200, cap=50_000, criteria=4) == 12_500


def test_ranges_keep_their_share_and_together_the_best_of_the_corpus(tmp_path: Path) -> None:
    rng, rows, ranges, depth = np.random.default_rng(3), 500, 40, 700
    out, margin = Folder(str(tmp_path)), query.build("margin", counts=[0, 0])
    wanted = Shortlist(margin, depth, frozenset({"d7"}), (0, 1), rows * ranges)
    assert wanted.share(rows) == 67  # 17.5 on average and 8 deviations, and 16
    utility = {}
    for number in range(ranges):
        ids, none = [f"d{number * rows + i}" for i in range(rows)], pa.nulls(rows, pa.string())
        table = pa.table({"id": ids, "text": ids, "error": none, "duplicate_of": none})
        proba = rng.dirichlet([1, 1], rows).astype(np.float32)
        every, usable = np.arange(rows), np.ones(rows, bool)
        utility |= dict(zip(ids, margin.utility(proba)[:, 0].tolist(), strict=True))
        scores = score_table(ids, summarise(proba), every, usable, none, ("Tea", "Juice"), "m")
        name = f"part-{number:05d}.parquet"
        found = summarise(proba, strategy=wanted.strategy)
        kept = shortlist_range(wanted, name, table, scores, found, every, usable, ("Tea", "Juice"))
        assert kept.num_rows == 67
        (out / SHORTLIST).write_table(name, kept)
    corpus = Corpus(out, tuple(Range(f"part-{i:05d}.parquet", rows) for i in range(ranges)), {}, "f")
    found = read_shortlist(corpus, out, depth).column("id").to_pylist()
    del utility["d7"]
    assert set(found) == set(sorted(utility, key=lambda key: -utility[key])[:depth])
    assert Shortlist(margin, depth, frozenset(), (0,)).share(rows) == depth


def whole_sort(wanted: Shortlist, name: str, ids: Sequence[str], proba: Floats) -> list[tuple[str, int]]:
    """A range's shortlist as it is defined: each criterion's rows are sorted, and the first kept."""
    ties = np.random.default_rng([*wanted.seed, *(int(c) for c in name if c.isdigit())]).random(len(ids))
    depth = wanted.share(len(ids))
    orders = [np.lexsort((ties, -proba[:, c]))[:depth] for c in range(proba.shape[1])]
    return [(ids[row], criterion) for criterion, order in enumerate(orders) for row in order]


def kept_of(wanted: Shortlist, name: str, ids: Sequence[str], proba: Floats) -> pa.Table:
    none, every, usable = pa.nulls(len(ids), pa.string()), np.arange(len(ids)), np.ones(len(ids), bool)
    table = pa.table({"id": ids, "text": ids, "error": none, "duplicate_of": none})
    labels = [f"l{c}" for c in range(proba.shape[1])]
    scores = score_table(ids, summarise(proba), every, usable, none, labels, "m")
    found = summarise(proba, strategy=wanted.strategy)
    return shortlist_range(wanted, name, table, scores, found, every, usable, labels)


@pytest.mark.parametrize(
    ("classes", "depth", "total"), [(2, 2000, None), (2, 30, 9000), (40, 25, 600), (100, 40, 60_000)]
)
def test_up_to_100_classes_a_shortlist_is_that_of_a_whole_sort(classes: int, depth: int, total: int | None) -> None:
    """Whatever is faster gives the same rows in the same order, among equal utilities too."""
    rng, ids = np.random.default_rng(classes), [f"d{i}" for i in range(600)]
    proba = rng.dirichlet(np.full(classes, 0.3), 600).astype(np.float32).round(2)
    wanted = Shortlist(ClassRanking(), depth, frozenset(), (7, 0), total)
    found = kept_of(wanted, "part-00012.parquet", ids, proba)
    pairs = list(zip(found.column("id").to_pylist(), found.column("criterion").to_pylist(), strict=True))
    assert pairs == whole_sort(wanted, "part-00012.parquet", ids, proba)


def test_with_1000_classes_a_shortlist_stays_small_and_leaves_no_class_out(tmp_path: Path) -> None:
    """30 documents of each class are wanted. Each of 200 ranges of 50,000 would keep 20,000 rows."""
    wide = Shortlist(ClassRanking(), 30, frozenset(), (0, 0), 10_000_000)
    assert wide.share(50_000) * 1000 == 20_000
    assert wide.most(50_000, 1000) == 2000
    assert wide.most(50_000, 100) == wide.share(50_000) * 100, "the bound is not felt with 100"
    # In all no more than SHARES times what is wanted, and a part that does not depend on the classes.
    assert (
        200 * Shortlist(ClassRanking(), 30, frozenset(), (0, 0), 10_000_000).most(50_000, 10_000)
        <= 4 * 30 * 10_000 + 200
    )

    rng, rows, ranges, classes, depth = np.random.default_rng(1), 300, 20, 300, 20
    wanted, out = Shortlist(ClassRanking(), depth, frozenset(), (0, 0), rows * ranges), Folder(str(tmp_path))
    every: dict[str, Floats] = {}
    for number in range(ranges):
        ids = [f"d{number}-{i}" for i in range(rows)]
        proba = rng.dirichlet(np.full(classes, 0.05), rows).astype(np.float32)
        every |= dict(zip(ids, proba, strict=True))
        name = f"part-{number:05d}.parquet"
        kept = kept_of(wanted, name, ids, proba)
        assert kept.num_rows == wanted.most(rows, classes) < classes * wanted.share(rows)
        (out / SHORTLIST).write_table(name, kept)
    corpus = Corpus(out, tuple(Range(f"part-{i:05d}.parquet", rows) for i in range(ranges)), {}, "f")
    found = read_shortlist(corpus, out, depth)
    ids, proba, hit = list(every), np.stack(list(every.values())), 0
    for c in range(classes):
        best = {ids[row] for row in np.argsort(-proba[:, c])[:depth]}
        mine = found.filter(pc.equal(found.column("criterion"), c)).column("id").to_pylist()
        assert len(mine) == depth
        assert ids[int(proba[:, c].argmax())] in mine
        hit += len(best & set(mine))
    assert hit >= 0.995 * classes * depth


def test_a_space_keeps_abstentions_and_leaves_out_evaluation_and_what_is_pending() -> None:
    def one(key: str, purpose: str, label: str | None, *, answered: bool = True) -> Answered:
        return Answered(Query(Document(key, key), "why"), purpose, 1, answered, label)  # type: ignore[arg-type]

    asked = [
        one("a", "seed", "Juice"),
        one("b", "evaluation", "Tea"),
        one("c", "query", None),
        one("d", "query", None, answered=False),
        one("e", "query", "Tea"),
    ]
    documents, labels = known(asked, single(("Tea", "Juice")))
    assert ([one.id for one in documents], labels.tolist()) == (["a", "c", "e"], [1, -1, 0])
    sets = [replace(one, label=None if one.label is None else f'["{one.label}"]') for one in asked]
    documents, labels = known(sets, single(("Tea", "Juice"), independent=True))
    assert ([one.id for one in documents], labels.tolist()) == (["a", "c", "e"], [0, -1, 0])


def test_probabilities_from_the_likeliest_classes() -> None:
    found = pa.table(
        {
            "id": ["b", "a"],
            "top_labels": pa.array([["y", "z"], ["x", "y"]]),
            "top_probabilities": pa.array([[0.5, 0.3], [0.9, 0.1]], pa.list_(pa.float32())),
        }
    )
    proba = from_likeliest(found, pa.array(["a", "b", "lost"]), single(("w", "x", "y", "z")))
    assert proba == pytest.approx(np.asarray([[0, 0.9, 0.1, 0], [0.1, 0.1, 0.5, 0.3], [0.25] * 4]))


def test_the_likeliest_labels_of_a_few_documents_are_read_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the shortlist, or in the range from which they were drawn; else in all scores, which are small."""
    scores, read = Folder(str(tmp_path)), list[str]()

    def write(folder: Folder, name: str, *ids: str) -> None:
        proba = pa.array([[0.8, 0.2]] * len(ids), pa.list_(pa.float32()))
        labels = pa.array([[f"of {one}", "other"] for one in ids])
        folder.write_table(name, pa.table({"id": list(ids), "top_labels": labels, "top_probabilities": proba}))

    for range, ids in (("a", ["d1", "d2", "d3"]), ("b", ["d4", "d5"])):
        write(scores, range, *ids)
        write(scores / "shortlist", range, ids[0])
    corpus = SimpleNamespace(ranges=[SimpleNamespace(name="a"), SimpleNamespace(name="b")])
    before = Folder.read_table

    def noted(folder: Folder, name: str, columns: list[str] | None = None) -> pa.Table:
        read.append(f"{folder.uri.removeprefix(str(tmp_path))}/{name}")
        return before(folder, name, columns)

    monkeypatch.setattr(Folder, "read_table", noted)
    found = likeliest(corpus, scores, ["d4", "d3"], {"d3": "a"})  # type: ignore[arg-type]
    assert {id: labels[0][0] for id, labels in found.items()} == {"d4": "of d4", "d3": "of d3"}
    assert sorted(read) == ["/a", "/shortlist/a", "/shortlist/b"]
    # d5 is on no shortlist, and d2 is not where it was drawn from.
    found = likeliest(corpus, scores, ["d5", "d2", "d9"], {"d2": "b"})  # type: ignore[arg-type]
    assert sorted(found) == ["d2", "d5"]


@pytest.mark.parametrize("name", sorted(query.STRATEGIES))
def test_every_strategy_is_built_by_its_name_and_says_whether_it_needs_a_space(name: str) -> None:
    shares = {"badge": 0.5, "margin": 0.5} if name == "mix" else None
    built = query.build(name, counts=[1, 0], mix=shares)
    plain = {*query.SPREADABLE, "random"}
    assert (reach(built) == 0) == (name in plain)
    assert isinstance(built, SpatialStrategy) == (name not in plain)
    assert reach(query.build(name, counts=[1, 0], mix=shares, answerable=True)) >= max(4, reach(built))
    if name in query.SPREADABLE:
        assert reach(query.build(name, counts=[1, 0], diversity="core_set")) >= 10


def test_diversity_spreads_the_doubtful_parts_of_a_mix_alone() -> None:
    built = query.build("mix", counts=[0, 0], mix={"margin": 0.5, "badge": 0.5}, diversity="kmeans")
    assert isinstance(built, Mix)
    assert [type(part).__name__ for _, part in built.parts] == ["Diverse", "Badge"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"strategy": "badge", "diversity": "kmeans"},
            "query: diversity: 'kmeans' is not valid with strategy 'badge'; expected strategy",
        ),
        ({"diversity": "k_means"}, "query.diversity: 'k_means'"),
        ({"batch": 50, "shortlist": 49}, "query: shortlist: 49 is not valid; expected at least query.batch, 50"),
        ({"strategy": "bagde"}, "query.strategy: 'bagde' is not valid; expected one of"),
    ],
)
def test_a_mistake_in_the_query_section_is_one_line(settings: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(str({**TASK, **REPLAY, "query": settings}))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_that_was_stored_before_the_new_keys_is_the_same_run() -> None:
    new = config.parse(str({**TASK, **REPLAY, "query": {"strategy": "margin", "batch": 20, "diversity": "none"}}))
    assert (new.query.diversity, new.query.shortlist, new.query.answerable) == (None, 50_000, True)
    old = config.parse(str({**TASK, **REPLAY, "query": {"strategy": "margin", "batch": 20}}))
    assert config.differences(old, new) == []
    other = config.parse(str({**TASK, **REPLAY, "query": {"strategy": "margin", "batch": 20, "diversity": "badge"}}))
    assert config.differences(old, other) == ["query.diversity: None -> badge"]
