"""Answers that are sets of labels: which are valid, and when votes settle a question of a multilabel task. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from laud_ray.config import PeopleConfig
from laud_ray.label_sets import LabelSet, named
from laud_ray.people.settling import Ballot, Decision, SettledBy, by_votes
from laud_ray.printable import quoted
from laud_ray.taxonomy.task import answer_names
from laud_ray.types import Task

# The answer that no label applies.
EMPTY = LabelSet.of(()).text


class SetNames(Collection[str]):
    """The valid answers to a multilabel task: text forms of whole sets of its labels, within its limits.

    Its length is k, the number of labels, and it yields their names.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._names = task, frozenset(task.names)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._task.names)

    def __contains__(self, answer: object) -> bool:
        return isinstance(answer, str) and self.mistake(answer) is None

    def mistake(self, answer: str) -> str | None:
        """Return why an answer is not valid, as the end of a sentence; None if it is."""
        try:
            found = LabelSet.parse(answer)
        except ValueError as error:
            return str(error)
        if found.no is not None or found.text != answer:
            return f"{quoted(answer)} is not valid; expected all labels that apply, sorted, as a JSON list"
        return self.mistake_in(found.yes)

    def mistake_in(self, labels: Collection[str]) -> str | None:
        """Do the same for the labels of an answer."""
        strange = next((name for name in labels if name not in self._names), None)
        if strange is not None:
            return f"{quoted(strange)} is not valid; expected labels of the task"
        most = self._task.at_most
        if most is not None and len(labels) > most:
            return f"{len(labels)} labels are too many; expected at most {most}"
        for group in self._task.exclusive:
            if len(both := [name for name in group if name in labels]) > 1:
                return f"{quoted(both[0])} and {quoted(both[1])} exclude each other; expected one of them"
        return None


def names_of(task: Task) -> Collection[str]:
    """Return what an answer may be: a label of a task, a node of a taxonomy, or a set of labels (`SetNames`)."""
    return SetNames(task) if task.multilabel else answer_names(task)


def decide_sets(
    ballots: Sequence[Ballot],
    rules: PeopleConfig,
    names: SetNames,
    *,
    top: str | None,
    twice: bool,
    elsewhere: int = 0,
) -> Decision:
    """Decide where a question stands whose answers are sets of labels; arguments as for `settling.decide`.

    It takes as many votes as a question with one label. Where the sets differ, each label is decided on its own: it
    applies if more people chose it than not, and "unsure" is no vote. A label with as many votes for it as against it,
    or a set that is not valid, such as one with labels that exclude each other, takes a third person, and then an
    adjudicator.

    Args:
        top: the label that the model found likeliest: a first answer without it is doubted.
    """
    doubted = bool(ballots) and top is not None and top not in named(ballots[0].label)

    def differing() -> tuple[str, SettledBy] | None:
        label = majority([one.label for one in ballots if one.label is not None], names)
        return None if label is None else (label, "majority")

    return by_votes(ballots, rules, differing, doubted=doubted, twice=twice, elsewhere=elsewhere)


def majority(answers: Sequence[str], names: SetNames) -> str | None:
    """Return the set of the labels that more than half of the answers have; None if that does not decide.

    It does not where fewer than two answer, a label is in exactly half of the answers, or the set is not valid.
    """
    votes = Counter(label for answer in answers for label in LabelSet.parse(answer).yes)
    if len(answers) < 2 or any(2 * count == len(answers) for count in votes.values()):
        return None
    found = LabelSet.of(label for label, count in votes.items() if 2 * count > len(answers)).text
    return found if found in names else None
