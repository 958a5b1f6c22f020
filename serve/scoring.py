"""Score texts, and tell a text that cannot be scored, which fails alone, from a broken engine.

n texts, k classes.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from laud_ray.models.faults import Scoring, checked, engine_errors, reason, sums_to_one
from laud_ray.types import Floats, Scorer, TokenScorer

Item = TypeVar("Item")

# (n, k) probabilities, and the reason for each text without probabilities, by its index; its row is zero.
Scores = tuple[Floats, dict[int, str]]


def score_texts(scorer: Scorer, texts: Sequence[str]) -> Scores:
    """Score n texts.

    Raises:
        EngineError: if the engine is broken.
    """
    known, probe, sums = scorer.labels[:3], getattr(scorer, "probe", None), sums_to_one(scorer)
    return _scored(Scoring(scorer.score, texts, len(scorer.labels), known=known, probe=probe, sums=sums))


def score_tokens(scorer: TokenScorer, ids: Sequence[Sequence[int]]) -> Scores:
    """Score the token ids of n texts.

    Raises:
        EngineError: if the engine is broken.
    """
    k, sums = len(scorer.labels), sums_to_one(scorer)
    with suppress(Exception):  # the code below tries again, in smaller parts
        return checked(scorer.score_tokens(ids), len(ids), k, sums=sums), {}
    with engine_errors():
        known = scorer.tokenize(scorer.labels[:3])
    return _scored(Scoring(scorer.score_tokens, ids, k, known=known, sums=sums))


def _scored(scoring: Scoring[Item]) -> Scores:
    scoring.run()
    return scoring.proba, scoring.failures


def tokenize_apart(scorer: TokenScorer, texts: Sequence[str]) -> tuple[list[list[int]], dict[int, str]]:
    """Return the token ids of n texts, empty for a text that cannot be tokenized, and the reasons by index.

    Raises:
        Exception: the error of the tokenizer, if it cannot tokenize the name of a label either.
    """
    try:
        return scorer.tokenize(texts), {}
    except Exception:  # noqa: BLE001 - the worker's edge: the texts are tried alone
        scorer.tokenize(scorer.labels[:1])
    ids: list[list[int]] = []
    failures: dict[int, str] = {}
    for i, text in enumerate(texts):
        try:
            ids += scorer.tokenize([text])
        except Exception as error:  # noqa: BLE001 - the worker's edge: the error becomes data
            ids.append([])
            failures[i] = reason(error)
    return ids, failures
