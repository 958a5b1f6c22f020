"""Probes of language models: the documents that are asked about in several prompts, and where the answers are.

A probe is recorded before its first call is sent, so that a killed one continues with the same documents. Its answers
are in the ledger.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from laud_ray.store.store import Store
from laud_ray.store.tables import now
from laud_ray.types import Document, Example


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of an oracle.

    Attributes:
        where: the oracle's key in the configuration.
        number: 1 for the first probe of the oracle.
        documents: n documents; a later probe begins with those of the first.
        examples: the annotated examples from which each document's nearest ones are shown; empty if none are.
        prompt: the version of the prompt that is used.
        settings: all else on which an answer depends, beside the model.
        endpoint: the URL at which the model answered; None for the vendor's own, and for a model of this cluster.
        keys: of the n documents, the keys of their answers in the ledger, in the order of `oracles.probing.ASKED`.
        began, done: when it was recorded, and when the last answer came; None while answers are missing.
    """

    where: str
    number: int
    documents: tuple[Document, ...]
    examples: tuple[Example, ...]
    prompt: str
    settings: str
    endpoint: str | None
    keys: tuple[tuple[str, ...], ...]
    began: datetime
    done: datetime | None = None

    def is_of(self, prompt: str, settings: str, endpoint: str | None) -> bool:
        """Whether it asks this prompt with these settings at this endpoint."""
        return (self.prompt, self.settings, self.endpoint) == (prompt, settings, endpoint)


def probes(store: Store, where: str) -> list[Probe]:
    """Return the probes of an oracle, the first one first."""
    return list(_stored(store, where))


def save(store: Store, probe: Probe) -> None:
    """Record a probe, or its end."""
    described = asdict(probe) | {
        "began": probe.began.isoformat(),
        "done": None if probe.done is None else probe.done.isoformat(),
    }
    store.set(_key(probe.where, probe.number), json.dumps(described))


def finish(store: Store, probe: Probe) -> Probe:
    """Record that all answers of a probe have come."""
    ended = replace(probe, done=now())
    save(store, ended)
    return ended


def _stored(store: Store, where: str) -> Iterator[Probe]:
    number = 1
    while (text := store.setting(_key(where, number))) is not None:
        found = json.loads(text)
        yield Probe(
            found["where"],
            found["number"],
            tuple(Document(**one) for one in found["documents"]),
            tuple(Example(**one) for one in found["examples"]),
            found["prompt"],
            found["settings"],
            found["endpoint"],
            tuple(tuple(keys) for keys in found["keys"]),
            datetime.fromisoformat(found["began"]),
            None if found["done"] is None else datetime.fromisoformat(found["done"]),
        )
        number += 1


def _key(where: str, number: int) -> str:
    return f"probe {number} of {where}"
