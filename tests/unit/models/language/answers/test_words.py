"""The trie of the labels' words: the same numbers as the likelihood of every label by itself."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from laud_ray.config import VllmZeroShotConfig
from laud_ray.errors import ModelError
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.answers import words
from laud_ray.models.language.scorer import PromptedScorer
from laud_ray.models.language.tuning.answer_model import load_base
from laud_ray.types import Floats, Label, Task
from tests.tiny import TINY
from tests.unit.models.language.test_label_prompt import CHATML, make_tokenizer

# One begins as the other, one is a prefix of the other, and one has no token but the end.
SEQUENCES = [(5, 0), (5, 7, 0), (5, 7, 8, 0), (6, 9, 0), (6, 9, 9, 0), (4, 1, 2, 3, 0), (0,)]
VOCABULARY = 12
NAMES = ("tea", "tea bags", "tea bags, green", "Tea", "coffee_beans", "coffee", "a", "é", "💧 water", "other")
TASK = Task("t", "multiclass", tuple(map(Label, NAMES)))


def next_token(ids: Sequence[int]) -> Floats:
    """What a "model" says of the next token: (v,) log-probabilities that depend on all tokens before."""
    logits = np.random.default_rng([1, *ids]).normal(0, 2, VOCABULARY)
    return np.asarray(logits - np.logaddexp.reduce(logits))


class Counting:
    """An engine of next_token, or of a model of transformers, that keeps what it was asked."""

    def __init__(self, model: Any = None) -> None:
        self.model = model
        self.asked: list[tuple[int, ...]] = []

    def read_tokens(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        assert all(0 < len(one) <= words.MOST_TOKENS for one in tokens)
        self.asked += map(tuple, prompts)
        return [self.says(ids)[list(one)] for ids, one in zip(prompts, tokens, strict=True)]

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, None]:
        raise AssertionError("codes are not read")

    def says(self, ids: Sequence[int]) -> Floats:
        if self.model is None:
            return next_token(ids)
        with torch.inference_mode():
            logits = self.model(input_ids=torch.tensor([ids])).logits[0, -1]
        return np.asarray(logits.float().log_softmax(0).numpy())


def constrained(says: Any, prompt: Sequence[int], sequences: Sequence[Sequence[int]]) -> Floats:
    """By brute force: each label's tokens one by one, each among those that still lead to a label."""
    found = []
    for sequence in sequences:
        log = 0.0
        for i, token in enumerate(sequence):
            allowed = sorted({other[i] for other in sequences if other[:i] == sequence[:i] and len(other) > i})
            row = says([*prompt, *sequence[:i]])
            log += row[token] - np.logaddexp.reduce(row[allowed])
        found.append(log)
    return np.asarray(found)


def test_choices_multiply_to_what_each_label_has_by_itself() -> None:
    prompts, trie = [(1, 2, 3), (3,)], words.build(SEQUENCES)
    found, mass = words.read(Counting(), prompts, [trie] * 2)
    for row, total, prompt in zip(found, mass, prompts, strict=True):
        np.testing.assert_allclose(row, constrained(next_token, prompt, SEQUENCES), atol=1e-5)
        assert np.exp(row).sum() == pytest.approx(1, abs=1e-5)
        assert total == pytest.approx(np.exp(next_token(prompt)[[5, 6, 4, 0]]).sum(), rel=1e-5)


def test_the_order_of_the_labels_changes_nothing() -> None:
    expected = words.read(Counting(), [(1, 2)], [words.build(SEQUENCES)])[0][0]
    for order in itertools.islice(itertools.permutations(range(len(SEQUENCES))), 0, None, 401):
        found = words.read(Counting(), [(1, 2)], [words.build([SEQUENCES[i] for i in order])])[0][0]
        np.testing.assert_allclose(found, expected[list(order)], atol=1e-6)


