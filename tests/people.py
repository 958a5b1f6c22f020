"""A simulated team that answers the questions of a run, and a small run whose questions people answer."""

import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from laud_ray import config
from laud_ray.people import leases, votes
from laud_ray.people.leases import Lease
from laud_ray.people.questions import rules_of
from laud_ray.people.votes import Vote
from laud_ray.store.run import RunFolder, look_at

LABELS = ("Tea", "Soap", "Bread", "Cheese")
_WORDS = {
    "Tea": ("Earl Grey tea", "green tea", "peppermint tea", "rooibos tea", "oolong tea leaves", "chai tea"),
    "Soap": ("hand soap", "liquid soap", "olive soap", "lavender soap", "soap bar", "shower soap"),
    "Bread": ("rye bread", "sliced bread", "wheat bread", "garlic bread", "bread rolls", "sourdough bread"),
    "Cheese": ("goat cheese", "blue cheese", "cheddar cheese", "cream cheese", "grated cheese", "cottage cheese"),
}
_SORTS = ("organic", "classic", "family", "budget", "premium", "mild", "strong", "fresh", "large", "small")


def goods(n: int) -> dict[str, str]:
    """The true labels of n distinct product names."""
    rng, found = random.Random(7), {}
    while len(found) < n:
        label = rng.choice(LABELS)
        name = f"{rng.choice(_SORTS)} {rng.choice(_WORDS[label])} {rng.randint(2, 990)} g"
        found.setdefault(name, label)
    return found


def write_goods(place: Path, n: int = 240) -> Path:
    """Write goods.parquet: texts with the label that only the team, or a replay oracle, may see."""
    listed = goods(n)
    rows = {"id": [f"d{i:04d}" for i in range(n)], "text": list(listed), "label": list(listed.values())}
    pq.write_table(pa.table(rows), place / "goods.parquet")
    return place / "goods.parquet"


def settings(goods: Path, storage: Path | str, **changed: object) -> dict[str, object]:
    """A run of about two rounds."""
    return {
        "task": {"name": "goods", "labels": list(LABELS)},
        "corpus": {"path": str(goods), "text": "text", "id": "id"},
        "storage": str(storage),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "people"},
        "init": {"per_class": 1, "max_queries": 8},
        "query": {"strategy": "margin", "batch": 10},
        "evaluation": {"size": 20, "stop_set": 50},
        "budget": {"annotations": 18},
        **changed,
    }


def write(place: Path, written: Mapping[str, object]) -> Path:
    place.write_text(yaml.safe_dump(dict(written), sort_keys=False))
    config.load(str(place))
    return place


@dataclass
class Team:
    """People who answer with the true label, some of them wrongly now and then.

    Attributes:
        truth: the label of each text.
        names: who they are. The first one decides where others differ.
        accuracy: the share of right answers of each.
        seconds: of active time for each answer.
    """

    truth: Mapping[str, str]
    names: Sequence[str] = ("ann",)
    accuracy: float = 1.0
    seconds: float = 4.0
    answered: list[tuple[str, int]] = field(default_factory=list)

    def answer(self, run: RunFolder, most: int = 1_000_000, only: Callable[[Lease], bool] = lambda lease: True) -> int:
        """Answer what is open, at most so many; return the number of answers."""
        rules, names = rules_of(run.config), run.config.task.to_task().names
        assert rules is not None
        given = 0
        while given < most:
            before = given
            for person in self.names:
                boss = person == self.names[0]
                held = leases.take(
                    run.store.engine, person, min(10, most - given), seconds=300, adjudicator=boss, rules=rules
                )
                sent = [self._vote(one, names) for one in held if only(one)]
                receipts = votes.cast(run.store.engine, person, sent, rules, names, adjudicator=boss)
                assert all(one.outcome in ("counted", "late", "gold") for one in receipts), receipts
                leases.give_back(run.store.engine, person)
                self.answered += [(person, one.question) for one in receipts]
                given += len(sent)
            if given == before:
                break
        return given

    def _vote(self, lease: Lease, names: Sequence[str]) -> Vote:
        question = lease.question
        right = self.truth[question.document.text]
        rng = random.Random(f"{question.number} {len(self.answered)}")
        if right not in names:
            return Vote(str(uuid.uuid4()), question.number, "none", seconds=self.seconds)
        label = right if rng.random() < self.accuracy else rng.choice([one for one in LABELS if one != right])
        shown = tuple(one.label for one in question.candidates) if question.show else None
        return Vote(str(uuid.uuid4()), question.number, "label", label, seconds=self.seconds, shown=shown)

    @contextmanager
    def working(self, storage: Path | str) -> Iterator[None]:
        """Answer in a thread whatever is open, as soon as it is."""
        done, faults = threading.Event(), list[BaseException]()

        def work() -> None:
            while not done.wait(0.2):
                if not (Path(storage) / "config.yaml").exists():
                    continue
                try:
                    with look_at(str(storage)) as run:
                        while not done.wait(0.1):
                            self.answer(run)
                except Exception as error:  # noqa: BLE001 - shown to the test
                    faults.append(error)
                    return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        assert not faults, faults
