"""A language model answers. What it runs on is the engine's; what is asked and what an answer means is here."""

import hashlib
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace

from laud_ray.calls import Answer, Ledger
from laud_ray.config import LlmConfig
from laud_ray.neighbours import Neighbours
from laud_ray.oracles.account import Account, answer_tokens
from laud_ray.oracles.engines import Engine, Request
from laud_ray.oracles.reading import decide
from laud_ray.prompts import Option, Prompt, codes, fenced
from laud_ray.types import Annotation, Document, Example, Task

logger = logging.getLogger(__name__)

VOTE_TEMPERATURE = 0.7


def temperature(config: LlmConfig) -> float:
    """Of sampling: as configured, or else 0 for one answer and more for several, which are to differ."""
    if config.temperature is not None:
        return config.temperature
    return VOTE_TEMPERATURE if config.votes > 1 else 0.0


def oracle_prompt(config: LlmConfig, task: Task, chosen: Sequence[str] = ()) -> Prompt:
    """The prompt of a configuration: an option for each label under a code, and "unsure" under the last one.

    Args:
        chosen: k + 1 codes; by default the plainest that no label is called.
    """
    *names, unsure = chosen or itertools.islice(codes(task.labels), len(task.labels) + 1)
    options = tuple(Option(code, label) for code, label in zip(names, task.labels, strict=True))
    return Prompt(options, config.guideline, unsure=unsure, rationale=config.rationale)


class LlmOracle:
    """Asks a language model, once or in several votes, and abstains where it is not sure.

    An answer that cannot be read is asked for once more, and is then a vote for nothing. Answers that the ledger
    has are never asked for again.

    Attributes:
        waiting: why the last call left documents pending; after that nothing new is asked.
    """

    def __init__(
        self,
        config: LlmConfig,
        prompt: Prompt,
        engine: Engine,
        ledger: Ledger,
        *,
        examples: Sequence[Example] = (),
        where: str = "oracle",
        attempt: int = 1,
    ) -> None:
        """Begin with the votes after those of earlier attempts, so that documents are asked about anew."""
        self._votes_before = (attempt - 1) * config.votes
        self._config, self._engine, self._ledger = config, engine, ledger
        self._prompt, self.name = prompt, f"llm:{config.model}"
        self._account = Account(ledger, config, where, self.name, prompt)
        self._neighbours = Neighbours(examples)
        self.waiting: str | None = None

    @property
    def at_once(self) -> int:
        return self._engine.at_once

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        votes = self._votes(self._requests(documents))
        complete = (d.id for d in documents if len(votes.get(d.id, ())) == self._config.votes)
        return [self._annotation(name, votes[name]) for name in complete]

    def _votes(self, requests: Sequence[Request]) -> dict[str, list[list[Answer]]]:
        """Return the votes there are on each document: an answer each, or two of which the second counts."""
        first = self._answers(requests)
        unread = {r.key: _again(r) for r in requests if r.key in first and _unread(first[r.key])}
        second = self._answers(list(unread.values()))
        silent = sum(_unread(answer) for answer in second.values())
        if silent:
            logger.warning("%d answers of %s could not be read in two tries: no label", silent, self._config.model)
        votes: dict[str, list[list[Answer]]] = {}
        for request in requests:
            tries = [first.get(request.key)]
            if request.key in unread:
                tries.append(second.get(unread[request.key].key))
            given = [answer for answer in tries if answer is not None]
            if len(given) == len(tries):
                votes.setdefault(request.document_id, []).append(given)
        return votes

    def _requests(self, documents: Sequence[Document]) -> list[Request]:
        """One request for each vote on each document."""
        texts = [fenced(document.text[: self._config.max_text_chars]) for document in documents]
        rows = zip(documents, texts, self._neighbours.nearest(texts, self._config.examples), strict=True)
        return [
            Request(
                self._key(text, vote), document.id, self._prompt, self._prompt.opening(examples=examples), text, vote
            )
            for document, text, examples in rows
            for vote in range(self._votes_before, self._votes_before + self._config.votes)
        ]

    def _key(self, text: str, vote: int) -> str:
        """Changes with everything that an answer depends on, its own examples apart."""
        config = self._config
        settings = (temperature(config), answer_tokens(config), config.examples)
        content = repr((config.engine, config.model, self._prompt.version, settings, vote, text))
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def _answers(self, requests: Sequence[Request]) -> dict[str, Answer]:
        """What the ledger knows, and the engine's answers to the rest."""
        known = self._ledger.answers([request.key for request in requests])
        missing = {request.key: request for request in requests if request.key not in known}
        if missing and not self.waiting:
            asked = self._engine.ask(list(missing.values()), self._account)
            self.waiting = asked.waiting
            known |= asked.answers
        return known

    def _annotation(self, document_id: str, votes: Sequence[Sequence[Answer]]) -> Annotation:
        """Make an annotation of a document's votes."""
        last = [tries[-1] for tries in votes]
        for answer in last:
            self._account.require_confidence(answer)
        label, confidence = decide([(answer.label, answer.confidence) for answer in last], self._config.threshold)
        cost = sum(answer.cost for tries in votes for answer in tries)
        return Annotation(document_id, label, self.name, cost, confidence)


def _again(request: Request) -> Request:
    return replace(request, key=f"{request.key}-again", attempt=1)


def _unread(answer: Answer) -> bool:
    return answer.label is None and answer.text is not None
