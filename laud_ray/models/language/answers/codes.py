"""Codes of one token that stand for the labels in a prompt: letters in order, or a keyword from each label's name.

A keyword is the token with which a word of the name begins, such as "Beef" for "Beef Products". A large instruct model
connects any code with the label beside it. A small one does not, but it may know which words belong to a text, and the
probability of a keyword then says something about the label (a verbalizer; Schick & Schuetze 2021, "Exploiting Cloze
Questions for Few Shot Text Classification and Natural Language Inference", arXiv 2001.07676).
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from laud_ray.errors import ModelError
from laud_ray.labels import fold
from laud_ray.models.language.chat import encode, frame
from laud_ray.models.language.prompts import Prompt, codes
from laud_ray.types import Label

# How many candidate codes are tried; those that are not a single token are skipped.
CANDIDATES = 800
# What makes a keyword worse: each other label whose name has it too, each word before it, and a token of one or two
# letters, which says little. A code that says nothing is worse than all keywords, and better than none.
SHARED, LATER, PARTIAL, SHORT = 3.0, 1.0, 1.0, 1.5
NEVER = 1e6
_WORD = re.compile(r"[^\W_]+")


def choose_codes(tokenizer: Any, n: int, name: str, labels: Sequence[Label] = ()) -> list[tuple[str, int]]:
    """Find up to n codes that are a single token at the beginning of the answer, all with distinct tokens.

    A code never equals the name of a label. Depending on how the prompt ends, an answer begins with the code itself or
    with a space (as in plain text); in the second case the code's token includes the space.

    Args:
        tokenizer: the model's tokenizer.
        n: how many codes are wanted.
        name: the model's name, for the error.
        labels: the labels of the task.

    Returns:
        Pairs of a code and its token id; fewer than n if the tokenizer has no more.

    Raises:
        ModelError: if fewer than two codes are found.
    """
    suffix = frame(tokenizer, Prompt()).suffix
    leads = ("", " ") if tokenizer.chat_template else (" ", "")
    best = max((_single_tokens(tokenizer, suffix, lead, n, labels) for lead in leads), key=len)
    if len(best) < 2:
        raise ModelError(f"model: {name!r} has {len(best)} single-token codes after its prompt; expected at least 2")
    return best


def choose_keywords(tokenizer: Any, labels: Sequence[Label], name: str) -> list[tuple[str, int]]:
    """Find a code for each of k labels: a keyword from its name, or if it has none of its own, a letter or number.

    Keywords are assigned so that together they are as early in their names, as whole and as distinctive as possible.

    Args:
        tokenizer: the model's tokenizer.
        labels: the k labels.
        name: the model's name, for the error.

    Returns:
        k pairs of a code and its token id, in the order of the labels; all tokens are distinct.

    Raises:
        ModelError: if the tokenizer has too few codes.
    """
    suffix = frame(tokenizer, Prompt(keywords=True)).suffix
    found = [_keywords(tokenizer, suffix, label) for label in labels]
    shared = Counter(token for one in found for token in one)
    names = [fold(label.name) for label in labels]
    plain = _single_tokens(tokenizer, suffix, " ", 2 * len(labels), labels)
    tokens = sorted({*shared, *(token for _, token in plain)})
    column = {token: j for j, token in enumerate(tokens)}
    costs = np.full((len(labels), len(tokens)), NEVER)
    costs[:, [column[token] for _, token in plain]] = NEVER / (2 * len(labels)) + np.arange(len(plain))
    for i, one in enumerate(found):
        for token, (text, cost) in one.items():
            if fold(text) not in names[:i] + names[i + 1 :]:
                costs[i, column[token]] = cost + SHARED * (shared[token] - 1)
    rows, chosen = linear_sum_assignment(costs) if len(tokens) >= len(labels) else ((), ())
    if len(rows) < len(labels) or costs[rows, chosen].max() >= NEVER:
        raise ModelError(
            f"model: {name!r} has too few single-token codes for {len(labels)} labels; expected another model, or "
            "answers: codes"
        )
    letters = {token: text for text, token in plain}
    return [
        (found[i][tokens[j]][0] if tokens[j] in found[i] else letters[tokens[j]], tokens[j])
        for i, j in zip(rows, chosen, strict=True)
    ]


def _keywords(tokenizer: Any, suffix: str, label: Label) -> dict[int, tuple[str, float]]:
    """Return the first token of each word of a label's name, with its text and what it costs to choose it."""
    before, found = encode(tokenizer, suffix), dict[int, tuple[str, float]]()
    for place, word in enumerate(_WORD.findall(label.name)):
        after = encode(tokenizer, f"{suffix} {word}")
        text = tokenizer.decode(after[len(before) : len(before) + 1]).strip()
        if after[: len(before)] != before or not text or not word.startswith(text):
            continue
        if encode(tokenizer, f"{suffix} {text}") == after[: len(before) + 1]:
            cost = LATER * place + PARTIAL * (text != word) + SHORT * max(0, 3 - len(text))
            found.setdefault(after[len(before)], (text, cost))
    return found


def _single_tokens(tokenizer: Any, suffix: str, lead: str, n: int, labels: Sequence[Label]) -> list[tuple[str, int]]:
    before = encode(tokenizer, suffix)
    found: dict[int, str] = {}
    for code in islice(codes(labels), CANDIDATES):
        after = encode(tokenizer, suffix + lead + code)
        if len(after) == len(before) + 1 and after[:-1] == before:
            found.setdefault(after[-1], code)
        if len(found) == n:
            break
    return [(text, token) for token, text in found.items()]
