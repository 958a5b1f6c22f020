"""Completions -> a label and how sure the model is of it. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from laud_ray.oracles.engines import Completion, Token
from laud_ray.prompts import ANSWER, UNSURE, Option, read_answer


def read(completion: Completion, options: Sequence[Option], unsure: str) -> tuple[str | None, float | None]:
    """Return a label's name, UNSURE or None, and the probability that the model gave to its answer."""
    label = read_answer(completion.text, options, unsure)
    said = _answer_tokens(completion)
    if label is None or not said:
        return label, None
    raw = math.exp(min(0.0, sum(token.logprob for token in said)))
    codes = [*(option.code for option in options), unsure]
    return label, max(raw, _share(said[0], codes)) if len(said) == 1 else raw


def decide(votes: Sequence[tuple[str | None, float | None]], threshold: float) -> tuple[str | None, float | None]:
    """Return the label of a document, None for an abstention, and the confidence.

    One vote's confidence is the model's own; that of several is the share of the winner. Of labels with as many
    votes the one that was said first wins.

    Args:
        votes: what each vote says (a label's name, UNSURE, or None if it says nothing), and how sure it is.
        threshold: a confidence below it is an abstention; so is one that is not known, if the threshold is above 0.
    """
    if len(votes) == 1:
        label, confidence = votes[0]
    else:
        counts = Counter(label for label, _ in votes if label is not None)
        label, most = counts.most_common(1)[0] if counts else (None, 0)
        confidence = most / len(votes) if counts else None
    sure = threshold == 0 or (confidence is not None and confidence >= threshold)
    return (label if sure and label != UNSURE else None), confidence


def _answer_tokens(completion: Completion) -> list[Token]:
    """The tokens of the answer itself: those after the last "Category:", white space apart."""
    whole = "".join(token.text for token in completion.tokens)
    start = whole.rfind(ANSWER)
    start = start + len(ANSWER) if start >= 0 else 0
    end, said = 0, []
    for token in completion.tokens:
        end += len(token.text)
        if end > start and token.text.strip():
            said.append(token)
    return said


def _share(token: Token, codes: Sequence[str]) -> float:
    """The probability of a one-token answer among the codes alone; 0 if that cannot be told.

    A code that is not among the listed tokens is as likely as the last of them at most, so this is a lower bound.
    """
    mass: dict[str, float] = defaultdict(float)
    for text, logprob in token.alternatives:
        if text.strip() in codes:
            mass[text.strip()] += math.exp(logprob)
    said = token.text.strip()
    if said not in mass or any(len(code) > 1 for code in codes):
        return 0.0
    least = min(math.exp(logprob) for _, logprob in token.alternatives)
    return mass[said] / (sum(mass.values()) + least * (len(codes) - len(mass)))
