"""From log-probabilities of codes to class probabilities: orders, options of a document's own, label bias."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from laud_ray.config import VllmZeroShotConfig
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language import label_prompt
from laud_ray.models.language.scorer import PromptedScorer, calibrated, own_options
from laud_ray.taxonomy.reading.found import read_found
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Example, Floats, Label, Task
from tests.unit.models.language.test_label_prompt import CHATML, make_tokenizer

LABELS = ("tea", "coffee", "soap", "bread")
TASK = Task("t", "multiclass", tuple(map(Label, LABELS)))
# How much the "model" below likes each label, whatever the text.
LIKES = dict(zip(LABELS, (2.0, 1.0, 0.0, -1.0), strict=True))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(CHATML)


class Reader:
    """A reader of prompts that likes labels by LIKES, and the first of a list by `first` more."""

    def __init__(self, tokenizer: Any, codes: int, first: float = 0.0) -> None:
        self.tokenizer, self.codes, self.first = tokenizer, codes, first
        self.seen: list[str] = []

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        rows = []
        for ids in prompts:
            text = self.tokenizer.decode(ids)
            self.seen.append(text)
            listed = text.split("Categories:\n")[1].split("\n\n")[0].splitlines()
            scores = [LIKES[line.split(" = ")[1]] for line in listed]
            rows.append([scores[0] + self.first, *scores[1:], *[-9.0] * (self.codes - len(scores))])
        return np.asarray(rows, np.float32), np.full(len(prompts), 0.25, np.float32)


def settings(**changed: Any) -> VllmZeroShotConfig:
    common = {"engine": "vllm", "model": "m", "max_text_tokens": 16, "max_context": 1024}
    return VllmZeroShotConfig.model_validate({**common, **changed})


def narrow(tokenizer: Any, spare: int = 0) -> label_prompt.LabelPrompt:
    """A prompt that offers each document two labels of its own."""
    return label_prompt.build(tokenizer, TASK, settings(max_labels=2), orders=1, spare=spare)


def scorer(tokenizer: Any, *, orders: int = 1, prepared: int = 1, first: float = 0.0, **more: Any) -> PromptedScorer:
    prompt = label_prompt.build(tokenizer, TASK, settings(orders=orders), orders=prepared)
    return PromptedScorer(prompt, tokenizer, Reader(tokenizer, 4, first), **more)


def likes(temperature: float = 1.0) -> Floats:
    powers = np.exp(np.asarray(list(LIKES.values())) / temperature)
    proba: Floats = powers / powers.sum()
    return proba


def test_probabilities_are_those_of_the_codes(tokenizer: Any) -> None:
    proba = scorer(tokenizer).score(["a", "b"])
    np.testing.assert_allclose(proba, [likes()] * 2, rtol=1e-5)
    assert proba.dtype == np.float32


def test_no_texts_give_no_rows(tokenizer: Any) -> None:
    assert scorer(tokenizer).score([]).shape == (0, 4)


def test_a_label_keeps_its_column_in_every_order(tokenizer: Any) -> None:
    parts, _ = scorer(tokenizer, orders=4, prepared=4).by_order(["a"], 4)
    np.testing.assert_allclose(parts, np.broadcast_to(likes(), (4, 1, 4)), rtol=1e-5)


def test_averaging_over_orders_takes_position_bias_out(tokenizer: Any) -> None:
    one = scorer(tokenizer, first=3.0).score(["a"])[0]
    all_orders = scorer(tokenizer, orders=4, prepared=4, first=3.0).score(["a"])[0]
    assert one[0] > 0.95
    np.testing.assert_allclose(all_orders, likes(), rtol=1e-4)


def test_a_temperature_flattens(tokenizer: Any) -> None:
    np.testing.assert_allclose(scorer(tokenizer, temperature=2.0).score(["a"])[0], likes(2.0), rtol=1e-5)


def test_label_bias_is_divided_out(tokenizer: Any) -> None:
    fair = calibrated(scorer(tokenizer), ["x", "y"], calibrate=True)
    np.testing.assert_allclose(fair.score(["a"])[0], [0.25] * 4, rtol=1e-4)


def test_health_says_how_far_order_and_prompt_carry(tokenizer: Any) -> None:
    biased = calibrated(scorer(tokenizer, prepared=2, first=5.0), ["x", "y"], calibrate=False)
    assert biased.health == {"label_mass": pytest.approx(0.25), "order_flips": 1.0}
    assert calibrated(scorer(tokenizer, prepared=2), ["x"], calibrate=False).health["order_flips"] == 0.0
    assert isinstance(biased.engine, Reader)
    assert len(biased.engine.seen) == 4, "two texts in two orders, each read once"


def test_labels_that_are_not_offered_share_what_the_encoder_gave_them(tokenizer: Any) -> None:
    prompt = narrow(tokenizer)
    neighbours = Neighbours(labels=prompt.labels)
    proba = PromptedScorer(prompt, tokenizer, Reader(tokenizer, 2), neighbours).score(["coffee beans", "soap bar"])
    before = neighbours.label_probabilities(["coffee beans", "soap bar"])
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    for row, was in zip(proba, before, strict=True):
        offered = np.argsort(-was, kind="stable")[:2]
        left = np.setdiff1d(np.arange(4), offered)
        np.testing.assert_allclose(row[left], was[left], rtol=1e-5)
        odds = np.log(row[offered[0]] / row[offered[1]])
        assert odds == pytest.approx(LIKES[LABELS[offered[0]]] - LIKES[LABELS[offered[1]]], rel=1e-3)


def test_a_document_sees_its_nearest_examples_and_never_itself(tokenizer: Any) -> None:
    known = [Example(t, lab) for t, lab in (("green tea", "tea"), ("hand soap", "soap"), ("rye bread", "bread"))]
    with_examples = scorer(tokenizer, neighbours=Neighbours(known), nearest=1, max_example_tokens=64)
    with_examples.score(["black tea", "hand soap"])
    reader = with_examples.engine
    assert isinstance(reader, Reader)
    assert "green tea" in reader.seen[0]
    assert reader.seen[1].count("hand soap") == 1


def test_examples_that_do_not_fit_are_left_out_the_farthest_first(tokenizer: Any) -> None:
    known = [Example("green tea", "tea"), Example("a bar of very fine soap for the hands " * 3, "soap")]
    one = scorer(tokenizer, max_example_tokens=40)
    whole = one._with_examples(one.prompt.opening(tokenizer), known[::-1])
    assert "green tea" in tokenizer.decode(whole)
    assert "soap" not in tokenizer.decode(whole)


def test_examples_keep_to_their_room_beside_options_of_a_documents_own(tokenizer: Any) -> None:
    prompt = narrow(tokenizer, spare=40)
    known = [Example("green tea", "tea"), Example("a bar of very fine soap for the hands " * 9, "soap")]
    reader = Reader(tokenizer, 2)
    neighbours = Neighbours(known, prompt.labels)
    PromptedScorer(prompt, tokenizer, reader, neighbours, nearest=2, max_example_tokens=40).score(["black tea"])
    assert "green tea" in reader.seen[0]
    assert "very fine" not in reader.seen[0]


def test_in_a_taxonomy_the_labels_of_annotated_neighbours_are_offered_too(tokenizer: Any) -> None:
    tree = read_found([(f"shop > {name}", 1) for name in LABELS], "labels")
    prompt = label_prompt.build(tokenizer, task_of("t", tree), settings(max_labels=2), orders=1)
    restored = label_prompt.from_json(json.loads(json.dumps(prompt.to_json())), tokenizer)
    assert restored == prompt
    assert prompt.labels[0].wording == "bread"
    alone = own_options(prompt, Neighbours(labels=prompt.labels), ["coffee beans"])
    likeliest = [prompt.labels[c].wording for c in alone[1][0]]
    assert likeliest[0] == "coffee"
    other = next(name for name in LABELS if name not in likeliest)
    known = [
        Example("arabica beans", f"shop > {other}"),
        Example("beans", "shop"),
        Example("coffee beans", "elsewhere"),
    ]
    proba, offered = own_options(prompt, Neighbours(known, prompt.labels), ["coffee beans"])
    assert [prompt.labels[c].wording for c in offered[0]] == ["coffee", other]
    np.testing.assert_allclose(proba, alone[0])
