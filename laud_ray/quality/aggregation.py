"""Settle on one label from several answers: by trust, by Dawid-Skene if there are enough, else by majority. Pure."""

import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# Dawid-Skene is used from this many documents with two answers for each class. With fewer, the k * k confusions of each
# oracle would be estimated mostly from chance.
PER_CLASS = 10
# With more classes Dawid-Skene is not used: its k * k confusions of each oracle would fill the memory.
MOST_CLASSES = 1000
# The name of the model as an annotator; it was not trained on the answer in question.
MODEL = "model"
# Below this probability of the likeliest label, the answers are in dispute.
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Opinion:
    """An answer about a document.

    Attributes:
        document_id: the document.
        attempt: 1 for the first answer that was bought, then 2, 3, ...
        round: the round in which it was requested.
        label: the answered label; None for an abstention.
        who: the annotator's name; a second answer of the same oracle has another name.
    """

    document_id: str
    attempt: int
    round: int
    label: str | None
    who: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The settled labels.

    Attributes:
        labels: document id -> label; None if there is no decision, or only abstentions.
        disputed: the ids of the documents whose answers differ without a decision.
    """

    labels: dict[str, str | None]
    disputed: tuple[str, ...]


def settle(opinions: Sequence[Opinion], classes: int, trusted: Collection[str] = ()) -> Settled:
    """Settle on a label for each document that has opinions, in the order of their first opinions.

    The last label of a trusted annotator is final. Without one, Dawid-Skene decides if there are at most 1,000 classes
    and enough documents with several labels, and the document is in dispute if it is not sure. Otherwise the label with
    the most votes wins, and a tie is in dispute. The model that doubted an answer has a vote as well, but only if the
    document got a second label; otherwise (a second answer that is an abstention) the first label stays. A label that
    only the model gave never wins.

    Args:
        opinions: all opinions, including those of the model.
        classes: the number of labels, k.
        trusted: the names of the annotators whose labels are final.
    """
    said: dict[str, list[Opinion]] = {}
    for opinion in sorted(opinions, key=lambda one: one.attempt):
        said.setdefault(opinion.document_id, [])
        if opinion.label is not None:
            said[opinion.document_id].append(opinion)
    heard = {name: {one.label for one in ones if one.who != MODEL} for name, ones in said.items()}
    several = [one for ones in said.values() if len(ones) > 1 for one in ones]
    enough = classes <= MOST_CLASSES and len({one.document_id for one in several}) >= PER_CLASS * classes
    likeliest = dawid_skene(several) if enough else {}
    labels: dict[str, str | None] = {}
    for name, ones in said.items():
        spoke = [one.label for one in ones if one.who != MODEL]
        label = spoke[0] if len(spoke) == 1 else _label(ones, likeliest.get(name), trusted)
        labels[name] = label if label in heard[name] else None
    return Settled(labels, tuple(name for name, label in labels.items() if label is None and heard[name]))


def dawid_skene(opinions: Sequence[Opinion]) -> dict[str, tuple[str, float]]:
    """Return each document's likeliest label and its probability, given the estimated confusions of all annotators.

    Dawid and Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm".

    Args:
        opinions: without abstentions; an annotator who labelled a document twice counts twice.
    """
    if not opinions:
        return {}
    import pandas as pd  # these imports take seconds, and only an audit needs them
    from crowdkit.aggregation import DawidSkene

    rows = [(one.document_id, one.who, one.label) for one in opinions]
    with warnings.catch_warnings():
        # crowd-kit uses deprecated functions of pandas.
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
