"""A verdict on each label: parsed strictly, never guessed."""

import math

import pytest

from laud_ray.models.language.prompts import Option, Prompt
from laud_ray.oracles.completions.verdicts import decide_sets, read_verdicts, schema
from laud_ray.oracles.engines import Completion, Token
from laud_ray.types import Label

OPTIONS = [Option("A", Label("Tea")), Option("B", Label("Milk")), Option("C", Label("Salt & pepper"))]

WHOLE, PART = Prompt(tuple(OPTIONS), each=True), Prompt(each=True)


def label(text: str, *, whole: bool = True) -> str | None:
    return read_verdicts(Completion(text), OPTIONS, WHOLE if whole else PART).label


@pytest.mark.parametrize(
    "text",
    [
        '{"A": "yes", "B": "no", "C": "yes"}',
        '{"C":"YES","A":"Yes","B":"No"}',
        '```json\n{"A": true, "B": false, "C": true}\n```',
        '<think>{"A": "no"}? Hmm.</think>{"Tea": "yes", "Milk": "no", "Salt & pepper": "y"}',
        'Here it is: {"A": "yes", "A": "yes", "B": "no", "C": "yes"} as asked.',
    ],
)
def test_all_forms_of_a_whole_answer(text: str) -> None:
    assert label(text) == '["Salt & pepper","Tea"]'
    assert label(text, whole=False) == '{"no":["Milk"],"yes":["Salt & pepper","Tea"]}'


def test_no_label_is_an_answer() -> None:
    assert label('{"A": "no", "B": "no", "C": "no"}') == "[]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it has no JSON object"),
        ("A, C", "it has no JSON object"),
        ('["A", "C"]', "it has no JSON object"),
        ('{"A": "yes", "B": "no"', "its JSON object is not valid"),
        ('{"A": "yes"}', "it leaves out B, C"),
        ('{"A": "yes", "B": "no", "C": "maybe"}', "it says 'maybe' of 'C'; expected yes or no"),
        ('{"A": "yes", "B": "no", "C": 1}', "it says '1' of 'C'; expected yes or no"),
        ('{"A": "yes", "B": "no", "C": "no", "D": "no"}', "it has the category 'D', which was not asked about"),
        ('{"A": "yes", "B": "no", "C": "no", "A": "no"}', "its JSON object is not valid"),
        ('{"A": "yes", "Tea": "no", "B": "no", "C": "no"}', "it says yes and no of 'Tea'"),
        ('<think>{"A": "yes", "B": "no", "C": "no"}', "it ends before its thinking does"),
    ],
)
def test_an_answer_that_is_not_clear_is_unreadable(text: str, why: str) -> None:
    found = read_verdicts(Completion(text), OPTIONS, WHOLE)
    assert (found.label, found.why) == (None, why)


def test_a_truncated_answer_and_a_refusal_say_so() -> None:
    cut = read_verdicts(Completion('{"A": "yes", "B', cut=True), OPTIONS, WHOLE)
    assert cut.why == "its JSON object is not valid; it was cut at its length limit"
    refused = read_verdicts(Completion("", refusal="I cannot"), OPTIONS, WHOLE)
    assert refused.why == "the model refused: I cannot"


def test_the_confidence_is_that_of_all_verdicts_together() -> None:
    pieces = [
        ('{"', 0.5),
        ('A": "', 0.5),
        ("yes", 0.9),
        ('", "B": "', 0.5),
        ("no", 0.8),
        ('", "C": "', 0.5),
        ("n", 0.7),
    ]
    tokens = tuple(Token(text, math.log(p)) for text, p in [*pieces, ("o", 1.0), ('"}', 0.5)])
    found = read_verdicts(Completion("".join(one.text for one in tokens), tokens), OPTIONS, WHOLE)
    assert found.label == '["Tea"]'
    assert found.confidence == pytest.approx(0.9 * 0.8 * 0.7)
    assert read_verdicts(Completion('{"A":"no","B":"no","C":"no"}'), OPTIONS, WHOLE).confidence is None


@pytest.mark.parametrize(
    ("votes", "found"),
    [
        ([('["a"]', 0.9)], ('["a"]', 0.9)),
        ([(None, None)], (None, None)),
        ([('["a","b"]', None), ('["a"]', None), ('["a","c"]', None)], ('["a"]', 2 / 3)),
        ([("[]", None), ("[]", None), ('["a"]', None)], ("[]", 2 / 3)),
        ([("[]", None), (None, None), ("[]", None)], ("[]", 2 / 3)),
        ([('["a"]', None), ("[]", None)], (None, 0.5)),
        ([(None, None), (None, None)], (None, None)),
        (
            [('{"no":["b"],"yes":["a"]}', None), ('{"no":["a","b"],"yes":[]}', None)],
            ('{"no":["b"],"yes":[]}', 1.0),
        ),
    ],
)
def test_each_label_is_decided_by_most_votes(
    votes: list[tuple[str | None, float | None]], found: tuple[str | None, float | None]
) -> None:
    label, confidence = decide_sets(votes, 0.0)
    assert label == found[0]
    assert confidence == (None if found[1] is None else pytest.approx(found[1]))


def test_below_the_threshold_it_abstains() -> None:
    assert decide_sets([('["a"]', 0.4)], 0.5) == (None, 0.4)
    assert decide_sets([('["a"]', None)], 0.5) == (None, None)


def test_the_schema_wants_every_code() -> None:
    found = schema(OPTIONS)
    assert (found["required"], found["additionalProperties"]) == (["A", "B", "C"], False)
