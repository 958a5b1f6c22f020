"""What an oracle and the engine of its language model say to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from laud_ray.models.language.prompts import Prompt
from laud_ray.store.ledger import Answer


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt for one vote on one document.

    Attributes:
        opening: what stands between the prompt's head and the text: examples, and the fence.
        text: the document's, with nothing in it that could end the fence.
        attempt: 1 where the answer of attempt 0 could not be read.
    """

    key: str
    document_id: str
    prompt: Prompt
    opening: str
    text: str
    vote: int = 0
    attempt: int = 0

    @property
    def whole(self) -> str:
        return self.prompt.head() + self.opening + self.text + self.prompt.tail()


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token with its log-probability, and the likeliest tokens in its place with theirs."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model generated.

    Attributes:
        tokens: empty where log-probabilities are not to be had.
        cut: whether it ended at its length limit.
        refusal: why the model would not answer, in its own words.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cut: bool = False
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers by key; waiting says why requests are left without one."""

    answers: Mapping[str, Answer]
    waiting: str | None = None


def all_refused(answers: Mapping[str, Answer]) -> str | None:
    """The reason, where every one of several documents was refused: it is hardly the documents' fault then."""
    reasons = [answer.reason for answer in answers.values() if answer.text is None]
    return reasons[0] if len(reasons) > 1 and len(reasons) == len(answers) else None


class Desk(Protocol):
    """Where an engine books its calls."""

    def begin(self, request: Request, prompt_tokens: int) -> int | None:
        """Book a call of at most so many prompt tokens; None if a cap forbids it."""
        ...

    def finish(self, number: int, completion: Completion, seconds: float) -> Answer:
        """Read and record the answer of a call."""
        ...

    def fail(self, number: int, reason: str, *, billed: bool) -> None:
        """Record that a call failed; billed: it may have been paid for all the same."""
        ...

    def answered(self) -> int:
        """How many calls of this run were answered."""
        ...

    def refused(self) -> dict[str, int | None]:
        """Return the parameters that the model refused in this run, with the largest value that it takes or None."""
        ...

    def refuse(self, names: Mapping[str, int | None]) -> None:
        """Record further ones for the rest of the run."""
        ...

    def capped(self) -> str:
        """Say which cap forbids the next call, in a line."""
        ...


class Engine(Protocol):
    """Runs a language model. at_once is how many documents it wants in one call."""

    @property
    def at_once(self) -> int: ...

    def ask(self, requests: Sequence[Request], desk: Desk) -> Asked:
        """Get answers to requests, each booked before it is sent and recorded as soon as it is answered.

        Raises:
            UserError: if no request can succeed before the user changes something.
        """
        ...
