"""What the answers of people come to: who they are, how right and how fast, what suggestions do, and what it cost."""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, select

from laud_ray.config import PeopleConfig
from laud_ray.label_sets import named
from laud_ray.people.cost import spent
from laud_ray.people.questions import Question, questions
from laud_ray.people.recorded import StoredVote, current, votes
from laud_ray.quality.aggregation import Opinion
from laud_ray.quality.anchoring import Reply, anchoring
from laud_ray.quality.annotators import PeopleFigures, PersonVote, accuracies, annotators
from laud_ray.quality.raters import compare
from laud_ray.store.database.connection import read
from laud_ray.store.people_tables import gold
from laud_ray.store.people_tables import votes as votes_table

# A person's estimated accuracy decides between differing answers once it rests on so many of theirs.
ENOUGH = 20
# For each database: the number of classes, the last vote, and the accuracies by the votes up to it.
_LASTING: WeakKeyDictionary[Engine, tuple[int, int, dict[str, float]]] = WeakKeyDictionary()


def people_figures(
    engine: Engine, rules: PeopleConfig, classes: int, *, multilabel: bool = False
) -> PeopleFigures | None:
    """Describe what people have done; None where nothing was asked.

    Args:
        classes: k, how many labels there are.
        multilabel: whether answers are sets of labels. Then an answer is right if it is exactly the right set, and
            agreement counts labels in common, see `quality.raters.compare`.
    """
    asked = {one.number: one for one in questions(engine)}
    if not asked:
        return None
    counting = current(votes(engine))
    listed = person_votes(counting, asked, gold_labels(engine))
    states = [one.state for one in asked.values()]
    return PeopleFigures(
        open=states.count("open"),
        disputed=states.count("adjudicate"),
        done=states.count("settled") + states.count("used"),
        votes=len(counting),
        late=sum(one.late for one in counting),
        annotators=annotators(listed, classes, rules.hourly, multilabel=multilabel),
        anchoring=anchoring(replies(counting, asked, multilabel=multilabel)),
        agreement=compare(_opinions(counting, asked), multilabel=multilabel),
        dollars=spent(engine, rules.hourly),
    )


def known_accuracies(engine: Engine, classes: int) -> dict[str, float]:
    """Return the accuracies of the people of whom enough answers can be compared, by name."""
    asked = {one.number: one for one in questions(engine)}
    found = accuracies(person_votes(current(votes(engine)), asked, gold_labels(engine)), classes)
    return {name: one.value for name, one in found.items() if one.n >= ENOUGH}


def lasting_accuracies(engine: Engine, classes: int) -> dict[str, float]:
    """Do what `known_accuracies` does, for the votes of a little while ago: anew once a twentieth is added to them."""
    position = select(func.max(votes_table.c.position))
    last = read(engine, lambda connection: int(connection.scalar(position) or 0))
    kept = _LASTING.get(engine)
    if kept is None or kept[0] != classes or last >= kept[1] + max(ENOUGH, kept[1] // 20):
        _LASTING[engine] = kept = (classes, last, known_accuracies(engine, classes))
    return kept[2]


def gold_labels(engine: Engine) -> dict[int, str]:
    """Return the established label of each gold question, by its number."""
    found = select(gold.c.question, gold.c.label)
    return {row.question: row.label for row in read(engine, lambda connection: connection.execute(found).all())}


def person_votes(
    counting: Sequence[StoredVote], asked: Mapping[int, Question], gold: Mapping[int, str]
) -> list[PersonVote]:
    """Return the votes that count with what is known of their questions. Adjudicators' votes are no answers of theirs.

    An adjudicator has seen the others' answers.
    """
    return [
        PersonVote(
            document=str(one.vote.question),
            person=one.person,
            label=one.vote.label,
            seconds=one.vote.seconds,
            settled=asked[one.vote.question].label,
            compared=one.gold or asked[one.vote.question].twice,
            gold=gold.get(one.vote.question) if one.gold else None,
            established=gold.get(one.vote.question),
        )
        for one in counting
        if one.role == "annotator"
    ]


def replies(counting: Sequence[StoredVote], asked: Mapping[int, Question], *, multilabel: bool = False) -> list[Reply]:
    """Return the answers to questions that had a suggestion, which a random share of them hid.

    Questions of the evaluation sample, those that ask again, and those that two people answer always hide it: they are
    no part of the comparison. A second answer to a question was asked for because of the first, and is none either. A
    set of labels follows the suggestion if it has the likeliest label.
    """
    found: list[Reply] = []
    seen: set[int] = set()
    for one in counting:
        question = asked[one.vote.question]
        asked_once = question.attempt == 1 and not question.twice
        chosen = question.purpose in ("seed", "query") and asked_once and bool(question.candidates)
        if not chosen or one.gold or one.late or one.role != "annotator" or question.number in seen:
            continue
        seen.add(question.number)
        # Where a file without candidates was answered, a question that may show them did not.
        if question.show == (one.vote.shown is not None):
            top = question.candidates[0].label
            followed = top in named(one.vote.label) if multilabel else one.vote.label == top
            found.append(Reply(question.show, followed, one.vote.seconds))
    return found


def _opinions(counting: Sequence[StoredVote], asked: Mapping[int, Question]) -> list[Opinion]:
    """The answers to the random share that two people answer; the first two of each, as wanted."""
    found: list[Opinion] = []
    attempts: dict[int, int] = {}
    for one in counting:
        question = asked[one.vote.question]
        if not question.twice or one.gold or one.role != "annotator":
            continue
        attempt = attempts[question.number] = attempts.get(question.number, 0) + 1
        if attempt <= 2:
            found.append(Opinion(question.document.id, attempt, question.round, one.vote.label, one.person))
    return found
