"""Compare ways to spend the answers of people, and check the interval of what suggestions do.

    python benchmarks/people.py spend --data ../shared/data/hs_chapter --answers 1500 --seeds 3
    python benchmarks/people.py anchoring

`spend` simulates a team whose members are right with a known probability between 85 and 95 %; half of their errors
name the class whose description is nearest to the right one's, the others any class. Each design gets the same number
of answers, an adjudicator's too, who is right in 98 %. Documents are drawn at random in batches; a linear learner is
fitted after each batch, and its likeliest label decides, as in a run, where a second person is asked
(laud_ray.people.settling). Figures: macro-F1 of the last model on the test file, the share of wrong labels that it
learned, the documents that were labelled, and the error of the estimated accuracy of each person.

`anchoring` plants effects of suggestions of 0, 5 and 15 points in 500 simulated runs each, of which a tenth of the
questions hides its suggestion, and counts how often the interval holds the planted effect.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from labelled_sets import LabelledSet, read_set
from sklearn.metrics import accuracy_score, f1_score

from laud_ray.config import PeopleConfig
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.models.targets import Targets
from laud_ray.people.settling import Ballot, Decision, Role, decide
from laud_ray.quality.anchoring import Reply, anchoring
from laud_ray.quality.annotators import PersonVote, accuracies
from laud_ray.types import Floats

BATCH = 250
TEAM = 6
ADJUDICATOR = 0.98
DESIGNS = {
    "one vote": PeopleConfig(kind="people", team=TEAM, twice=0.0, doubt=False),
    "one vote, 10 % twice": PeopleConfig(kind="people", team=TEAM, twice=0.1, doubt=False),
    "second where in doubt, 10 % twice": PeopleConfig(kind="people", team=TEAM, twice=0.1, doubt=True),
    "everything twice": PeopleConfig(kind="people", team=TEAM, per_document=2, twice=0.0, doubt=False),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a design came to: shares in [0, 1]."""

    design: str
    seed: int
    documents: int
    answers: int
    wrong: float
    accuracy: float
    macro_f1: float
    people_error: float | None


class Team:
    """People who are right with a known probability each."""

    def __init__(self, rng: np.random.Generator, nearest: Sequence[int], classes: int) -> None:
        self.right = {f"person {i}": float(one) for i, one in enumerate(rng.uniform(0.85, 0.95, TEAM))}
        self._rng, self._nearest, self._classes = rng, nearest, classes

    def drawn(self) -> list[str]:
        """The members in a random order."""
        return [str(one) for one in self._rng.permutation(list(self.right))]

    def answer(self, right: float, truth: int) -> int:
        if self._rng.random() < right:
            return truth
        if self._rng.random() < 0.5:
            return self._nearest[truth]
        other = int(self._rng.integers(self._classes - 1))
        return other + (other >= truth)


def main() -> None:
    args = arguments()
    logging.disable(logging.WARNING)
    if args.what == "anchoring":
        print(coverage(args.runs))
        return
    found = []
    for path in args.data:
        data = read_set(path, text="text", label="label")
        for seed in range(args.seeds):
            found += [spend(data, name, args.answers, seed) for name in DESIGNS]
        print(table(path.name, found))
        found = []


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="what", required=True)
    spending = kinds.add_parser("spend", help="compare designs at equal numbers of answers")
    spending.add_argument("--data", type=Path, action="append", required=True)
    spending.add_argument("--answers", type=int, default=1500)
    spending.add_argument("--seeds", type=int, default=3)
    covering = kinds.add_parser("anchoring", help="coverage of the interval of what suggestions do")
    covering.add_argument("--runs", type=int, default=500)
    return parser.parse_args()


