"""Questions, leases and votes in a run's database: nobody is asked in vain, and no vote is lost or counted twice."""

import itertools
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, update

from laud_ray.config import PeopleConfig
from laud_ray.people import groups, leases, questions, votes
from laud_ray.people.cost import spent, spent_line
from laud_ray.people.groups import Awaited
from laud_ray.people.questions import Candidate, Suggestions
from laud_ray.people.votes import Vote, VoteError, cast
from laud_ray.store import people_tables as tables
from laud_ray.store.database.integrity import check
from laud_ray.store.rechecks import SecondQuery, record
from laud_ray.store.store import Query, Store
from laud_ray.types import Document
from tests.postgres import Server

NAMES = ("tea", "milk", "soup")
ALONE = PeopleConfig(kind="people")
TEAM = PeopleConfig(kind="people", team=4, twice=0.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = Store(f"sqlite:///{tmp_path}/laud.db")
    else:
        server: Server = request.getfixturevalue("postgres")
        from laud_ray.store.database.connection import open_database

        opened = Store(open_database(server.url, schema=f"laud_{uuid.uuid4().hex}"))
    yield opened
    opened.close()


def documents(n: int) -> list[Document]:
    return [Document(f"d{i:04d}", f"text {i}") for i in range(n)]


def suggest(found: list[Document]) -> Suggestions:
    return Suggestions("round-0001", {one.id: [Candidate("tea", 0.7), Candidate("milk", 0.3)] for one in found})


def asked(store: Store, n: int, rules: PeopleConfig = ALONE, purpose: str = "query") -> list[questions.Question]:
    store.add_queries(purpose, 1, [Query(one, "why") for one in documents(n)])  # type: ignore[arg-type]
    questions.ask(store.engine, documents(n), 1, suggest, rules, seed=3)  # type: ignore[arg-type]
    return questions.questions(store.engine)


def vote(number: int, label: str | None = "tea", **more: object) -> Vote:
    return Vote(str(uuid.uuid4()), number, "label" if label else "unsure", label, **more)  # type: ignore[arg-type]


def only(engine: Engine, number: int) -> questions.Question:
    return questions.questions(engine, numbers=[number])[0]


def test_a_question_is_recorded_once_with_its_candidates(store: Store) -> None:
    first = asked(store, 200)
    questions.ask(store.engine, documents(200), 1, suggest, ALONE, seed=3)  # type: ignore[arg-type]
    assert questions.questions(store.engine) == first
    assert [one.document.id for one in first] == [one.id for one in documents(200)]
    assert first[0].candidates == (Candidate("tea", 0.7), Candidate("milk", 0.3))
    hidden = sum(not one.show for one in first)
    assert 5 <= hidden <= 40, "about a tenth of 200 hides its suggestions"
    assert questions.number_of(first[7].id) == first[7].number


def test_what_measures_never_shows_a_suggestion(store: Store) -> None:
    assert not any(one.show for one in asked(store, 50, purpose="evaluation"))
    record(store.engine, 1, [SecondQuery(one, 2, "doubt") for one in documents(5)])
    questions.ask(store.engine, documents(5), 2, suggest, ALONE, seed=3)  # type: ignore[arg-type]
    assert [one.show for one in questions.questions(store.engine) if one.attempt == 2] == [False] * 5


def test_a_vote_settles_and_sending_it_twice_is_one_vote(store: Store) -> None:
    (question,) = asked(store, 1)
    sent = vote(question.number, "milk", comment="why not", seconds=4.5, shown=("tea", "milk"))
    assert [one.outcome for one in cast(store.engine, "ann", [sent], ALONE, NAMES)] == ["counted"]
    assert [one.outcome for one in cast(store.engine, "ann", [sent, sent], ALONE, NAMES)] == ["repeated"] * 2
    found = only(store.engine, question.number)
    assert (found.state, found.label, found.settled_by, found.votes) == ("settled", "milk", "vote", 1)
    (stored,) = votes.votes(store.engine)
    assert (stored.vote, stored.person, stored.late, stored.gold) == (sent, "ann", False, False)


def test_an_undo_opens_a_question_until_the_run_has_used_its_answer(store: Store) -> None:
    (question,) = asked(store, 1)
    sent = vote(question.number)
    cast(store.engine, "ann", [sent], ALONE, NAMES)
    undo = Vote(str(uuid.uuid4()), question.number, "undo", undoes=sent.id)
    assert cast(store.engine, "ann", [undo], ALONE, NAMES)[0].outcome == "undone"
    assert only(store.engine, question.number).state == "open"
    again = vote(question.number, "soup")
    cast(store.engine, "ann", [again], ALONE, NAMES)
    taken = questions.take_answers(store.engine, ["d0000"], 1)
    assert taken["d0000"].label == "soup"
    late = Vote(str(uuid.uuid4()), question.number, "undo", undoes=again.id)
    (receipt,) = cast(store.engine, "ann", [late], ALONE, NAMES)
    assert receipt.outcome == "refused"
    assert "used" in (receipt.reason or "")
    assert only(store.engine, question.number).label == "soup"


def test_a_vote_on_a_settled_question_is_kept_and_changes_nothing(store: Store) -> None:
    (question,) = asked(store, 1)
    cast(store.engine, "ann", [vote(question.number)], ALONE, NAMES)
    assert cast(store.engine, "bob", [vote(question.number, "milk")], ALONE, NAMES)[0].outcome == "late"
    assert only(store.engine, question.number).label == "tea"
    assert len(votes.votes(store.engine)) == 2


def test_mistakes_are_refused_one_by_one_or_all_together(store: Store) -> None:
    first, second = asked(store, 2)
    wrong = [vote(first.number, "cheese"), vote(999), Vote(str(uuid.uuid4()), first.number, "undo", undoes="none")]
    receipts = cast(store.engine, "ann", [*wrong, vote(second.number)], ALONE, NAMES)
    assert [one.outcome for one in receipts] == ["refused", "refused", "refused", "counted"]
    assert "cheese" in (receipts[0].reason or "")
    with pytest.raises(VoteError, match="999"):
        cast(store.engine, "ann", [vote(first.number), vote(999)], ALONE, NAMES, strict=True)
    assert only(store.engine, first.number).state == "open"
    taken = vote(first.number)
    cast(store.engine, "ann", [taken], ALONE, NAMES)
    with pytest.raises(VoteError, match="another vote"):
        cast(store.engine, "bob", [taken], ALONE, NAMES, strict=True)


def test_two_people_get_different_questions_and_one_person_gets_the_same_again(store: Store) -> None:
    asked(store, 10)
    ann = leases.take(store.engine, "ann", 3, seconds=60)
    bob = leases.take(store.engine, "bob", 3, seconds=60)
    assert not {one.question.number for one in ann} & {one.question.number for one in bob}
    again = leases.take(store.engine, "ann", 3, seconds=60)
    assert [one.question.number for one in again] == [one.question.number for one in ann]
    other_tab = leases.take(store.engine, "ann", 3, seconds=60, holder="tab 2")
    assert not {one.question.number for one in other_tab} & {one.question.number for one in ann}
    leases.give_back(store.engine, "bob")
    back = leases.take(store.engine, "cy", 3, seconds=60)
    assert {one.question.number for one in back} == {one.question.number for one in bob}


def test_a_lease_that_has_run_out_goes_to_the_next_person(store: Store) -> None:
    (question,) = asked(store, 1)
    assert leases.take(store.engine, "ann", 1, seconds=60)
    assert leases.take(store.engine, "bob", 1, seconds=60) == []
    with store.engine.begin() as connection:
        connection.execute(update(tables.leases).values(until=0))
    assert leases.renew(store.engine, "ann", [question.number], seconds=60) == []
    assert [one.question.number for one in leases.take(store.engine, "bob", 1, seconds=60)] == [question.number]
    # The first person's answer is as good.
    assert cast(store.engine, "ann", [vote(question.number)], ALONE, NAMES)[0].outcome == "counted"


def test_a_second_person_is_asked_where_the_first_differs_from_the_model(store: Store) -> None:
    (question,) = asked(store, 1, TEAM)
    leases.take(store.engine, "ann", 1, seconds=60)
    cast(store.engine, "ann", [vote(question.number, "milk")], TEAM, NAMES)
    assert only(store.engine, question.number).state == "open"
    assert leases.take(store.engine, "ann", 1, seconds=60) == [], "nobody is asked twice"
    (second,) = leases.take(store.engine, "bob", 1, seconds=60)
    cast(store.engine, "bob", [vote(second.question.number, "tea")], TEAM, NAMES)
    cast(store.engine, "cy", [vote(second.question.number, "soup")], TEAM, NAMES)
    assert only(store.engine, question.number).state == "adjudicate"
    assert leases.take(store.engine, "dee", 1, seconds=60) == []
    (disputed,) = leases.take(store.engine, "dee", 1, seconds=60, adjudicator=True)
    assert disputed.question.state == "adjudicate"
    cast(store.engine, "dee", [vote(question.number, "soup")], TEAM, NAMES, adjudicator=True)
    found = only(store.engine, question.number)
    assert (found.state, found.label, found.settled_by) == ("settled", "soup", "adjudicator")


def test_gold_questions_measure_people_and_settle_nothing(store: Store) -> None:
    found = asked(store, 30)
    for one in found[:20]:
        cast(store.engine, "ann", [vote(one.number)], ALONE, NAMES)
    with store.engine.begin() as connection:
        row = {"question": found[0].number, "label": "tea", "who": "owner", "created_at": found[0].created_at}
        connection.execute(tables.gold.insert().values(row))
    for one in found[20:]:
        cast(store.engine, "bob", [vote(one.number)], ALONE, NAMES)
    (due,) = leases.take(store.engine, "bob", 3, seconds=60)
    assert (due.gold, due.question.number) == (True, found[0].number)
    assert cast(store.engine, "bob", [vote(found[0].number, "milk")], ALONE, NAMES)[0].outcome == "gold"
    assert only(store.engine, found[0].number).label == "tea"
    assert leases.take(store.engine, "bob", 3, seconds=60) == []


def test_many_people_at_once_answer_each_question_as_often_as_wanted(store: Store) -> None:
    """Eight people with pages of their own, some of whom send everything twice."""
    rules = PeopleConfig(kind="people", team=8, per_document=2, twice=0.0, doubt=False)
    found = asked(store, 60, rules)

    def work(person: str) -> None:
        rng = random.Random(person)
        while held := leases.take(store.engine, person, rng.randint(1, 3), seconds=600):
            sent = [vote(one.question.number) for one in held]
            for _ in range(rng.randint(1, 2)):
                cast(store.engine, person, sent, rules, NAMES)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [f"p{i}" for i in range(8)]))
    counted = Counter(one.vote.question for one in votes.votes(store.engine))
    # Whoever holds a question when the last other vote comes keeps it, so nobody answers in vain.
    assert counted == {one.number: 2 for one in found}
    assert {one.state for one in questions.questions(store.engine)} == {"settled"}
    people = [(one.vote.question, one.person) for one in votes.votes(store.engine)]
    assert len(set(people)) == len(people)