def test_only_choices_are_read_and_a_long_list_of_them_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    trie, engine = words.build(SEQUENCES), Counting()
    words.read(engine, [(1,)], [trie])
    assert engine.asked == [(1,), (1, 5), (1, 5, 7), (1, 6, 9)], "not the middle of a label without a branch"
    assert trie.requests == 4
    monkeypatch.setattr(words, "MOST_TOKENS", 3)
    parts = Counting()
    found, _ = words.read(parts, [(1,)], [trie])
    assert parts.asked == [(1,), (1,), (1, 5), (1, 5, 7), (1, 6, 9)]
    np.testing.assert_allclose(found[0], constrained(next_token, (1,), SEQUENCES), atol=1e-5)


def test_prompts_may_have_options_of_their_own() -> None:
    tries = [words.build(SEQUENCES[:3]), words.build(SEQUENCES[3:6])]
    found, _ = words.read(Counting(), [(1,), (2,)], tries)
    np.testing.assert_allclose(found[0], constrained(next_token, (1,), SEQUENCES[:3]), atol=1e-5)
    np.testing.assert_allclose(found[1], constrained(next_token, (2,), SEQUENCES[3:6]), atol=1e-5)


def test_the_words_of_labels_by_a_model_of_transformers() -> None:
    tokenizer, model = chat.open_tokenizer(str(TINY)), load_base(str(TINY), "float32", torch.device("cpu"))
    settings = VllmZeroShotConfig(engine="vllm", model=str(TINY), max_context=512, max_text_tokens=48)
    prompt = label_prompt.build(tokenizer, TASK, settings, orders=2, answers="words")
    proba = PromptedScorer(prompt, tokenizer, Counting(model)).score(["green tea", "instant coffee"])
    assert proba.shape == (2, len(NAMES))
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    ids = prompt.ids(tokenizer, ["green tea", "instant coffee"], [prompt.opening(tokenizer)] * 2)
    for row, one in zip(proba, ids, strict=True):
        expected = np.exp(constrained(Counting(model).says, one, prompt.sequences))
        np.testing.assert_allclose(row, expected, atol=1e-4)


@pytest.mark.parametrize("template", [CHATML, None], ids=["chat template", "plain"])
def test_words_stand_where_the_model_would_write_them(template: str | None) -> None:
    tokenizer = make_tokenizer(template)
    found, sequences = chat.answer_words(tokenizer, TASK.labels, "m")
    assert found[4] == "coffee beans"
    assert len(set(sequences)) == len(NAMES)
    for one, other in itertools.permutations(sequences, 2):
        assert other[: len(one)] != one, "no sequence is a prefix of another"
    closing = "<|im_end|>" if template else "\n"
    for name, ids in zip(found, sequences, strict=True):
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == f" {name}{closing}"


def test_labels_that_are_the_same_words_keep_their_names() -> None:
    labels = [Label("card_fee"), Label("card fee"), Label("other_fee")]
    assert chat.answer_words(make_tokenizer(CHATML), labels, "m")[0] == ("card_fee", "card fee", "other_fee")


def test_labels_that_are_the_same_tokens_are_refused() -> None:
    class Blind:
        chat_template = None

        def __call__(self, texts: Any, **_: Any) -> dict[str, Any]:
            ids = [[len(word) for word in text.split()] for text in ([texts] if isinstance(texts, str) else texts)]
            return {"input_ids": ids if not isinstance(texts, str) else ids[0] or [9]}

    with pytest.raises(ModelError, match=r"^model: 'm' has the same tokens for the labels 'ab' and 'cd'; expected"):
        chat.answer_words(Blind(), [Label("ab"), Label("cd")], "m")


def test_a_prompt_for_words_ends_where_the_words_begin() -> None:
    for template in (CHATML, None):
        tokenizer = make_tokenizer(template)
        settings = VllmZeroShotConfig(engine="vllm", model="m", max_text_tokens=16, max_context=1024)
        prompt = label_prompt.build(tokenizer, TASK, settings, orders=2, answers="words")
        (ids,) = prompt.ids(tokenizer, ["x"], [prompt.opening(tokenizer)])
        text = tokenizer.decode(ids)
        assert text.endswith("<|im_start|>assistant\nCategory:" if template else "</text>\nCategory:")
        assert "coffee" not in text, "the labels are not listed"
        assert prompt.orders == (tuple(range(len(NAMES))),)
