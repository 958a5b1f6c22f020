"""Parse an answer that says yes or no for each listed label of a multilabel task. Pure.

The prompt asks for a JSON object from codes to "yes" or "no". Thinking before it and Markdown around it are accepted.
An answer that leaves a label out, or says something else of it, is unreadable as a whole: nothing is guessed.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from laud_ray.label_sets import LabelSet
from laud_ray.models.language.prompts import Option, Prompt
from laud_ray.oracles.completions import frames
from laud_ray.oracles.completions.confidence import CUT, Parsed
from laud_ray.oracles.engines import Completion
from laud_ray.stats.multilabel.decisions import decide, exclusive_columns

YES, NO = "yes", "no"
_WORDS = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}
_VALUE = re.compile(r':\s*"?(yes|true|y|no|false|n)\b', re.IGNORECASE)
_NAMED = 3


class _UnreadableError(Exception):
    """The reason why an answer cannot be read."""


def read_verdicts(completion: Completion, options: Sequence[Option], prompt: Prompt) -> Parsed:
    """Parse a completion; the label is the text form of a set of labels.

    Args:
        options: the labels that were asked about.
        prompt: the prompt. If it has no options of its own, these are not all labels of the task.

    The confidence is the probability that the model gave to all its verdicts together.

    Example:
        Of the options A = Tea and B = Milk, {"A": "yes", "B": "no"} is the set of Tea alone.
    """
    if completion.refusal is not None:
        return Parsed(None, why=f"the model refused: {completion.refusal}")
    try:
        said, span = _verdicts(completion.text, options)
        yes = [name for name, applies in said.items() if applies]
        _require_limits(yes, prompt)
    except _UnreadableError as error:
        return Parsed(None, why=f"{error}; {CUT}" if completion.cut else str(error))
    no = None if prompt.options else [name for name, applies in said.items() if not applies]
    return Parsed(LabelSet.of(yes, no).text, _confidence(completion, span))


def read_one(completion: Completion) -> Parsed:
    """Parse a yes or a no; the label is "yes" or "no", and the confidence its share of the probability of both.

    The likelier one counts where the probabilities of its first token are known, else what was written.
    """
    if completion.refusal is not None:
        return Parsed(None, why=f"the model refused: {completion.refusal}")
    said = completion.text.strip(frames.DECORATION).casefold()
    first = next((token for token in completion.tokens if token.text.strip()), None)
    mass = {YES: 0.0, NO: 0.0}
    for text, logprob in dict([(first.text, first.logprob), *first.alternatives] if first else []).items():
        if (word := text.strip().casefold()) in mass:
            mass[word] += math.exp(min(0.0, logprob))
    total = mass[YES] + mass[NO]
    if total > 0 and said in mass:
        likelier = YES if mass[YES] >= mass[NO] else NO
        return Parsed(likelier, mass[likelier] / total)
    return Parsed(said) if said in mass else Parsed(None, why="it is neither yes nor no")


def joined(
    labels: Sequence[str], verdicts: Sequence[tuple[str | None, float | None]], prompt: Prompt
) -> tuple[str | None, float | None]:
    """Return the set that verdicts on m labels come to, None if one is missing, and its confidence.

    Where a limit of the task is exceeded, the likeliest labels apply. The confidence is the product of the
    probabilities of all verdicts, as they count in the end.

    Args:
        labels: the m labels that were asked about.
        verdicts: for each "yes" or "no", and its probability.
        prompt: of the task, with its limits; without options if these are not all labels.
    """
    if any(said is None for said, _ in verdicts):
        return None, None
    known = all(p is not None for _, p in verdicts)
    proba = np.array([_probability(said, p) for said, p in verdicts])
    groups = exclusive_columns(prompt.exclusive, labels)
    applies = decide(proba[None], np.full(len(labels), 0.5), at_most=prompt.at_most, exclusive=groups)[0]
    yes = [name for name, one in zip(labels, applies, strict=True) if one]
    no = None if prompt.options else [name for name, one in zip(labels, applies, strict=True) if not one]
    return LabelSet.of(yes, no).text, float(np.where(applies, proba, 1 - proba).prod()) if known else None


def _probability(said: str | None, p: float | None) -> float:
    """Return the probability that a label applies."""
    sure = 1.0 if p is None else p
    return sure if said == YES else min(1 - sure, np.nextafter(0.5, 0))


def decide_sets(votes: Sequence[tuple[str | None, float | None]], threshold: float) -> tuple[str | None, float | None]:
    """Return the set of a document, None for an abstention, and the confidence; arguments as for `confidence.decide`.

    Of several votes each label is decided on its own: it applies if more votes say so than deny it. One with as many
    votes for it as against it counts as not asked. The confidence is the smallest share of the votes that a decided
    label has.
    """
    if len(votes) == 1:
        label, confidence = votes[0]
    else:
        label, confidence = _majority([one for one, _ in votes if one is not None], len(votes))
    sure = threshold == 0 or (confidence is not None and confidence >= threshold)
    return (label if sure else None), confidence


def schema(options: Sequence[Option]) -> dict[str, object]:
    """Return the JSON schema of an answer, for servers that constrain what a model writes."""
    names = [option.code for option in options]
    verdict = {"type": "string", "enum": [YES, NO]}
    return {
        "type": "object",
        "properties": dict.fromkeys(names, verdict),
        "required": names,
        "additionalProperties": False,
    }


def _majority(sets: Sequence[str], votes: int) -> tuple[str | None, float | None]:
    if not sets:
        return None, None
    found = [LabelSet.parse(one) for one in sets]
    yes = Counter(name for one in found for name in one.yes)
    no = Counter(name for one in found for name in one.no or ())
    whole = all(one.no is None for one in found)
    # In whole answers, every label that a vote does not have is denied by it.
    against = {name: len(found) - yes[name] if whole else no[name] for name in {*yes, *no}}
    applies = [name for name in yes if yes[name] > against[name]]
    does_not = [name for name, count in against.items() if count > yes[name]]
    tied = [name for name in yes if yes[name] == against[name]]
    if whole and tied:  # a whole answer cannot leave a label open
        return None, 0.5 * len(found) / votes
    shares = [max(yes[name], against[name]) / votes for name in [*applies, *does_not]]
    return LabelSet.of(applies, None if whole else does_not).text, min(shares, default=len(found) / votes)


def _verdicts(answer: str, options: Sequence[Option]) -> tuple[dict[str, bool], tuple[int, int]]:
    """Return label -> whether it applies, and the part of the answer that says so.

    Raises:
        _UnreadableError: if that is not clear.
    """
    start = frames.end_of_thinking(answer)
    if start is None:
        raise _UnreadableError("it ends before its thinking does")
    begin, end = answer.find("{", start), answer.rfind("}")
    if begin < 0:
        raise _UnreadableError("it has no JSON object")
    try:
        found = json.loads(answer[begin : end + 1], object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _UnreadableError("its JSON object is not valid") from None
    said: dict[str, bool] = {}
    names = {spelling: one.label.name for one in reversed(options) for spelling in (one.label.name, one.code)}
    for key, value in found.items():
        name, applies = names.get(key.strip()), _applies(value)
        if name is None:
            raise _UnreadableError(f"it has the category {key[:40]!r}, which was not asked about")
        if applies is None:
            raise _UnreadableError(f"it says {str(value)[:40]!r} of {key[:40]!r}; expected yes or no")
        if said.setdefault(name, applies) != applies:
            raise _UnreadableError(f"it says yes and no of {key[:40]!r}")
    if lacking := [one.code for one in options if one.label.name not in said]:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        raise _UnreadableError(f"it leaves out {', '.join(lacking[:_NAMED])}{more}")
    return said, (begin, end + 1)


def _require_limits(yes: Sequence[str], prompt: Prompt) -> None:
    if prompt.at_most is not None and len(yes) > prompt.at_most:
        raise _UnreadableError(f"it says yes of {len(yes)} categories; at most {prompt.at_most} apply")
    for group in prompt.exclusive:
        if len(both := [name for name in group if name in yes]) > 1:
            raise _UnreadableError(f"it says yes of {both[0][:40]!r} and {both[1][:40]!r}, which exclude each other")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs) and any(made[key] != value for key, value in pairs):
        raise ValueError
    return made


def _applies(value: object) -> bool | None:
    if isinstance(value, str):
        return _WORDS.get(value.strip().casefold())
    return value if isinstance(value, bool) else None


def _confidence(completion: Completion, span: tuple[int, int]) -> float | None:
    """Return the product of the probabilities of the tokens with the verdicts; None if they are not known."""
    whole = "".join(token.text for token in completion.tokens)
    before = whole.rfind(completion.text)
    if not completion.tokens or before < 0:
        return None
    spans = [(before + start, before + end) for start, end in _values(completion.text, span)]
    total, end, place = 0.0, 0, 0
    for token in completion.tokens:
        start, end = end, end + len(token.text)
        while place < len(spans) and spans[place][1] <= start:
            place += 1
        if place < len(spans) and end > spans[place][0]:
            total += min(0.0, token.logprob)
    return math.exp(total)


def _values(text: str, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    return (match.span(1) for match in _VALUE.finditer(text, *span))
