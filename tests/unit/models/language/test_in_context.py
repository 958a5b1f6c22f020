"""A model's answers are chosen once, when it is made; whoever opens it reads in the same way."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laud_ray.cluster.workers import Workers
from laud_ray.config import PromptedSection, VllmZeroShotConfig
from laud_ray.errors import ModelError
from laud_ray.models.language import in_context
from laud_ray.models.language.answers.choice import Choice
from laud_ray.models.language.answers.comparison import Undecided, candidates
from laud_ray.models.language.in_context import InContextLearner
from laud_ray.types import Floats, Label, Task
from tests.tiny import LABELS, TINY
from tests.unit.models.language.test_label_prompt import make_tokenizer

TASK = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
PRIOR = tuple(float(i + 1) for i in range(len(LABELS)))
HEALTH = {"chosen": 2.0, "compared": 2.0, "by_annotations": 0.0, "codes_right": 0.0, "words_right": 1.0}
PROBE = ("green tea", "rye bread")


class Silent:
    """An engine that is not to be asked."""

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        raise AssertionError("nothing is measured again")

    def read_tokens(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        raise AssertionError("nothing is measured again")


def section(**changed: Any) -> PromptedSection:
    common = {"engine": "vllm", "model": str(TINY), "max_context": 512, "max_text_tokens": 48, "answers": "auto"}
    return VllmZeroShotConfig.model_validate({**common, **changed})


def silent(*_: Any) -> Silent:
    return Silent()


def test_the_choice_is_part_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Undecided] = []

    def compare(model: Undecided, workers: Workers) -> Choice:
        asked.append(model)
        return Choice("words", HEALTH, PRIOR)

    monkeypatch.setattr(in_context, "compare", compare)
    learner = InContextLearner(section(), probe=PROBE, workers=Workers(cpus=2, engines=1))
    learner.fit(TASK, [], out=str(tmp_path / "model"), seed=0)
    (model,) = asked
    assert list(model.prompts) == ["codes", "keywords", "words"]
    assert model.calibrate == {"codes": False, "keywords": True, "words": True}
    for _ in range(2):
        scorer = InContextLearner.open(str(tmp_path / "model"), silent)
        assert scorer.prompt.words
        assert scorer.health == HEALTH
        assert scorer.prior is not None
        np.testing.assert_allclose(scorer.prior, PRIOR)


@pytest.mark.parametrize("answers", ["codes", "words"])
def test_answers_of_the_configuration_are_not_compared(
    answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_context, "compare", silent)
    learner = InContextLearner(section(answers=answers), workers=Workers(cpus=2, engines=1))
    learner.fit(TASK, [], out=str(tmp_path / "model"), seed=0)
    scorer = InContextLearner.open(str(tmp_path / "model"), silent)
    assert bool(scorer.prompt.words) is (answers == "words")
    assert json.loads((tmp_path / "model" / "model.json").read_text())["calibrate"] is (answers == "words")


def test_without_workers_the_answers_are_codes(tmp_path: Path) -> None:
    InContextLearner(section(), probe=()).fit(TASK, [], out=str(tmp_path / "model"), seed=0)
    assert not InContextLearner.open(str(tmp_path / "model"), silent).prompt.words


def test_auto_takes_the_answers_that_are_possible() -> None:
    tokenizer = make_tokenizer(None)
    long = Task("t", "multiclass", tuple(Label(f"label {i}", "a long description " * 40) for i in range(4)))
    narrow = {"model": "m", "max_context": 192, "max_text_tokens": 16}
    assert candidates(tokenizer, long, section(**narrow), orders=1).keys() == {"words"}
    with pytest.raises(ModelError, match="max_context: 192 tokens hold"):
        candidates(tokenizer, long, section(**narrow, answers="codes"), orders=1)
    with pytest.raises(ModelError, match="max_context: 64 tokens hold"):
        candidates(tokenizer, long, section(model="m", max_context=64, max_text_tokens=16), orders=1)