def test_a_damaged_vote_is_noticed(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    (question,) = asked(store, 1)
    cast(store.engine, "ann", [vote(question.number)], ALONE, NAMES)
    check(store.engine, "laud.db")
    with store.engine.begin() as connection:
        connection.execute(update(tables.votes).values(label="milk"))
    with pytest.raises(Exception, match="votes row 1"):
        check(store.engine, "laud.db")
    with store.engine.begin() as connection:
        connection.execute(delete(tables.votes))
    store.close()


def test_what_the_run_waits_for(store: Store) -> None:
    found = asked(store, 10)
    assert not groups.can_continue(groups.groups(store.engine), 0.8)
    for one in found[:8]:
        cast(store.engine, "ann", [vote(one.number)], ALONE, NAMES)
    assert groups.can_continue(groups.groups(store.engine), 0.8)
    assert not groups.can_continue(groups.groups(store.engine), 0.9)
    assert sum(one.unanswered for one in groups.groups(store.engine)) == 2
    assert groups.is_ready(store.engine, [Awaited("query", 1, share=0.8)])
    assert not groups.is_ready(store.engine, [Awaited("query", 2, share=0.8), Awaited("seed", 1)])
    assert list(itertools.islice(questions.take_answers(store.engine, ["d0000", "d0009"], 1), 3)) == ["d0000"]
    (group,) = groups.groups(store.engine)
    assert (group.closed, group.lacking(0.8), group.unanswered) == (True, 0, 2)


def test_a_wave_of_the_seed_walk_is_awaited_although_earlier_ones_are_used(store: Store) -> None:
    found = asked(store, 4, purpose="seed")
    for one in found[:2]:
        cast(store.engine, "ann", [vote(one.number)], ALONE, NAMES)
    questions.take_answers(store.engine, ["d0000", "d0001"], 1)
    (group,) = groups.groups(store.engine)
    assert (group.closed, group.lacking(0.5)) == (False, 2)
    for one in found[2:]:
        assert not groups.is_ready(store.engine, [Awaited("seed", 1)])
        cast(store.engine, "ann", [vote(one.number)], ALONE, NAMES)
    assert groups.is_ready(store.engine, [Awaited("seed", 1)])


@pytest.mark.parametrize(
    ("asked", "answered", "share", "missing"),
    [(10, 8, 0.8, 0), (10, 7, 0.8, 1), (10, 7, 0.7, 0), (3, 2, 0.67, 1), (10, 9, 1.0, 1), (0, 0, 1.0, 0), (5, 0, 0, 0)],
)
def test_how_many_answers_a_share_takes(asked: int, answered: int, share: float, missing: int) -> None:
    assert groups.missing(asked, answered, share) == missing


def test_the_evaluation_sample_is_handed_out_last(store: Store) -> None:
    """While people answer it, the run can work on the other answers."""
    measured = asked(store, 3, purpose="evaluation")
    others = [Document(f"e{i}", f"other {i}") for i in range(2)]
    store.add_queries("seed", 1, [Query(one, "why") for one in others])
    questions.ask(store.engine, others, 1, None, ALONE, seed=3)
    held = leases.take(store.engine, "ann", 4, seconds=60)
    assert {one.question.document.id for one in held} == {"e0", "e1", "d0000", "d0001"}
    assert len(measured) == 3


def test_nothing_is_handed_out_once_the_dollars_are_spent(store: Store) -> None:
    found = asked(store, 3)
    rules = PeopleConfig(kind="people", hourly=36, max_dollars=0.1)
    cast(store.engine, "ann", [vote(found[0].number, seconds=5)], rules, NAMES)
    (held,) = leases.take(store.engine, "ann", 1, seconds=60, rules=rules)
    cast(store.engine, "ann", [vote(held.question.number, seconds=6)], rules, NAMES)
    assert spent(store.engine, 36) == pytest.approx(0.11)
    assert leases.take(store.engine, "ann", 1, seconds=60, rules=rules) == []
    assert "$0.11 of max_dollars: 0.1" in (spent_line(store.engine, rules) or "")
    more = rules.model_copy(update={"max_dollars": 1.0})
    assert spent_line(store.engine, more) is None
    assert len(leases.take(store.engine, "ann", 1, seconds=60, rules=more)) == 1


def test_a_second_question_goes_to_those_who_have_not_answered_about_the_document(store: Store) -> None:
    """With nobody left of the team, an adjudicator decides it."""
    pair = PeopleConfig(kind="people", team=2, twice=0.0, doubt=False)
    (first,) = asked(store, 1, pair)
    cast(store.engine, "ann", [vote(first.number)], pair, NAMES)
    for attempt in (2, 3):
        record(store.engine, 1, [SecondQuery(documents(1)[0], attempt, "doubt")])
        questions.ask(store.engine, documents(1), attempt, None, pair, seed=3)
    second, third = questions.questions(store.engine)[1:]
    assert (second.state, second.needed) == ("open", 1)
    assert leases.take(store.engine, "ann", 1, seconds=60) == []
    (held,) = leases.take(store.engine, "bob", 1, seconds=60)
    assert held.question.number == second.number
    cast(store.engine, "bob", [vote(second.number, None)], pair, NAMES)
    assert only(store.engine, second.number).state == "settled", "an abstention, since there is nobody else"
    record(store.engine, 1, [SecondQuery(documents(1)[0], 4, "doubt")])
    questions.ask(store.engine, documents(1), 4, None, pair, seed=3)
    assert questions.questions(store.engine)[-1].state == "adjudicate"
    assert third.state == "open"


def test_the_accuracies_of_people_settle_questions_on_which_two_differ(store: Store) -> None:
    """A person who is right on 40 known answers outweighs one who is wrong on half of theirs."""
    rules = PeopleConfig(kind="people", team=4, twice=0.0, doubt=False, per_document=2)
    found = asked(store, 42, rules)
    with store.engine.begin() as connection:
        states = tables.question_states.c
        known = [one.number for one in found[:40]]
        connection.execute(
            tables.question_states.update()
            .where(states.question.in_(known))
            .values(state="settled", label="tea", settled_by="adjudicator")
        )
        for number in known:
            row = {"question": number, "label": "tea", "who": "owner", "created_at": found[0].created_at}
            connection.execute(tables.gold.insert().values(row))
    for i, number in enumerate(known):
        cast(store.engine, "ann", [vote(number)], rules, NAMES)
        cast(store.engine, "bob", [vote(number, ("tea", "milk")[i % 2])], rules, NAMES)
    for person, label in (("ann", "tea"), ("bob", "milk")):
        cast(store.engine, person, [vote(found[41].number, label)], rules, NAMES)
    settled = only(store.engine, found[41].number)
    assert (settled.state, settled.label, settled.settled_by) == ("settled", "tea", "posterior")


def test_only_the_first_person_may_see_a_suggestion(store: Store) -> None:
    rules = TEAM.model_copy(update={"hidden": 0.0})
    (question,) = asked(store, 1, rules)
    (first,) = leases.take(store.engine, "ann", 1, seconds=60)
    assert first.question.suggests
    cast(store.engine, "ann", [vote(question.number, "milk")], rules, NAMES)
    (second,) = leases.take(store.engine, "bob", 1, seconds=60)
    assert (second.question.show, second.question.suggests) == (True, False)


@pytest.mark.parametrize("update", [{"twice": 1.0}, {"per_document": 2}])
def test_answers_that_are_compared_are_given_without_suggestions(store: Store, update: dict[str, object]) -> None:
    assert not any(one.show for one in asked(store, 20, TEAM.model_copy(update={"hidden": 0.0, **update})))
