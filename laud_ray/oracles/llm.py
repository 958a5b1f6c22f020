"""The oracle that asks a language model: prompts, votes, retries and caching. An `Engine` runs the model."""

import hashlib
import itertools
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace

from laud_ray.config import LlmConfig
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language.prompts import Listing, Option, Prompt, codes, fenced, label_line
from laud_ray.oracles.account import Account, answer_tokens, needs_confidence
from laud_ray.oracles.completions.confidence import decide, was_cut
from laud_ray.oracles.completions.silence import FIRST, abstained, unread
from laud_ray.oracles.completions.verdicts import NO, YES, decide_sets
from laud_ray.oracles.engines import Engine, Request
from laud_ray.oracles.trees.listing import listing, lists_all, shown_labels
from laud_ray.oracles.votes import Questions, Vote
from laud_ray.store.ledger import Answer, Ledger
from laud_ray.types import Annotation, Document, Example, Label, Task

logger = logging.getLogger(__name__)

VOTE_TEMPERATURE = 0.7


def temperature(config: LlmConfig) -> float:
    """The sampling temperature: as configured, or else 0 for one vote and VOTE_TEMPERATURE for several."""
    if config.temperature is not None:
        return config.temperature
    return VOTE_TEMPERATURE if config.votes > 1 else 0.0


def oracle_prompt(
    config: LlmConfig, task: Task, chosen: Sequence[str] = (), *, wording: int = 0, reverse: bool = False
) -> Prompt:
    """Return the prompt of a configuration: a code for each of the k labels, and one for "unsure".

    If they are too many leaves of a taxonomy for a list, each document has a list of its own, with "none of these".

    Args:
        chosen: k + 1 codes, the last one for "unsure"; for lists as `trees.listing.listing` takes them. By default the
            first codes that no label is called.
        wording: the number of its instructions; 0 is the wording that is used.
        reverse: whether the labels are listed, and get their codes, in the reverse of the configured order.
    """
    if task.multilabel:
        return _set_prompt(config, task, wording=wording, reverse=reverse)
    if not lists_all(task, config.shortlist):
        listed, unsure = listing(task, config.shortlist, chosen, reverse=reverse)
        return Prompt((), config.guideline, unsure=unsure, rationale=config.rationale, wording=wording, listing=listed)
    labels = shown_labels(task)
    *names, unsure = chosen or itertools.islice(codes(labels), len(labels) + 1)
    labels = labels[::-1] if reverse else labels
    options = tuple(Option(code, label) for code, label in zip(names, labels, strict=True))
    return Prompt(options, config.guideline, unsure=unsure, rationale=config.rationale, wording=wording)


def one_prompt(config: LlmConfig) -> Prompt:
    """Return the prompt that asks whether one label of a multilabel task applies."""
    options = tuple(Option(word, Label(word)) for word in (YES, NO))
    return Prompt(options, config.guideline, one=True)


def _set_prompt(config: LlmConfig, task: Task, *, wording: int, reverse: bool) -> Prompt:
    """Return the prompt that asks about each label; without options if a document has a list of its own."""
    options: tuple[Option, ...] = ()
    listed: Listing | None = None
    if lists_all(task, config.shortlist):
        labels = task.labels[::-1] if reverse else task.labels
        options = tuple(Option(code, label) for code, label in zip(codes(task.labels), labels, strict=False))
    else:
        names = hashlib.blake2b(repr([label_line(one) for one in task.labels]).encode(), digest_size=8).hexdigest()
        listed = Listing(names, tuple(itertools.islice(codes(task.labels), config.shortlist)), "", reverse)
    return Prompt(
        options,
        config.guideline,
        wording=wording,
        listing=listed,
        each=True,
        at_most=task.at_most,
        exclusive=task.exclusive,
    )


def answer_key(config: LlmConfig, version: str, text: str, vote: int) -> str:
    """Return a hash of everything on which an answer depends, except the examples shown with the document.

    Args:
        version: of the prompt.
        text: without anything that could close its fence.
    """
    settings = (temperature(config), answer_tokens(config), config.examples)
    content = repr((config.engine, config.model, version, settings, vote, text))
    if not config.chat_template:
        content += "plain"
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


