"""Train the tiny language model of the examples: a prompt with a product name in, the code of its category out.

    python examples/tiny_lm/make.py examples/tiny_lm/model

The model is a Qwen2 with 1.05 million weights and its own byte-level BPE tokenizer, in the format of transformers. It
is trained for one task: the twelve categories of labels.txt, without descriptions and in this order, as laud_ray's
prompt lists them, with or without "unsure" and up to four solved examples. It is a real but fallible annotator for
tests and for an example that runs on a CPU; it has no other use.

The training data are product names from the demo catalog's grammar with another seed; none of them is in the demo. The
tokenizer is trained on all names, and the model on those of the first thousand that have one of the labels. So it errs
on unseen words, and fine-tuning can improve it. The loss is on the answer and the end mark after it. Training takes
about a minute on one core; a seed gives the same model on the same machine.

Limits: the model does not read the list of labels. It has memorised their order, and with a shuffled list it is no
better than chance. It hardly ever answers "unsure": models that were trained to do so also did it when that answer was
not offered. To find the code of a category's name in the list was learned for four labels in 600 steps of nothing else;
twelve labels would take far longer.

No third-party data or weights went into it. Licence: Apache-2.0, as the rest of this repository.
"""

import argparse
import importlib.util
import json
import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from laud_ray.labels import UNSURE
from laud_ray.models.language.prompts import Option, Prompt, codes, fenced
from laud_ray.types import Example, Label

HERE = Path(__file__).parent
LABELS = (HERE / "labels.txt").read_text(encoding="utf-8").splitlines()
CODES = list(islice(codes(), len(LABELS) + 1))
DEMO_SEED, SEED = 0, 20_000
NAMES, SEEN = 12_000, 1_000  # names of all 29 categories: the tokenizer's, and of these the model's
VOCABULARY, LONGEST = 2_048, 2_048
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PACKS, QUESTIONS = 6, 12  # one step: packs of questions that share one head
TASK_WIDE, OWN = 0.2, 0.1  # shares of packs and of questions with solved examples
SOFT = 0.1  # share of the target spread over all offered codes: the model stays in doubt
RATE, WARMUP, STEPS = 2e-3, 60, 160
TESTED = 600

logger = logging.getLogger("tiny_lm")


class Question(NamedTuple):
    """A prompt that ends where the answer begins, the index of the right code, and how many codes are offered."""

    text: str
    answer: int
    offered: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Packs laid out for one forward pass. B packs, T places, Q questions.

    A row is the prefix that its questions share, followed by the rest of each question, which attends to the prefix and
    itself.

    Attributes:
        ids: (B, T) tokens.
        positions: (B, T) places in each question's own text.
        mask: (B, 1, T, T), added to the attention: 0 where a row may look, -1e9 elsewhere.
        answers: two of (Q,), the row and the place after which each question's answer comes.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    answers: tuple[torch.Tensor, torch.Tensor]


