"""Whatever the order of votes, undos, repeats and late votes: what is settled is what the recorded votes say."""

import uuid
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.config import PeopleConfig
from laud_ray.people import questions
from laud_ray.people.settling import MOST_VOTES, Ballot, decide
from laud_ray.people.votes import Receipt, Vote, cast, current, votes
from laud_ray.store.store import Query, Store
from laud_ray.types import Document

NAMES = ("tea", "milk", "soup", "bread")
PEOPLE = ("ann", "bob", "cy", "dee")
LABELS = st.sampled_from([*NAMES, None])
RULES = st.builds(
    lambda team, per, doubt: PeopleConfig(kind="people", team=team, per_document=min(per, team), doubt=doubt),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
)


@given(
    RULES,
    st.lists(LABELS, max_size=5),
    LABELS,
    st.booleans(),
    st.dictionaries(st.sampled_from(PEOPLE), st.floats(0, 1)),
    st.integers(0, 4),
)
def test_a_decision_holds_what_people_said(
    rules: PeopleConfig,
    said: Sequence[str | None],
    top: str | None,
    twice: bool,
    accuracy: dict[str, float],
    elsewhere: int,
) -> None:
    ballots = [Ballot(f"{PEOPLE[i % 4]}{i // 4}", label) for i, label in enumerate(said)]
    found = decide(ballots, rules, top=top, twice=twice, classes=len(NAMES), accuracy=accuracy, elsewhere=elsewhere)
    assert found.needed >= 1
    if found.state == "settled":
        assert found.by is not None
        assert found.label in said, "nobody gave the label"
        assert len(ballots) >= min(rules.per_document, max(rules.team - elsewhere, 1))
    else:
        assert found.label is found.by is None
    if found.state == "open":
        assert len(ballots) < found.needed <= max(rules.per_document, MOST_VOTES)
        assert found.needed <= rules.team - elsewhere, "nobody is left to give the votes that it takes"
    for label in (*NAMES, None):
        final = decide(
            [*ballots, Ballot("boss", label, "adjudicator")], rules, top=top, twice=twice, classes=len(NAMES)
        )
        assert (final.state, final.label, final.by) == ("settled", label, "adjudicator")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["vote", "vote", "vote", "undo", "repeat", "adjudicate", "use"]),
        st.sampled_from(PEOPLE),
        LABELS,
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(RULES, STEPS)
def test_the_state_follows_from_the_recorded_votes(
    rules: PeopleConfig, steps: list[tuple[str, str, str | None]]
) -> None:
    store = Store("sqlite://")
    document = Document("d", "a text")
    try:
        _play(store, document, rules, steps)
    finally:
        store.close()


def _play(store: Store, document: Document, rules: PeopleConfig, steps: list[tuple[str, str, str | None]]) -> None:
    store.add_queries("query", 1, [Query(document, "why")])
    questions.ask(store.engine, [document], 1, None, rules, 0)
    sent: list[tuple[str, Vote]] = []
    used: questions.Question | None = None
    for what, person, label in steps:
        before = questions.questions(store.engine)[0]
        if what == "use":
            questions.take_answers(store.engine, ["d"], 1)
            after = questions.questions(store.engine)[0]
            assert after.state == ("used" if before.state in ("settled", "used") else before.state)
            used = after if after.state == "used" else used
            continue
        receipt = _cast(store, rules, sent, what, person, label)
        after = questions.questions(store.engine)[0]
        if receipt is not None:
            assert receipt.state == after.state or receipt.outcome == "refused"
            _judge(store, before, after, receipt)
        if used is not None:
            assert (after.state, after.label, after.settled_by) == ("used", used.label, used.settled_by)


def _cast(
    store: Store, rules: PeopleConfig, sent: list[tuple[str, Vote]], what: str, person: str, label: str | None
) -> Receipt | None:
    boss = what == "adjudicate"
    who = "boss" if boss else person
    mine = [one for name, one in sent if name in (who, "boss")]
    if what in ("undo", "repeat") and not mine:
        return None
    owner = next((name for name, one in sent if mine and one is mine[-1]), who)
    id = str(uuid.uuid4())
    vote = {
        "undo": lambda: Vote(id, 1, "undo", undoes=mine[-1].id),
        "repeat": lambda: mine[-1],
    }.get(what, lambda: Vote(id, 1, "label" if label else "unsure", label))()
    (receipt,) = cast(store.engine, owner, [vote], rules, NAMES, adjudicator=owner == "boss", accuracy={})
    if what == "repeat":
        assert receipt.outcome == "repeated"
    elif what != "undo" and receipt.outcome != "refused":
        sent.append((owner, vote))
    elif what == "undo" and receipt.outcome == "undone":
        sent.remove((owner, mine[-1]))
    return receipt


def _judge(store: Store, before: questions.Question, after: questions.Question, receipt: Receipt) -> None:
    recorded = votes(store.engine)
    assert len({one.vote.id for one in recorded}) == len(recorded)
    counting = current([one for one in recorded if not one.late and not one.gold])
    if receipt.outcome in ("repeated", "late", "refused"):
        assert (after.state, after.label, after.votes) == (before.state, before.label, before.votes)
        return
    assert after.votes == len(counting)
    if after.state in ("settled", "used"):
        assert after.label in {one.vote.label for one in counting}
    decided = [one for one in counting if one.role == "adjudicator"]
    if decided:
        assert (after.label, after.settled_by) == (decided[-1].vote.label, "adjudicator")
    else:
        assert after.settled_by != "adjudicator", "an adjudication that was taken back still stands"
