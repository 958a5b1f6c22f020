"""The requests of one call of an engine: which are to be asked, which are in an engine, and which are answered."""

import logging
import time
from collections import Counter, deque
from collections.abc import Sequence

from laud_ray.models.language.prompts import Option
from laud_ray.models.language.replica import Generated
from laud_ray.oracles.engines import CallRecorder, Completion, Request, Token
from laud_ray.store.ledger import Answer

logger = logging.getLogger(__name__)

# A request is set aside, and a call ends, after this many deaths of engines.
DEATHS = 3

# A request, the token ids of its prompt, and its seed.
Row = tuple[Request, list[int], int]


def choice(options: Sequence[Option], unsure: str | None) -> tuple[str, ...]:
    """Return the texts to which an answer is restricted: the codes, each with and without a space before it.

    After "Category:" the token of a code usually includes the space before it; in a chat it does not.
    """
    codes = [*(option.code for option in options), *([unsure] if unsure else [])]
    return tuple(lead + code for code in codes for lead in ("", " "))


class Calls:
    """The requests, as indices into the rows.

    Attributes:
        fresh: rows that were not asked yet.
        suspects: rows that were in an engine that died; they are asked alone.
        answers: answers by request key.
        waiting: the reason why some requests have no answer, or None.
    """

    def __init__(self, rows: Sequence[Row], recorder: CallRecorder) -> None:
        self.rows, self._recorder = rows, recorder
        self.fresh, self.suspects = deque(range(len(rows))), deque[int]()
        self.answers: dict[str, Answer] = {}
        self.waiting: str | None = None
        self._begun: dict[int, tuple[int, float]] = {}
        self._deaths = Counter[int]()
        self._ready: int | None = None

    @property
    def is_over(self) -> bool:
        return not (self._begun or self.fresh or self.suspects)

    def begin_first(self) -> bool:
        """Record the first call, which is sent later; return whether the caps allow it."""
        if self._begin(0):
            self._ready = 0
        return self._ready is not None

    def take(self, n: int, *, alone: bool) -> list[int]:
        """Record and return up to n fresh rows; one suspect if there are no fresh ones and it would be `alone`."""
        taken: list[int] = []
        for rows, most in ((self.fresh, n), (self.suspects, 1 if alone else 0)):
            while rows and len(taken) < most and (rows is self.fresh or not (self.fresh or taken)):
                if not self._begin(rows[0]):
                    if not self._begun:
                        self.waiting = self._recorder.capped()
                        self.fresh.clear()
                        self.suspects.clear()
                    # Otherwise the calls in progress may cost less than their bounds, which leaves room for this one.
                    return taken
                taken.append(rows.popleft())
        return taken

    def finish(self, row: int, found: Generated) -> None:
        """Record the result of a call."""
        number, began = self._begun.pop(row)
        if found.refused is not None:
            self._recorder.fail(number, found.refused, billed=False)
            answer = Answer(None, reason=found.refused)
        else:
            answer = self._recorder.finish(number, completion(found), time.monotonic() - began)
        self.answers[self.rows[row][0].key] = answer

    def lose(self, rows: Sequence[int], cause: str) -> None:
        """Record the calls in an engine that died; they are asked again, or set aside if engines kept dying of them."""
        for row in rows:
            request = self.rows[row][0]
            self._recorder.fail(self._begun.pop(row)[0], f"the engine ended: {cause}", billed=False)
            self._deaths[row] += 1
            if self._deaths[row] < DEATHS:
                self.suspects.append(row)
                continue
            reason = f"the engine ended {DEATHS} times with this document: {cause}"
            logger.warning("document %s is set aside: %s", request.document_id, reason)
            self.answers[request.key] = Answer(None, reason=reason)

    def give_up(self) -> None:
        """Record that the calls in progress, of which there are some only after an error, get no answer."""
        for number, _ in self._begun.values():
            self._recorder.fail(number, "the call was given up", billed=False)
        self._begun.clear()

    def _begin(self, row: int) -> bool:
        if row == self._ready:
            self._ready = None
            self._begun[row] = (self._begun[row][0], time.monotonic())
            return True
        request, ids, _ = self.rows[row]
        number = self._recorder.begin(request, len(ids))
        if number is not None:
            self._begun[row] = (number, time.monotonic())
        return number is not None


def completion(found: Generated) -> Completion:
    """Return the completion that an engine has generated."""
    tokens = tuple(Token(*one) for one in found.tokens)
    return Completion(found.text, tokens, found.prompt_tokens, found.completion_tokens, found.cut)
