"""The interface between an oracle and the engine that runs its language model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from laud_ray.models.language.prompts import Option, Prompt
from laud_ray.store.ledger import Answer


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt for one vote on one document.

    Attributes:
        key: identifies the answer in the ledger.
        opening: the part of the prompt between its head and the document: the examples and the opening fence.
        text: the text of the document, without anything that could close the fence.
        attempt: 0, or 1 for the retry of an answer that could not be parsed; the further questions about a document of
            a taxonomy have 2 and 3, 4 and 5, and so on.
        own: the options of the opening, in place of the prompt's; empty if the prompt has options.
        about: the label that it asks about, where each has a question of its own.
    """

    key: str
    document_id: str
    prompt: Prompt
    opening: str
    text: str
    vote: int = 0
    attempt: int = 0
    own: tuple[Option, ...] = ()
    about: str = ""

    @property
    def options(self) -> tuple[Option, ...]:
        """The options to choose from."""
        return self.own or self.prompt.options

    @property
    def whole(self) -> str:
        return self.prompt.head() + self.opening + self.text + self.prompt.tail()


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token with its log-probability, and the likeliest alternatives with theirs."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """The output of a model.

    Attributes:
        tokens: empty if the model returns no log-probabilities.
        cut: whether the text was truncated at its length limit.
        refusal: the model's own words if it refused to answer.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cut: bool = False
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The result of asking an engine.

    Attributes:
        answers: answers by request key.
        waiting: the reason why some requests have no answer yet, or None.
    """

    answers: Mapping[str, Answer]
    waiting: str | None = None


def all_refused(answers: Mapping[str, Answer]) -> str | None:
    """Return the reason if all of several requests were refused, which points at the setup, not at the documents."""
    reasons = [answer.reason for answer in answers.values() if answer.text is None]
    return reasons[0] if len(reasons) > 1 and len(reasons) == len(answers) else None


class CallRecorder(Protocol):
    """Records the calls of an engine in the ledger."""

    def begin(self, request: Request, prompt_tokens: int) -> int | None:
        """Record a call before it is sent, with an upper bound of its prompt tokens.

        Returns:
            The number of the call, or None if it would exceed a cap.
        """
        ...

    def finish(self, number: int, completion: Completion, seconds: float) -> Answer:
        """Parse and record the answer of a call."""
        ...

    def fail(self, number: int, reason: str, *, billed: bool) -> None:
        """Record that a call failed; `billed` means that it may have been charged nevertheless."""
        ...

    def answered(self) -> int:
        """The number of answered calls in this run."""
        ...

    def refused(self) -> dict[str, int | None]:
        """The parameters that the model refused in this run, with the largest value that it accepts, or None."""
        ...

    def refuse(self, names: Mapping[str, int | None]) -> None:
        """Record further refused parameters for the rest of the run."""
        ...

    def capped(self) -> str:
        """One line that names the cap that the next call would exceed."""
        ...


class Engine(Protocol):
    """Runs a language model."""

    @property
    def at_once(self) -> int:
        """The number of documents that suits one call of `ask`."""
        ...

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        """Get answers to requests. Each call is recorded before it is sent and again as soon as it is answered.

        Raises:
            UserError: if no request can succeed until the user changes something.
        """
        ...
