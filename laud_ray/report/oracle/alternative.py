"""The alternative annotator test of a run: may a language model's answers replace those of its people?"""

from dataclasses import dataclass

from laud_ray.config import PeopleConfig
from laud_ray.people.questions import Question, questions, rules_of
from laud_ray.people.recorded import StoredVote, current, votes
from laud_ray.quality.alternative import LEAST, AlternativeTest, alternative_test, compared
from laud_ray.report.oracle.replies import Answered
from laud_ray.store.run import RunFolder


@dataclass(frozen=True, slots=True)
class Alternative:
    """The test of one language model.

    Attributes:
        test: None if there are too few answers, and `lack` says how many there are.
        unlabelled: documents with labels of several people, but none of the model; they are left out.
    """

    test: AlternativeTest | None
    lack: str | None
    unlabelled: int


def alternatives(run: RunFolder, found: tuple[Answered, ...], epsilon: float) -> dict[str, Alternative]:
    """Test each language model of a run against its people, by key; empty if the run asks no people, or no model.

    People's answers count where they were given without a suggestion, to a question that as many people answer
    whatever the first one says. An answer that was asked for because of another one does not, nor does feedback, which
    people give on predictions that they see, and mostly on wrong ones.
    """
    rules = rules_of(run.config)
    models = [one for one in found if one.member.config.kind == "llm"]
    if rules is None or not models:
        return {}
    engine = run.store.engine
    asked = {one.number: one for one in questions(engine)}
    people = independent(current(votes(engine)), asked, rules)
    return {one.member.key: _test(people, asked, one, epsilon) for one in models}


def independent(
    counting: list[StoredVote], asked: dict[int, Question], rules: PeopleConfig
) -> dict[str, dict[str, str]]:
    """Return person -> question -> label, of the answers that do not depend on others'."""
    people: dict[str, dict[str, str]] = {}
    taken: dict[int, int] = {}
    for one in sorted(counting, key=lambda vote: vote.position):
        question = asked[one.vote.question]
        wanted = max(rules.per_document, 2 if question.twice else 1)
        apart = one.gold or one.late or one.role != "annotator"
        if apart or wanted < 2 or taken.get(question.number, 0) >= wanted:
            continue
        taken[question.number] = taken.get(question.number, 0) + 1
        if one.vote.shown is None and one.vote.label is not None:
            people.setdefault(one.person, {})[str(question.number)] = one.vote.label
    return people


def _test(
    people: dict[str, dict[str, str]], asked: dict[int, Question], model: Answered, epsilon: float
) -> Alternative:
    said = {one.document_id: one.label for one in sorted(model.replies, key=lambda one: -one.attempt)}
    labels = {str(number): label for number, one in asked.items() if (label := said.get(one.document.id)) is not None}
    test = alternative_test(people, labels, epsilon=epsilon)
    several = {number for number in asked if sum(str(number) in one for one in people.values()) > 1}
    return Alternative(
        test, None if test else _lack(people, labels), sum(str(number) not in labels for number in several)
    )


def _lack(people: dict[str, dict[str, str]], labels: dict[str, str]) -> str:
    counts = {name: one.n for name, one in sorted(compared(people, labels).items()) if one.n}
    listed = ", ".join(f"{name} {n}" for name, n in counts.items()) or "nobody has any"
    return (
        f"expected at least two people, each with at least {LEAST} documents that another person and the model "
        f"labelled too, whatever the first one said and without a suggestion; so far: {listed}"
    )
