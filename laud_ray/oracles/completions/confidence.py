"""Completions -> a label and the model's confidence in it. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.labels import UNSURE
from laud_ray.models.language.prompts import Option
from laud_ray.oracles.completions.parsing import Reading, read_answer
from laud_ray.oracles.engines import Completion, Token
from laud_ray.store.ledger import Answer

# Stored in the ledger as a part of the reason, so the wording must not change.
CUT = "it was cut at its length limit"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed completion.

    Attributes:
        label: a label's name, UNSURE, or None if it could not be parsed.
        confidence: the probability that the model gave to its answer; None if it is not known.
        why: the reason why the label is None.
    """

    label: str | None
    confidence: float | None = None
    why: str | None = None


def read(completion: Completion, options: Sequence[Option], unsure: str) -> Parsed:
    """Parse a completion.

    Args:
        unsure: the code that stands for an abstention.
    """
    if completion.refusal is not None:
        return Parsed(None, why=f"the model refused: {completion.refusal}")
    found = read_answer(completion.text, options, unsure, cut=completion.cut)
    if found.label is None:
        return Parsed(None, why=f"{found.why}; {CUT}" if completion.cut else found.why)
    said = _tokens_of(completion, found)
    if not said:
        return Parsed(found.label)
    raw = math.exp(min(0.0, sum(token.logprob for token in said)))
    codes = [*(option.code for option in options), unsure]
    return Parsed(found.label, max(raw, _share(said[0], codes)) if len(said) == 1 else raw)


def was_cut(answer: Answer) -> bool:
    """Whether an answer could not be parsed and was truncated at its length limit."""
    return answer.label is None and CUT in (answer.reason or "")


def decide(votes: Sequence[tuple[str | None, float | None]], threshold: float) -> tuple[str | None, float | None]:
    """Return the label of a document, None for an abstention, and the confidence.

    The confidence of a single vote is the model's own; that of several votes is the winner's share. A tie goes to the
    label that was given first.

    Args:
        votes: each vote's label (a label's name, UNSURE, or None if it could not be parsed), and its confidence.
        threshold: a lower confidence is an abstention; so is an unknown one, if the threshold is above 0.

    Example:
        decide([("Tea", None), ("Tea", None), ("Coffee", None)], 0.5) is ("Tea", 2 / 3).
    """
    if len(votes) == 1:
        label, confidence = votes[0]
    else:
        counts = Counter(label for label, _ in votes if label is not None)
        label, most = counts.most_common(1)[0] if counts else (None, 0)
        confidence = most / len(votes) if counts else None
    sure = threshold == 0 or (confidence is not None and confidence >= threshold)
    return (label if sure and label != UNSURE else None), confidence


def _tokens_of(completion: Completion, found: Reading) -> list[Token]:
    """Return the tokens that name the label, without white space.

    A server may have removed the thinking from the text but not from the tokens, so the text is located among them.
    If it cannot be found, as when one letter is several byte tokens, all tokens count: their joint probability is a
    lower bound.
    """
    whole = "".join(token.text for token in completion.tokens)
    before = whole.rfind(completion.text)
    if before < 0:
        return [token for token in completion.tokens if token.text.strip()]
    end, said = 0, list[Token]()
    for token in completion.tokens:
        start, end = end, end + len(token.text)
        if end > before + found.start and start < before + found.end and token.text.strip():
            said.append(token)
    return said


def _share(token: Token, codes: Sequence[str]) -> float:
    """Return the probability of a one-token answer, normalised over the codes; 0 if it cannot be computed.

    A code that is not among the listed alternatives is at most as likely as the least likely of them, so the result
    is a lower bound.
    """
    mass: dict[str, float] = defaultdict(float)
    for text, logprob in token.alternatives:
        if text.strip() in codes:
            mass[text.strip()] += math.exp(logprob)
    said = token.text.strip()
    if said not in mass or any(len(code) > 1 for code in codes):
        return 0.0
    least = min(math.exp(logprob) for _, logprob in token.alternatives)
    whole = sum(mass.values()) + least * (len(codes) - len(mass))
    return mass[said] / whole if whole else 0.0
