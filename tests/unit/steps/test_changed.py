"""What is asked about after a change of the taxonomy, and when the run ends again."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from laud_ray.config import BudgetConfig, RoundsRule, RunConfig
from laud_ray.steps.changed import (
    Since,
    changed_leaves,
    first_round,
    lacking,
    leaves_after,
    record,
    since,
    to_renew,
    wanted,
)
from laud_ray.steps.selection.focus import LeafRanking, choose, ranking_of
from laud_ray.steps.stop import reconsider, verdict
from laud_ray.store.store import Query, Store
from laud_ray.store.versions.proposal import propose, put_in_force
from laud_ray.store.versions.record import History, history
from laud_ray.taxonomy import Taxonomy, read_table
from laud_ray.types import Annotation, Document, Estimate, Figures, Floats, RoundResult
from tests.unit.steps.test_steps import closed_rounds

OLD = ["Food > Tea", "Food > Milk", "Tools > Saws"]
NEW = ["Food > Tea > Green", "Food > Tea > Black", "Food > Milk", "Food > Saws", "Rice"]


def tree(paths: Sequence[str]) -> Taxonomy:
    return read_table({"path": list(paths)}, "t.csv")


def ask(store: Store, purpose: str, round: int, *answers: tuple[str, str | None, str | None]) -> None:
    """Record queries and answers: id, answer, and the leaf that was sought."""
    queries = [Query(Document(name, f"the text of {name}"), "why", sought=sought) for name, _, sought in answers]
    store.add_queries(purpose, round, queries)  # type: ignore[arg-type]
    store.add_annotations([Annotation(name, label, "replay") for name, label, _ in answers])


def close(store: Store, number: int, spent: int, budget: int, reason: str | None = None) -> RoundResult:
    figure = Estimate(0.5, 0.4, 0.6, 20)
    result = RoundResult(
        number, f"round-{number}", spent, budget, 100, Figures(20, figure, figure, 0.1, ()), None, True, {}
    )
    store.close_round(result, "linear", reason)
    return result


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'laud.db'}")


@pytest.fixture
def config(store: Store) -> RunConfig:
    """The configuration of a run that ended with its budget before its taxonomy changed."""
    made = closed_rounds(store, 0, 6, budget=6)
    ask(store, "seed", 1, *((f"t{i}", "Food > Tea", None) for i in range(3)), ("m", "Food > Milk", None))
    ask(store, "seed", 1, ("s", "Tools > Saws", None), ("n", None, None))
    put_in_force(store, propose(store, tree(OLD), tree(NEW), 0), {})
    return made.model_copy(update={"task": made.task.model_copy(update={"kind": "taxonomy"})})


def versions(store: Store) -> History:
    found = history(store.engine)
    assert found is not None
    return found


def test_new_and_moved_leaves_are_asked_about(store: Store, config: RunConfig) -> None:
    found = versions(store)
    names = {leaf.name: leaf.older for leaf in changed_leaves(found)}
    assert names == {"Food > Tea > Green": True, "Food > Tea > Black": True, "Rice": True, "Food > Saws": False}
    asked = store.queries()
    assert wanted(asked, changed_leaves(found), config) == 1, "only milk has not changed"
    assert {leaf.name for leaf in lacking(found, asked, config)} == set(names)
    ask(store, "query", 2, ("g1", "Food > Tea > Green", None), ("g2", "Food > Tea > Green", None))
    left = {leaf.name for leaf in lacking(found, store.queries(), config)}
    assert left == {"Food > Tea > Black", "Food > Saws", "Rice"}


def test_a_leaf_whose_share_of_queries_is_used_up_is_given_up(store: Store, config: RunConfig) -> None:
    ask(store, "query", 2, *((f"r{i}", None, "Rice") for i in range(3)))
    assert "Rice" not in {leaf.name for leaf in lacking(versions(store), store.queries(), config)}


def test_unclear_answers_are_asked_again_in_turn_and_abstentions_last(store: Store, config: RunConfig) -> None:
    found = versions(store)
    assert to_renew(found, store.queries(), 10) == ["t0", "t1", "t2", "n"]
    assert to_renew(found, store.queries(), 2) == ["t0", "t1"]
    assert to_renew(found, store.queries(), 0) == []


def test_the_leaves_of_a_round_are_decided_once(store: Store, config: RunConfig) -> None:
    assert record(store, config, 1) == ()
    chosen = record(store, config, 2)
    assert set(chosen) == {"Food > Tea > Green", "Food > Tea > Black", "Rice", "Food > Saws"}
    ask(store, "query", 2, *((f"r{i}", "Rice", "Rice") for i in range(3)))
    assert record(store, config, 2) == chosen == leaves_after(store, 2)
    assert "Rice" not in record(store, config, 3)
    assert record(store, config, 4) == (), "round 3 found no document to ask about"


def test_the_first_model_of_a_version_is_trained_before_any_rule_ends_the_run(store: Store, config: RunConfig) -> None:
    assert first_round(store) == 2
    assert store.stop_reason() == "budget: 6 of 6"
    assert reconsider(config, store) is None
    assert store.stop_reason() is None


def test_rules_wait_for_the_changed_leaves_but_the_budget_does_not(store: Store, config: RunConfig) -> None:
    raised = config.model_copy(
        update={"budget": BudgetConfig(annotations=60), "stop": (RoundsRule(kind="rounds", maximum=1),)}
    )
    assert record(store, config, 2)
    changed = since(store, 2)
    assert changed == Since(round=2, ended=True, leaves=4)
    rounds = [*store.history(), close(store, 2, 6, 6)]
    assert verdict(config, rounds, changed) == (
        "budget: 6 of 6 annotations are spent; 4 changed leaves of the taxonomy are still to be asked about, which a "
        "higher budget.annotations allows"
    )
    assert reconsider(raised, store) is None


def test_a_run_that_had_ended_ends_again_until_its_budget_is_raised(store: Store, config: RunConfig) -> None:
    rounds = [*store.history(), close(store, 2, 6, 60), close(store, 3, 12, 60)]
    done = Since(round=2, ended=True, leaves=0)
    raised = config.model_copy(update={"budget": BudgetConfig(annotations=60)})
    assert str(verdict(raised, rounds, done)).startswith("taxonomy: its changed leaves have been asked about")
    assert verdict(raised, rounds, Since(2, ended=False, leaves=0)) is None
    assert verdict(raised, [*rounds[:-1], close(store, 4, 12, 90)], done) is None


def listed(*rows: tuple[int, str, float]) -> pa.Table:
    return pa.table(
        {
            "id": [name for _, name, _ in rows],
            "text": [f"{name} {word}" for (_, name, _), word in zip(rows, WORDS, strict=False)],
            "criterion": pa.array([criterion for criterion, _, _ in rows], pa.int32()),
            "utility": [utility for _, _, utility in rows],
            "top_labels": [["Food > Milk"]] * len(rows),
            "top_probabilities": [[0.5]] * len(rows),
        }
    )


WORDS = ("green sencha", "oolong", "basmati", "jasmine", "assam", "earl grey", "wild", "brown")


def test_each_changed_leaf_gets_queries_in_turn(store: Store, config: RunConfig) -> None:
    leaves = {leaf.name: leaf for leaf in changed_leaves(versions(store))}
    chosen = [leaves["Food > Tea > Green"], leaves["Rice"]]
    found = choose(
        listed((0, "a", 0.9), (0, "b", 0.8), (0, "c", 0.7), (1, "d", 0.4), (1, "a", 0.3)),
        chosen,
        store.queries(),
        2,
        3,
    )
    assert [(one.document.id, one.sought) for one in found] == [
        ("a", "Food > Tea > Green"),
        ("d", "Rice"),
        ("b", "Food > Tea > Green"),
    ]
    assert found[0].reason == "may be Food > Tea > Green, which is new or has moved"
    assert choose(listed(), chosen, store.queries(), 2, 3) == []
    assert choose(listed((0, "a", 0.9)), chosen, store.queries(), 2, 0) == []


def test_the_criteria_are_the_probabilities_of_the_leaves() -> None:
    ranking = ranking_of(["c", "a"], ["a", "b", "c"])
    assert ranking == LeafRanking((2, 0))
    proba: Floats = pa.array([0.2, 0.3, 0.5]).to_numpy()[None]
    assert ranking.utility(proba).tolist() == [[0.5, 0.2]]
