"""One label from several answers: by trust, by Dawid-Skene where there are enough, else by majority. Pure."""

import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# Confusions are estimated when there are so many documents with two answers for each class: with fewer, their k * k
# cells for each oracle say more about chance than about the oracle.
PER_CLASS = 10
# The voice of a model that did not learn the answer in question.
MODEL = "model"
# Below this probability the answers are in dispute.
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody answered of a document. `label` is None for an abstention.

    Attributes:
        attempt: 1 for the first answer that was bought, then 2, 3, ...
        round: in which it was asked for.
        who: the oracle's name; asked again it is another voice.
    """

    document_id: str
    attempt: int
    round: int
    label: str | None
    who: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Labels by document, and the documents whose answers differ without a decision: their label is None."""

    labels: dict[str, str | None]
    disputed: tuple[str, ...]


def settle(opinions: Sequence[Opinion], classes: int, trusted: Collection[str] = ()) -> Settled:
    """Settle each document that has opinions, in the order in which they first come.

    The last label of a trusted voice stands. Else Dawid-Skene decides if there are enough documents with several
    voices and it is sure; else the label with the most votes. The model that doubted an answer is a voice like the
    others where a second one answered; an abstention says nothing, and then the first answer stays. No document gets a
    label that only the model gave.

    Args:
        classes: k, how many labels there are.
        trusted: voices whose word is final.
    """
    said: dict[str, list[Opinion]] = {}
    for opinion in sorted(opinions, key=lambda one: one.attempt):
        said.setdefault(opinion.document_id, [])
        if opinion.label is not None:
            said[opinion.document_id].append(opinion)
    heard = {name: {one.label for one in ones if one.who != MODEL} for name, ones in said.items()}
    several = [one for ones in said.values() if len(ones) > 1 for one in ones]
    enough = len({one.document_id for one in several}) >= PER_CLASS * classes
    likeliest = dawid_skene(several) if enough else {}
    labels: dict[str, str | None] = {}
    for name, ones in said.items():
        spoke = [one.label for one in ones if one.who != MODEL]
        label = spoke[0] if len(spoke) == 1 else _label(ones, likeliest.get(name), trusted)
        labels[name] = label if label in heard[name] else None
    return Settled(labels, tuple(name for name, label in labels.items() if label is None and heard[name]))


def dawid_skene(opinions: Sequence[Opinion]) -> dict[str, tuple[str, float]]:
    """Return each document's likeliest label and its probability, from all voices and their per-class confusions.

    Dawid and Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm".

    Args:
        opinions: none of them an abstention; a voice that spoke twice of a document counts twice.
    """
    if not opinions:
        return {}
    import pandas as pd  # seconds to import, and only an audit needs them
    from crowdkit.aggregation import DawidSkene

    rows = [(one.document_id, one.who, one.label) for one in opinions]
    with warnings.catch_warnings():
        # crowd-kit's own use of pandas.
        warnings.simplefilter("ignore", DeprecationWarning)
        proba = DawidSkene(n_iter=100).fit_predict_proba(pd.DataFrame(rows, columns=["task", "worker", "label"]))
    return {
        str(name): (str(label), float(probability))
        for name, label, probability in zip(proba.index, proba.idxmax(axis=1), proba.max(axis=1), strict=True)
    }


def _label(said: Sequence[Opinion], likeliest: tuple[str, float] | None, trusted: Collection[str]) -> str | None:
    final = [one.label for one in said if one.who in trusted]
    if final:
        return final[-1]
    if likeliest is not None:
        label, probability = likeliest
        return label if probability >= SURE else None
    votes = Counter(one.label for one in said).most_common(2)
    tied = len(votes) > 1 and votes[0][1] == votes[1][1]
    return votes[0][0] if votes and not tied else None
