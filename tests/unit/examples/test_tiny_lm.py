"""The tiny language model of the examples: small, whole, and right about product names more often than chance."""

import importlib.util
import random
import string
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2ForCausalLM

from laud_ray.models.language.prompts import Option, Prompt, codes, fenced
from laud_ray.types import Label

EXAMPLES = Path(__file__).parents[3] / "examples"
FOLDER = EXAMPLES / "tiny_lm" / "model"
LABELS = (EXAMPLES / "tiny_lm" / "labels.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def catalog() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_lm_catalog", EXAMPLES / "demo" / "catalog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


def chat(tokenizer, text: str) -> str:
    options = tuple(Option(code, Label(name)) for code, name in zip(codes(), LABELS, strict=False))
    prompt = Prompt(options=options)
    content = prompt.head() + prompt.opening() + fenced(text) + prompt.tail()
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )


def test_the_folder_is_small_and_serves_as_a_qwen2(tokenizer, model):
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000
    assert isinstance(model, Qwen2ForCausalLM)
    assert len(tokenizer) <= model.config.vocab_size
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)


def test_the_labels_are_the_demos_most_frequent(catalog):
    shares = {label: category.share for label, category in catalog.load_grammar().categories.items()}
    assert sorted(shares, key=shares.__getitem__, reverse=True)[: len(LABELS)] == LABELS


def test_a_code_is_one_token_of_its_own_after_the_generation_prompt(tokenizer):
    asked = chat(tokenizer, "Gouda slices 200 g")
    start = tokenizer(asked)["input_ids"]
    answers = [tokenizer(asked + code)["input_ids"] for code in string.ascii_letters + string.digits]
    assert all(answer[:-1] == start for answer in answers)
    assert len({answer[-1] for answer in answers}) == 62


def test_transformers_splits_words_as_the_tokenizer_file_says(catalog, tokenizer):
    plain = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    for row in catalog.catalog(100, seed=5)[0]:
        asked = chat(tokenizer, row.text)
        assert plain.encode(asked).ids == tokenizer(asked)["input_ids"]
        assert tokenizer.decode(plain.encode(asked).ids) == asked


@torch.inference_mode()
def test_it_is_right_far_more_often_than_chance_but_not_always(catalog, tokenizer, model):
    stream = catalog.documents(catalog.load_grammar(), random.Random(0))
    rows = list(islice((row for row in stream if row.label in LABELS), 200))
    code_ids = tokenizer.convert_tokens_to_ids(list(islice(codes(), len(LABELS))))
    right = 0
    for start in range(0, len(rows), 50):
        batch = rows[start : start + 50]
        inputs = tokenizer([chat(tokenizer, row.text) for row in batch], padding=True, return_tensors="pt")
        best = model(**inputs, logits_to_keep=1).logits[:, -1].argmax(-1)
        truth = torch.tensor([code_ids[LABELS.index(row.label)] for row in batch])
        right += int((best == truth).sum())
    assert 0.45 < right / len(rows) < 0.9


@torch.inference_mode()
def test_the_answer_ends_after_its_code(tokenizer, model):
    inputs = tokenizer(chat(tokenizer, "Gouda slices 200 g"), return_tensors="pt")
    answer = model.generate(**inputs, do_sample=False, max_new_tokens=4)[0, inputs["input_ids"].shape[1] :]
    assert len(answer) == 2
    assert tokenizer.decode(answer[0]) in list(islice(codes(), len(LABELS)))
    assert answer[1] == tokenizer.eos_token_id