def load_catalog() -> ModuleType:
    """Import the script that writes the demo catalog."""
    spec = importlib.util.spec_from_file_location("demo_catalog", HERE.parent / "demo" / "catalog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def names() -> tuple[list[Example], list[Example]]:
    """Return NAMES names of all categories to learn from, and the demo's own names of LABELS; no text is in both."""
    catalog = load_catalog()
    train, test = catalog.catalog(6_000, test_size=1_500, seed=DEMO_SEED)
    demo = {row.text: row.label for row in train + test}
    stream = catalog.documents(catalog.load_grammar(), random.Random(SEED), taken=demo)
    mine = [Example(row.text, row.label) for row in islice(stream, NAMES)]
    return mine, [Example(text, label) for text, label in demo.items() if label in LABELS]


def prompt_over(labels: Sequence[str], *, unsure: bool, examples: Sequence[Example] = ()) -> Prompt:
    """The prompt over labels without descriptions; "unsure" has the code after the last label's."""
    options = tuple(Option(code, Label(name)) for code, name in zip(CODES, labels, strict=False))
    return Prompt(options=options, examples=tuple(examples), unsure=CODES[len(labels)] if unsure else None)


def ask(prompt: Prompt, example: Example, shown: Sequence[Example] = ()) -> Question:
    """Ask about one example, after the shown ones; the text is what the chat template makes of the prompt."""
    content = prompt.head() + prompt.opening(examples=shown) + fenced(example.text) + prompt.tail()
    choices = [option.label.name for option in prompt.options] + ([UNSURE] if prompt.unsure else [])
    text = f"{START}user\n{content}{END}\n{START}assistant\n"
    return Question(text, choices.index(example.label), len(choices))


def packs(seen: Sequence[Example], rng: random.Random) -> Iterator[list[Question]]:
    """Yield lists of QUESTIONS questions with a common head, without end; "unsure" and examples are random."""
    known = [example for example in seen if example.label in LABELS]
    while True:
        task_wide = rng.sample(known, rng.randint(1, 4)) if rng.random() < TASK_WIDE else []
        prompt = prompt_over(LABELS, unsure=rng.random() < 0.5, examples=task_wide)
        pack = []
        for _ in range(QUESTIONS):
            example = rng.choice(known)
            shown = rng.sample(known, rng.randint(1, 4)) if rng.random() < OWN else []
            pack.append(ask(prompt, example, shown))
        yield pack


def make_tokenizer(texts: Sequence[str]) -> Qwen2Tokenizer:
    """Train a byte-level BPE tokenizer in which every letter and digit is a token, alone at the start of a line.

    It splits words like Qwen2Tokenizer, because transformers loads any tokenizer of a Qwen2 model as that class.
    """
    inner, qwen = Tokenizer(models.BPE()), Qwen2Tokenizer().backend_tokenizer
    inner.normalizer, inner.pre_tokenizer = qwen.normalizer, qwen.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    learned = json.loads(inner.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(merge) for merge in learned["merges"]],
        eos_token=END,
        pad_token=PAD,
        model_max_length=LONGEST,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT,
    )
    tokenizer.add_tokens([START], special_tokens=True)
    return tokenizer


def make_model(tokenizer: Qwen2Tokenizer) -> Qwen2ForCausalLM:
    """Return an untrained model; because it is narrow, its initial weights are larger than usual."""
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        tie_word_embeddings=True,
        initializer_range=0.06,
        max_position_embeddings=LONGEST,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen2ForCausalLM(config)
    model.set_attn_implementation("eager")  # takes a mask of our own under autocast
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    return model


def lay_out(tokenizer: Qwen2Tokenizer, questions: Sequence[Sequence[Question]]) -> Batch:
    """Pack B lists of questions, each followed by its answer."""
    rows, answers = [], []
    for pack in questions:
        prompts = tokenizer([question.text + CODES[question.answer] for question in pack])["input_ids"]
        shared = next(place for place, column in enumerate(zip(*prompts, strict=False)) if len(set(column)) > 1)
        ids, positions, owners = prompts[0][:shared], list(range(shared)), [0] * shared
        for owner, tokens in enumerate(prompts, start=1):
            ids = ids + tokens[shared:]
            positions += range(shared, len(tokens))
            owners += [owner] * (len(tokens) - shared)
            answers.append((len(rows), len(ids) - 2))
        rows.append((ids, positions, owners))
    width = max(len(ids) for ids, _, _ in rows)
    padded = [torch.tensor([part + [0] * (width - len(part)) for part in column]) for column in zip(*rows, strict=True)]
    ids, positions, owners = padded
    seen = (owners[:, None, :] == 0) | (owners[:, None, :] == owners[:, :, None])
    hidden = ~(seen & torch.ones(width, width).tril().bool())
    row, place = torch.tensor(answers).T
    return Batch(ids, positions, hidden[:, None] * -1e9, (row, place))