def spend(data: LabelledSet, design: str, answers: int, seed: int) -> Figures:
    """Spend so many answers by a design."""
    rng, rules, names = np.random.default_rng(seed), DESIGNS[design], data.task.names
    learner = LinearLearner()
    prior = learner.prior(_encoder(), data.task)
    team = Team(rng, _nearest(prior), len(names))
    order = rng.permutation(len(data.texts))
    pool, truth = _embedded(tuple(data.texts[i] for i in order[: answers + BATCH])), data.gold
    head = None
    learned: list[tuple[int, int]] = []  # place in the order, label
    votes: list[PersonVote] = []
    spent = at = 0
    while spent < answers and at < len(pool):
        places = range(at, min(at + BATCH, len(pool)))
        batch = pool[places.start : places.stop]
        proba = batch @ prior.T if head is None else head.proba(batch)
        for place, row in zip(places, proba, strict=True):
            twice = bool(rng.random() < rules.twice)
            decision, ballots = ask(team, rules, int(truth[order[place]]), int(row.argmax()), names, twice=twice)
            spent += len(ballots)
            learned.append((place, names.index(str(decision.label))))
            compared = twice or rules.per_document > 1
            votes += [
                PersonVote(str(place), one.person, one.label, None, decision.label, compared=compared)
                for one in ballots
                if one.role == "annotator"
            ]
            at = place + 1
            if spent >= answers:
                break
        x, y = pool[[place for place, _ in learned]], np.array([label for _, label in learned])
        head = learner.solve(x, Targets.of_classes(y), prior, seed=seed)
    assert head is not None
    predicted = head.proba(_embedded(tuple(data.test_texts))).argmax(axis=1)
    wrong = np.mean([label != truth[order[place]] for place, label in learned])
    known = accuracies(votes, len(names))
    errors = [abs(one.value - team.right[name]) for name, one in known.items()]
    return Figures(
        design,
        seed,
        at,
        spent,
        float(wrong),
        float(accuracy_score(data.test_gold, predicted)),
        float(f1_score(data.test_gold, predicted, average="macro", zero_division=0)),
        float(np.mean(errors)) if len(errors) == TEAM else None,
    )


def ask(
    team: Team, rules: PeopleConfig, truth: int, top: int, names: Sequence[str], *, twice: bool
) -> tuple[Decision, list[Ballot]]:
    """Ask people about a document until their votes, or an adjudicator's, settle it; the adjudicator's comes last."""
    people = team.drawn()
    ballots: list[Ballot] = []
    while (decision := _decided(ballots, rules, names, top, twice)).state != "settled":
        who = "adjudicator" if decision.state == "adjudicate" else people[len(ballots)]
        right = ADJUDICATOR if who == "adjudicator" else team.right[who]
        role: Role = "adjudicator" if who == "adjudicator" else "annotator"
        ballots.append(Ballot(who, names[team.answer(right, truth)], role))
    return decision, ballots


def _decided(ballots: Sequence[Ballot], rules: PeopleConfig, names: Sequence[str], top: int, twice: bool) -> Decision:
    return decide(ballots, rules, top=names[top], twice=twice, classes=len(names))


def _nearest(prior: Floats) -> list[int]:
    """The class whose description is nearest to each class's."""
    similarity = prior @ prior.T
    np.fill_diagonal(similarity, -np.inf)
    return [int(one) for one in similarity.argmax(axis=1)]


@cache
def _encoder() -> Encoder:
    return Encoder(BUNDLED, 64).freeze()


@cache
def _embedded(texts: tuple[str, ...]) -> Floats:
    return _encoder().embed(texts)


def coverage(runs: int, questions: int = 600, hidden: float = 0.1) -> str:
    """Plant effects, and count how often the interval holds them."""
    lines = ["| planted | covered | mean width |", "|---|---|---|"]
    for planted in (0.0, 0.05, 0.15):
        rng = np.random.default_rng(round(100 * planted))
        held, width = 0, 0.0
        for _ in range(runs):
            shown = rng.random(questions) >= hidden
            followed = rng.random(questions) < np.where(shown, 0.7 + planted, 0.7)
            found = anchoring([Reply(bool(s), bool(f)) for s, f in zip(shown, followed, strict=True)])
            assert found is not None
            held += found.effect.low <= planted <= found.effect.high
            width += found.effect.high - found.effect.low
        lines.append(f"| {100 * planted:.0f} points | {100 * held / runs:.1f} % | {100 * width / runs:.1f} points |")
    return "\n".join(lines)


def table(name: str, found: Sequence[Figures]) -> str:
    """The mean of each design over the seeds."""
    lines = [
        f"{name}, {len({one.seed for one in found})} seeds, mean",
        "| design | documents | answers | wrong labels learned | accuracy | macro-F1 | error of people's accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for design in DESIGNS:
        ones = [one for one in found if one.design == design]
        mean = {
            key: np.mean([getattr(one, key) for one in ones])
            for key in ("documents", "answers", "wrong", "accuracy", "macro_f1")
        }
        errors = [one.people_error for one in ones if one.people_error is not None]
        error = f"{100 * np.mean(errors):.1f} points" if errors else "not known"
        lines.append(
            f"| {design} | {mean['documents']:.0f} | {mean['answers']:.0f} | {100 * mean['wrong']:.1f} % | "
            f"{100 * mean['accuracy']:.1f} % | {100 * mean['macro_f1']:.1f} % | {error} |"
        )
    return "\n".join(lines) + "\n" + "\n".join(json.dumps(asdict(one)) for one in found)


def vars_of(one: Figures) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}


if __name__ == "__main__":
    main()
