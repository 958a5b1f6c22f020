"""Ask a language model about documents in several prompts of the same meaning, and in one prompt twice."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from laud_ray.config import LlmConfig
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language.prompts import WORDINGS, Prompt, fenced
from laud_ray.oracles.account import Account, answer_tokens, likely_answer_tokens
from laud_ray.oracles.engines import Engine, Request
from laud_ray.oracles.llm import answer_key, temperature
from laud_ray.oracles.openai.replies import most_tokens
from laud_ray.oracles.votes import Questions, Vote
from laud_ray.quality.probe import Probed
from laud_ray.store.ledger import PROBED, Answer, Ledger
from laud_ray.store.probes import Probe
from laud_ray.texts import likely_tokens
from laud_ray.types import Document, Example


@dataclass(frozen=True, slots=True)
class Variant:
    """A prompt: the number of its wording, whether the labels are in the reverse order, and which time it is asked."""

    wording: int
    reverse: bool
    time: int = 0


# The calls for each document. The first two are the prompt that is used, twice.
ASKED = (
    Variant(0, reverse=False),
    Variant(0, reverse=False, time=1),
    *(Variant(i, reverse=False) for i in range(1, len(WORDINGS))),
    *(Variant(i, reverse=True) for i in range(len(WORDINGS))),
)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of calls that are not answered yet.

    Attributes:
        tokens, dollars: estimates.
        most_tokens, most_dollars: upper bounds.
    """

    calls: int
    tokens: int
    dollars: float
    most_tokens: int
    most_dollars: float


class Prober:
    """Asks the calls of one probe.

    Attributes:
        waiting: the reason why the last call of `ask` left answers pending; None if it left none.
    """

    def __init__(
        self,
        config: LlmConfig,
        where: str,
        engines: Sequence[tuple[Prompt, Engine]],
        ledger: Ledger,
        questions: Callable[[Prompt, Sequence[Example]], Questions] = lambda prompt, examples: Questions(prompt),
    ) -> None:
        """Create it.

        Args:
            engines: the prompt of each of ASKED, and an engine that runs it.
            questions: returns the questions of a prompt. Of those about a taxonomy, a probe asks the first.
        """
        self._config, self._where, self._engines, self._ledger = config, where, engines, ledger
        self._questions = questions
        self.waiting: str | None = None

    @property
    def prompt(self) -> str:
        """The version of the prompt that is used."""
        return self._engines[0][0].version

    def keys(self, number: int, documents: Sequence[Document]) -> tuple[tuple[str, ...], ...]:
        """Return the keys of the answers about each document in the probe with this number."""
        return tuple(tuple(self._key(number, text, i) for i in range(len(ASKED))) for text in self._texts(documents))

    def _key(self, number: int, text: str, place: int) -> str:
        prompt, variant = self._engines[place][0], ASKED[place]
        asked = answer_key(self._config, prompt.version, text, variant.time)
        return hashlib.blake2b(f"probe {number} of {self._where}: {asked}".encode(), digest_size=16).hexdigest()

    def _texts(self, documents: Sequence[Document]) -> list[str]:
        return [fenced(document.text[: self._config.max_text_chars]) for document in documents]

    def price(self, probe: Probe) -> Price:
        """Return the price of the answers that are missing."""
        config, requests = self._config, [one for some in self._missing(probe) for one in some]
        likely = round(sum(likely_tokens(one.whole) for one in requests))
        most = sum(most_tokens(one.whole) for one in requests)
        n = len(requests)
        answers, longest = n * likely_answer_tokens(config), n * answer_tokens(config)
        return Price(
            n, likely + answers, config.dollars(likely, answers), most + longest, config.dollars(most, longest)
        )

    def ask(self, probe: Probe, progress: Callable[[int, int], None]) -> int:
        """Get the missing answers of a probe, each recorded as it arrives; return how many are still missing.

        Answers that the service refuses for a document are not missing.
        """
        total = len(probe.documents) * len(ASKED)
        missing = self._missing(probe)
        left = sum(map(len, missing))
        progress(total - left, total)
        self.waiting = None
        for (prompt, engine), requests in self._by_prompt(missing):
            account = Account(self._ledger, self._config, self._where, f"{self._config.name}{PROBED}", prompt)
            at_once = min(engine.at_once, max(len(requests), 1))
            for start in range(0, len(requests), at_once):
                asked = engine.ask(requests[start : start + at_once], account)
                left -= len(asked.answers)
                progress(total - left, total)
                if asked.waiting is not None:
                    self.waiting = asked.waiting
                    return left
        return left

    def _by_prompt(self, missing: Sequence[list[Request]]) -> Iterator[tuple[tuple[Prompt, Engine], list[Request]]]:
        """Join the requests of equal prompts, since an engine may take long to start."""
        for one in dict.fromkeys(prompt for prompt, _ in self._engines):
            places = [i for i, (prompt, _) in enumerate(self._engines) if prompt == one]
            yield self._engines[places[0]], [request for i in places for request in missing[i]]

    def _missing(self, probe: Probe) -> list[list[Request]]:
        """Return for each of ASKED the requests without an answer."""
        texts = self._texts(probe.documents)
        shown = Neighbours(probe.examples).nearest(texts, self._config.examples, itself=False)
        known = self._ledger.answers([key for keys in probe.keys for key in keys])
        found = []
        for i, (prompt, _) in enumerate(self._engines):
            votes = [
                Vote(document.id, text, ASKED[i].time, keys[i], examples)
                for document, text, examples, keys in zip(probe.documents, texts, shown, probe.keys, strict=True)
                if keys[i] not in known
            ]
            asked = self._questions(prompt, probe.examples).requests(votes)
            found.append([request for _, request in asked])
        return found


def settings_of(config: LlmConfig) -> str:
    """Return all on which the answers of a probe depend, beside the model's name, the prompts and the documents."""
    settings = {
        "temperature": temperature(config),
        "max_answer_tokens": answer_tokens(config),
        "max_text_chars": config.max_text_chars,
        "examples": config.examples,
    }
    return json.dumps(settings)


def answers(ledger: Ledger, probe: Probe) -> list[tuple[str | None, ...]]:
    """Return the labels that a finished probe gave to each document, in the order of ASKED."""
    found = ledger.answers([key for keys in probe.keys for key in keys])
    nothing = Answer(None)
    return [tuple(found.get(key, nothing).label for key in keys) for keys in probe.keys]


def cost(ledger: Ledger, probe: Probe) -> float:
    """Return the dollars paid for the answers of a probe."""
    return sum(one.cost for one in ledger.answers([key for keys in probe.keys for key in keys]).values())


def probed(labels: Sequence[str | None]) -> Probed:
    """Arrange the labels of one document, in the order of ASKED."""
    said = dict(zip(ASKED, labels, strict=True))
    plain = [said[Variant(i, reverse=False)] for i in range(len(WORDINGS))]
    turned = [said[Variant(i, reverse=True)] for i in range(len(WORDINGS))]
    again = said[Variant(0, reverse=False, time=1)]
    return Probed(plain[0], again, tuple(plain[1:]), tuple(zip(plain, turned, strict=True)))
