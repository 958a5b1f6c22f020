"""Codes, keywords or words: whichever says more often what the annotations, or the encoder, say."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pytest

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language import label_prompt
from laud_ray.models.language.answers import choice
from laud_ray.models.language.answers.choice import Choice, choose, is_better
from laud_ray.models.language.label_prompt import Answers
from laud_ray.models.language.scorer import PromptedScorer
from laud_ray.types import Example, Floats
from tests.unit.models.language.test_label_prompt import CHATML, make_tokenizer
from tests.unit.models.language.test_scorer import LABELS, TASK, settings

TEXTS = tuple(f"{label} {i}" for i in range(10) for label in LABELS)
CALIBRATED: Mapping[Answers, bool] = dict.fromkeys(get_args(Answers), False)


class Model:
    """A model that knows the label, the first word of a text, if it answers as `knows`; else it takes the first one."""

    def __init__(self, tokenizer: Any, knows: str, mass: float = 0.9) -> None:
        self.tokenizer, self.knows, self.mass = tokenizer, knows, mass

    def label(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids).split("<text>\n")[-1].split(" ")[0])

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        rows = np.zeros((len(prompts), len(LABELS)), np.float32)
        for row, ids in zip(rows, prompts, strict=True):
            listed = self.tokenizer.decode(ids).split("Categories:\n")[1].split("\n\n")[0].splitlines()
            names = [line.split(" = ")[1] for line in listed]
            # The columns of codes are those of the list, and the columns of keywords those of the labels.
            begun = self.tokenizer.decode(ids).endswith("Category:")
            answers, columns = ("keywords", list(LABELS)) if begun else ("codes", names)
            row[columns.index(self.label(ids)) if self.knows == answers else 0] = 5
        return rows, np.full(len(prompts), self.mass, np.float32)

    def read_tokens(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        found = []
        for ids, wanted in zip(prompts, tokens, strict=True):
            label = self.label(ids) if self.knows == "words" else LABELS[0]
            written = self.tokenizer.decode(ids).split("Category:")[-1]
            likes = [f" {label}<|im_end|>".startswith(written + self.tokenizer.decode([token])) for token in wanted]
            found.append(5 * np.asarray(likes, np.float32))
        return found


def chosen(knows: str, examples: Sequence[Example] = (), mass: float = 0.9) -> Choice:
    tokenizer = make_tokenizer(CHATML)
    engine = Model(tokenizer, knows, mass)
    scorers = {
        answers: PromptedScorer(
            label_prompt.build(tokenizer, TASK, settings(), orders=2, answers=answers), tokenizer, engine
        )
        for answers in get_args(Answers)
    }
    return choose(scorers, TEXTS, examples, CALIBRATED)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that is right about nine texts of ten."""

    def label_probabilities(_: Neighbours, texts: Sequence[str]) -> Floats:
        right = [LABELS.index(text.split()[0]) for text in texts]
        return np.eye(4, dtype=np.float32)[[(c + (i % 10 == 3)) % 4 for i, c in enumerate(right)]]

    monkeypatch.setattr(Neighbours, "label_probabilities", label_probabilities)


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize("knows", get_args(Answers))
def test_the_answers_that_agree_with_the_encoder_are_chosen(knows: str) -> None:
    found = chosen(knows)
    assert found.answers == knows
    assert found.health["compared"] == len(TEXTS)
    assert found.health["chosen"] == get_args(Answers).index(knows)
    assert found.health[f"{knows}_right"] == pytest.approx(0.9)
    assert not found.health["by_annotations"]


def test_annotations_decide_where_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any) -> Any:
        raise AssertionError("the encoder is not asked")

    monkeypatch.setattr(Neighbours, "label_probabilities", nobody)
    found = chosen("words", [Example(text, text.split()[0]) for text in TEXTS])
    assert found.answers == "words"
    assert found.health["by_annotations"]
    assert found.health["words_right"] == 1


@pytest.mark.usefixtures("encoder")
def test_a_few_annotations_do_not_decide() -> None:
    few = [Example(text, "bread") for text in TEXTS[: choice.ENOUGH - 1]]
    assert not chosen("words", few).health["by_annotations"]


def test_codes_that_the_model_names_in_any_order_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strong model is better than the encoder, whose agreement then says little."""
    monkeypatch.setattr(Neighbours, "label_probabilities", lambda _, texts: np.eye(4)[[0] * len(texts)])
    sure = chosen("codes")
    assert sure.answers == "codes"
    assert sure.health["words_right"] == 1
    assert sure.health["codes_right"] == 0.25
    assert chosen("codes", mass=0.1).answers == "keywords", "it does not name codes, so these say little"


def test_words_cost_more_and_must_be_clearly_better() -> None:
    def right(n: int) -> Any:
        return np.arange(64) < n

    assert is_better(right(20), right(8))
    assert not is_better(right(20), right(20))
    assert not is_better(right(9), right(8))
    assert not is_better(right(8), right(20))
