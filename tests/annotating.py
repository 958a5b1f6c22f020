"""A run whose questions people answer: made without training anything."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from laud_ray import config
from laud_ray.people.questions import Candidate, Suggestions, ask, rules_of
from laud_ray.store.run import claim, look_at
from laud_ray.store.store import Query
from laud_ray.store.updates import generations, proposals
from laud_ray.store.updates.proposals import Cluster
from laud_ray.types import Document, Estimate, Figures, Purpose, RoundResult

FEW = ("Beverages", "Bakery", "Dairy", "Fruit", "Vegetables")
_KINDS = ("Fresh", "Frozen", "Dried", "Organic", "Smoked", "Canned", "Sliced", "Whole", "Sweet", "Salted")
_GOODS = ("Apples", "Bread", "Cheese", "Coffee", "Fish", "Flour", "Juice", "Milk", "Noodles", "Olives", "Pasta", "Rice")
_SORTS = (
    "",
    " for children",
    " for kitchens",
    " in glass",
    " in tins",
    " by the kilo",
    " to go",
    " without sugar",
    " local",
)


def names(n: int) -> tuple[str, ...]:
    """So many labels, of words that repeat."""
    if n == 2:
        return ("Food", "Not food")
    if n <= len(FEW):
        return FEW[:n]
    return tuple(f"{kind} {good}{sort}" for sort in _SORTS for good in _GOODS for kind in _KINDS)[:n]


def paths() -> tuple[str, ...]:
    """The leaves of a taxonomy of three levels, of words that repeat: 10 kinds, 12 goods and 40 sorts, 4,800 leaves."""
    return tuple(
        f"{kind} food > {kind} {good} > {good}{_SORTS[i % len(_SORTS)]} no. {i}"
        for kind in _KINDS
        for good in _GOODS
        for i in range(40)
    )


def make_run(
    storage: Path,
    *,
    labels: Sequence[str] = FEW,
    n: int = 12,
    purpose: Purpose = "query",
    round: int = 1,
    store: str | None = None,
    texts: Sequence[str] = (),
    rules: str = "hidden: 0.0",
    tree: Sequence[str] = (),
    sets: str | None = None,
) -> Path:
    """Make a run that has asked people n questions, with suggestions.

    Args:
        labels: of which some are suggested.
        tree: the paths of a taxonomy, among them the labels; empty for a task whose labels are a list.
        sets: further keys of a multilabel task, such as "at_most: 2"; None for a task of another kind.
    """
    listed = ", ".join(f"{{name: {one!r}, description: {f'Everything that is {one.lower()}'!r}}}" for one in labels)
    kind, listed = ("taxonomy", json.dumps(list(tree))) if tree else ("multiclass", f"[{listed}]")
    kind, more = (kind, "") if sets is None else ("multilabel", f", {sets}" if sets else "")
    settings = config.parse(
        f"task: {{name: groceries, kind: {kind}, labels: {listed}{more}}}\n"
        "corpus: {path: food.csv, text: text}\n"
        f"storage: {storage}\n" + (f"store: {store}\n" if store else "") + "learner: {kind: linear}\n"
        f"oracle: {{kind: people, {rules}}}\n"
    )
    given = list(texts) or [f"{labels[i % len(labels)].lower()} no. {i}" for i in range(n)]
    with claim(settings) as folder:
        documents = [Document(f"d{i:05d}", text) for i, text in enumerate(given)]
        folder.store.add_queries(purpose, round, [Query(one, "chosen") for one in documents])
        people = rules_of(folder.config)
        assert people is not None
        ask(folder.store.engine, documents, 1, suggest(labels, several=sets is not None), people, 0)
    return storage


def suggest(labels: Sequence[str], *, several: bool = False) -> Callable[[Sequence[Document]], Suggestions]:
    """A model that finds the right label likeliest, and up to five others likely; or several of them."""

    def suggestions(documents: Sequence[Document]) -> Suggestions:
        found = {}
        for one in documents:
            right = int(one.id[1:]) % len(labels)
            others = [i for i in range(len(labels)) if i != right]
            chosen = [right, *random.Random(one.id).sample(others, min(5, len(others)))]
            weights = (0.9, 0.7, 0.3, 0.1, 0.04, 0.03) if several else (0.55, 0.2, 0.1, 0.05, 0.04, 0.03)
            found[one.id] = [Candidate(labels[i], p) for i, p in zip(chosen, weights, strict=False)]
        return Suggestions("round-0001", found, several=several)

    return suggestions


def propose(storage: Path, clusters: Sequence[Cluster]) -> None:
    """Let an update of a run with two closed rounds wait for a decision about proposed labels."""
    figure = Estimate(0.8, 0.7, 0.9, 50)
    with look_at(str(storage)) as folder:
        store = folder.store
        for number in range(2):
            closed = RoundResult(
                number, f"round-{number:04d}", number, 9, 100, Figures(50, figure, figure, 0.1, ()), None, True, {}
            )
            store.close_round(closed, "linear", "budget: 9 of 9 annotations are spent" if number else None)
        generations.record(store.engine, 2, "tonight.csv", datetime.now(UTC), 400)
        generations.advance(store.engine, [2], "asked")
        proposals.add(store.engine, 2, clusters)