class LlmOracle:
    """Asks a language model for one or several votes per document, and abstains below the confidence threshold.

    An answer that cannot be parsed is retried once; if the second one cannot be parsed either, the vote counts for no
    label. Answers that the ledger has are never bought again.

    Attributes:
        waiting: the reason why the last call left documents pending. Once it is set, no further calls are made.
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
        last: bool = True,
        questions: Questions | None = None,
    ) -> None:
        """Create the oracle.

        Args:
            examples: annotated examples from which each document's nearest neighbours are shown.
            where: the key of the configuration, for messages.
            attempt: a later attempt uses vote numbers after those of earlier attempts, so its answers are new.
            last: whether no other oracle is asked where this one abstains.
            questions: those of a taxonomy whose prompts list nodes. None: a single one with all labels.
        """
        self._questions = questions or Questions(prompt)
        self._where, self._decides = where, last and attempt == 1
        self._trusted: bool | None = None
        self._refused: dict[str, Answer] = {}
        self._votes_before = (attempt - 1) * config.votes
        self._config, self._engine, self._ledger = config, engine, ledger
        self._prompt, self.name = prompt, config.name
        self._account = Account(ledger, config, where, self.name, prompt)
        self._neighbours = Neighbours(examples)
        self.waiting: str | None = None

    @property
    def at_once(self) -> int:
        return self._engine.at_once

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        """Annotate documents. The first few of a run are asked before all others, as a test.

        Raises:
            ConfigError: if none of the first answers can be used, since the others would hardly be better.
        """
        if self._trusted is None:
            self._trusted = self._account.was_read()
        if not self._trusted and documents:
            self._trusted = self._try(documents[: self._first])
        return self._annotated(documents)

    @property
    def _first(self) -> int:
        """The number of documents for the test: all, if starting the engine costs more than asking it."""
        return sys.maxsize if self.at_once == sys.maxsize else max(2, FIRST // self._config.votes)

    def _try(self, documents: Sequence[Document]) -> bool:
        """Ask about the first documents of a run; return whether any answer could be used."""
        if needs_confidence(self._config) and self._first < sys.maxsize:
            self._answers(self._requests(documents[:1]))  # one answer shows whether the model returns a confidence
        answers = list(self._answers(self._requests(documents)).values())
        if (error := unread(answers, self._account.answered(), self._config, self._where)) is not None:
            raise error
        found = self._annotated(documents)
        of_use = any(one.label is not None for one in found)
        answered = [answer for answer in answers if answer.label is not None]
        if not of_use and self._decides and (error := abstained(answered, self._config, self._where)) is not None:
            raise error
        return of_use

    def _requests(self, documents: Sequence[Document]) -> list[Request]:
        return [request for _, request in self._questions.requests(self._begun(documents))]

    def _annotated(self, documents: Sequence[Document]) -> list[Annotation]:
        votes = self._votes(documents)
        complete = (d.id for d in documents if len(votes.get(d.id, ())) == self._config.votes)
        return [self._annotation(name, votes[name]) for name in complete]

    def _votes(self, documents: Sequence[Document]) -> dict[str, list[Vote]]:
        """Return the finished votes on each document, in their order."""
        left, finished = self._begun(documents), list[Vote]()
        while left:
            asked = self._questions.requests(left)
            given = self._tries([request for _, request in asked])
            left = []
            for vote, requests in _by_vote(asked):
                if all(request.key in given for request in requests):
                    said = self._questions.after(vote, requests, given)
                    step = self._questions.next_step(said)
                    if step is None:
                        finished.append(said)
                    else:
                        left.append(replace(said, step=step))
        votes: dict[str, list[Vote]] = {}
        for vote in sorted(finished, key=lambda vote: vote.number):
            votes.setdefault(vote.document_id, []).append(vote)
        return votes

    def _tries(self, requests: Sequence[Request]) -> dict[str, list[Answer]]:
        """Return by key the answers to requests: one, or two of which the second counts. Pending ones are left out."""
        first = self._answers(requests)
        again = {r.key: _again(r) for r in requests if r.key in first and _unread(first[r.key])}
        second = self._answers(list(again.values()))
        silent = sum(answer.label is None for answer in second.values())
        if silent:
            logger.warning("%d answers of %s could not be parsed in two tries: no label", silent, self._config.model)
        found: dict[str, list[Answer]] = {}
        for key, answer in first.items():
            tries = [answer, second.get(again[key].key)] if key in again else [answer]
            given = [one for one in tries if one is not None]
            if len(given) == len(tries):
                found[key] = given
        return found

    def _begun(self, documents: Sequence[Document]) -> list[Vote]:
        """Return the votes on each document, without answers."""
        texts = [fenced(document.text[: self._config.max_text_chars]) for document in documents]
        rows = zip(documents, texts, self._neighbours.nearest(texts, self._config.examples), strict=True)
        return [
            Vote(document.id, text, vote, answer_key(self._config, self._prompt.version, text, vote), examples)
            for document, text, examples in rows
            for vote in range(self._votes_before, self._votes_before + self._config.votes)
        ]

    def _answers(self, requests: Sequence[Request]) -> dict[str, Answer]:
        """Return the answers that the ledger has, and the engine's answers to the other requests."""
        known = self._refused | self._ledger.answers([request.key for request in requests])
        missing = {request.key: request for request in requests if request.key not in known}
        if missing and not self.waiting:
            asked = self._engine.ask(list(missing.values()), self._account)
            self.waiting = asked.waiting
            self._refused |= {key: answer for key, answer in asked.answers.items() if answer.text is None}
            known |= asked.answers
        return {request.key: known[request.key] for request in requests if request.key in known}

    def _annotation(self, document_id: str, votes: Sequence[Vote]) -> Annotation:
        """Combine the votes on a document into an annotation."""
        for vote in votes:
            for answer in vote.said:
                self._account.require_confidence(answer)
        given = [(vote.label, vote.confidence) for vote in votes]
        label, confidence = (decide_sets if self._prompt.each else decide)(given, self._config.threshold)
        return Annotation(document_id, label, self.name, sum(vote.cost for vote in votes), confidence)


def _by_vote(asked: Sequence[tuple[Vote, Request]]) -> list[tuple[Vote, list[Request]]]:
    """Group questions by their votes, which follow one another."""
    return [(vote, [request for _, request in some]) for vote, some in itertools.groupby(asked, key=lambda one: one[0])]


def _again(request: Request) -> Request:
    return replace(request, key=f"{request.key}-again", attempt=request.attempt + 1)


def _unread(answer: Answer) -> bool:
    """Whether an answer could not be parsed and is worth a retry: a truncated answer would be truncated again."""
    return answer.label is None and answer.text is not None and not was_cut(answer)