def scores(model: Qwen2ForCausalLM, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two of (Q, VOCABULARY), float32: the scores of the answer, and of the token after it."""
    with torch.autocast("cpu", torch.bfloat16):
        states = model.model(
            input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.mask, use_cache=False
        ).last_hidden_state
        row, place = batch.answers
        return model.lm_head(states[row, place]).float(), model.lm_head(states[row, place + 1]).float()


def train(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, source: Iterator[list[Question]], *, steps: int) -> None:
    """Train in place with AdamW: a linear warm-up, and a linear decay over the last third."""
    code_ids = torch.tensor(tokenizer.convert_tokens_to_ids(CODES))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARMUP, 1.0, 3 * (steps - step) / steps)
    )
    began = time.monotonic()
    for step in range(1, steps + 1):
        taken = list(islice(source, PACKS))
        questions = [question for pack in taken for question in pack]
        target = torch.zeros(len(questions), VOCABULARY)
        for row, (_, answer, offered) in zip(target, questions, strict=True):
            row[code_ids[:offered]] = SOFT / offered
            row[code_ids[answer]] += 1 - SOFT
        answers, ends = scores(model, lay_out(tokenizer, taken))
        after = torch.full((len(questions),), tokenizer.eos_token_id)
        loss = functional.cross_entropy(answers, target) + functional.cross_entropy(ends, after)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            right = (answers.argmax(-1) == target.argmax(-1)).float().mean()
            logger.info("step %d: loss %.3f, %.2f right, %.0f s", step, loss.item(), right, time.monotonic() - began)


@torch.inference_mode()
def measure(
    model: Qwen2ForCausalLM,
    tokenizer: Qwen2Tokenizer,
    examples: Sequence[Example],
    *,
    unsure: bool = False,
    shown: Sequence[Example] = (),
    permuted: bool = False,
) -> str:
    """Describe the share of right answers, of "unsure", and the mean probability of the answer given.

    Permuted, every QUESTIONS questions have an order of their own.
    """
    code_ids = torch.tensor(tokenizer.convert_tokens_to_ids(CODES))
    rng, right, sure, abstained = random.Random(SEED), 0.0, 0.0, 0.0
    for start in range(0, len(examples), QUESTIONS):
        labels = rng.sample(LABELS, len(LABELS)) if permuted else LABELS
        prompt = prompt_over(labels, unsure=unsure, examples=shown)
        pack = [ask(prompt, example) for example in examples[start : start + QUESTIONS]]
        answers, _ = scores(model, lay_out(tokenizer, [pack]))
        best = answers[:, code_ids].softmax(-1).max(-1)  # a code that is not offered is wrong
        right += (best.indices == torch.tensor([question.answer for question in pack])).sum().item()
        sure += best.values.sum().item()
        abstained += (best.indices == len(LABELS)).sum().item()
    right, sure, abstained = (total / len(examples) for total in (right, sure, abstained))
    return f"{right:.3f} right, {abstained:.3f} unsure, mean confidence {sure:.3f}"


def main() -> None:
    """Train, test on the demo's names, and write the folder."""
    parser = argparse.ArgumentParser(description="Train the tiny language model of the examples.")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of {PACKS * QUESTIONS} questions")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps must be at least 1, not {options.steps}")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    mine, demo = names()
    source = packs(mine[:SEEN], random.Random(SEED))
    # The prompt's own words count as often as they are read, so they end up as tokens.
    tokenizer = make_tokenizer([example.text for example in mine] + [question.text for question in next(source)] * 30)
    model = make_model(tokenizer)
    train(model, tokenizer, source, steps=options.steps)
    model.to(torch.bfloat16).save_pretrained(options.out)
    tokenizer.save_pretrained(options.out, save_jinja_files=False)

    asked = demo[:TESTED]
    for name, settings in {
        "fixed order": {},
        "with unsure": {"unsure": True},
        "with two solved examples": {"shown": [example for example in mine if example.label in LABELS][:2]},
        "permuted order": {"permuted": True},
    }.items():
        print(f"{name}: {measure(model, tokenizer, asked, **settings)}")
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(
        f"{size / 1e6:.2f} MB, {sum(part.numel() for part in model.parameters()):,} weights, {len(asked)} names tested"
    )


if __name__ == "__main__":
    main()
