"""A vote of a language model on a document: one question, or several about a taxonomy, with the answers so far."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from laud_ray.models.language.prompts import Option, Prompt, about
from laud_ray.oracles.completions.verdicts import joined
from laud_ray.oracles.engines import Request
from laud_ray.oracles.set_candidates import SetCandidates
from laud_ray.oracles.trees.candidates import Asked, Candidates
from laud_ray.oracles.trees.listing import node_labels
from laud_ray.oracles.trees.walk import FIRST, Step, ended, following
from laud_ray.store.ledger import Answer
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Example, Label


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote in progress, or a finished one.

    Attributes:
        document_id: the document.
        text: its text, without anything that could close its fence.
        number: of the vote.
        key: of its first question in the ledger.
        examples: those that its prompts show.
        step: the open question of a taxonomy.
        said: the answers that count, one for each question.
        paid: all answers, including those that could not be parsed and were asked again.
        listed: the nodes that were listed so far.
    """

    document_id: str
    text: str
    number: int
    key: str
    examples: tuple[Example, ...] = ()
    step: Step = FIRST
    said: tuple[Answer, ...] = ()
    paid: tuple[Answer, ...] = ()
    listed: frozenset[int] = frozenset()

    @property
    def label(self) -> str | None:
        """The answer that the vote comes to, as `Answer.label`."""
        # A label of a prompt without lists may be called "none of these".
        return ended([one.label for one in self.said]) if self.listed else self.said[-1].label

    @property
    def confidence(self) -> float | None:
        """The probability that the model gave to all its answers; None if it is not known."""
        known = [one.confidence for one in self.said if one.confidence is not None]
        return prod(known) if known and len(known) == len(self.said) else None

    @property
    def cost(self) -> float:
        """In dollars, of all answers."""
        return sum(one.cost for one in self.paid)

    def after(self, tries: Sequence[Answer]) -> "Vote":
        """Return the vote after the answers to its open question, of which the last counts."""
        return replace(self, said=(*self.said, tries[-1]), paid=(*self.paid, *tries))


class Questions:
    """The questions of votes: a single one, about all labels or some of them, or those of a taxonomy."""

    def __init__(
        self,
        prompt: Prompt,
        taxonomy: Taxonomy | None = None,
        candidates: Candidates | None = None,
        *,
        labels: Sequence[Label] = (),
        of_sets: SetCandidates | None = None,
        one: Prompt | None = None,
    ) -> None:
        """Create them.

        Args:
            prompt: of the task.
            taxonomy, candidates: of a prompt that lists nodes for each document.
            labels: of a multilabel task.
            of_sets: chooses those that a document is asked about; None: all of them.
            one: asks about one label; None: a document has one question about all of its labels.
        """
        self._prompt, self._tree, self._candidates = prompt, taxonomy, candidates
        self._labels, self._of_sets, self._one = tuple(labels), of_sets, one

    def requests(self, votes: Sequence[Vote]) -> list[tuple[Vote, Request]]:
        """Return the open question of each vote, or its questions about one label each, side by side.

        What a question about a taxonomy lists is noted in the vote.
        """
        if self._of_sets is not None or self._one is not None:
            shown = self._shown([vote.text for vote in votes])
            if self._one is not None:
                one = self._one
                return [(vote, _of_one(vote, label, one)) for vote in votes for label in shown[vote.text]]
            return [(vote, self._asking(vote, self._some(shown[vote.text]))) for vote in votes]
        if self._tree is None or self._candidates is None:
            return [(vote, self._request(vote, ())) for vote in votes]
        # The votes on a document have the same first list.
        wanted = {(one.text, one.step, one.listed): Asked(one.text, one.step, one.listed) for one in votes}
        lists = dict(zip(wanted, self._candidates.lists(list(wanted.values())), strict=True))
        found = []
        for vote in votes:
            nodes = lists[vote.text, vote.step, vote.listed]
            found.append((replace(vote, listed=vote.listed.union(nodes)), self._request(vote, nodes)))
        return found

    def next_step(self, vote: Vote) -> Step | None:
        """Return the next question of a vote; None if it is finished."""
        listing = self._prompt.listing
        if self._tree is None or listing is None:
            return None
        return following(self._tree, len(listing.codes), [one.label for one in vote.said])

    def _request(self, vote: Vote, nodes: Sequence[int]) -> Request:
        listing = self._prompt.listing
        own = listing.options(node_labels(self._tree, nodes)) if listing is not None and self._tree is not None else ()
        return self._asking(vote, own)

    def after(self, vote: Vote, asked: Sequence[Request], given: Mapping[str, Sequence[Answer]]) -> Vote:
        """Return a vote after the answers to its questions: the tries of each, of which the last counts."""
        if self._one is None:
            return vote.after(given[asked[0].key])
        last = [given[one.key][-1] for one in asked]
        names = [one.about for one in asked]
        label, confidence = joined(names, [(one.label, one.confidence) for one in last], self._prompt)
        whole = Answer("; ".join(str(one.text) for one in last), label, confidence)
        return replace(vote, said=(whole,), paid=tuple(answer for one in asked for answer in given[one.key]))

    def _shown(self, texts: Sequence[str]) -> dict[str, list[Label]]:
        """Return the labels that each text is asked about."""
        distinct = list(dict.fromkeys(texts))
        if self._of_sets is None:
            return {text: list(self._labels) for text in distinct}
        lists = self._of_sets.lists(distinct)
        return {text: [self._labels[i] for i in row] for text, row in zip(distinct, lists, strict=True)}

    def _some(self, shown: Sequence[Label]) -> tuple[Option, ...]:
        listing = self._prompt.listing
        assert listing is not None, "only a prompt with lists asks about some labels"
        return listing.options(shown)

    def _asking(self, vote: Vote, own: tuple[Option, ...]) -> Request:
        prompt = self._prompt
        opening = prompt.opening(own, vote.examples)
        asked = len(vote.said)
        return Request(_key(vote), vote.document_id, prompt, opening, vote.text, vote.number, 2 * asked, own)


def _of_one(vote: Vote, label: Label, prompt: Prompt) -> Request:
    """Return the question whether a label applies."""
    key = hashlib.blake2b(repr((vote.key, label.name)).encode(), digest_size=16).hexdigest()
    text = about(vote.text, label)
    return Request(key, vote.document_id, prompt, prompt.opening(), text, vote.number, about=label.name)


def _key(vote: Vote) -> str:
    """Return the key of the open question.

    It depends on the text and the answers so far, and not on what is listed. So an answer is not bought again after a
    restart in which the encoder computes slightly different numbers.
    """
    if not vote.said:
        return vote.key
    content = repr((vote.key, [one.label for one in vote.said]))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
