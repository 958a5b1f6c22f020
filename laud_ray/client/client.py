"""Ask a served model over HTTP: classification in batches, feedback, and what is served. Needs httpx only."""

import operator
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event
from types import TracebackType
from typing import Self

import httpx

from laud_ray.client.connection import BUSY, Connection, Limits, Stopped, encoded
from laud_ray.client.responses import (
    Classified,
    Model,
    Prediction,
    ServedModel,
    read_classified,
    read_labels,
    read_model,
)
from laud_ray.errors import ServiceError, UserError
from laud_ray.types import Label

__all__ = ["Classified", "Client", "Model", "Prediction", "ServedModel"]

MOST_BYTES = 3 * 2**20  # of a request's texts; the service takes 4 MiB in all


class Client:
    """The client of a service, for any number of threads.

    A request that the service is too busy for (429), or cannot answer now (503, such as feedback while the run's
    database is locked), or whose connection fails (also 502), is sent again: after the time that the service asks for
    (Retry-After), else after exponential backoff with jitter. A request that was too slow (408, 504, or timeout here)
    is not.

    Args:
        url: where the service is, such as http://127.0.0.1:8000; may have a path.
        token: the bearer token; None: the environment's LAUD_TOKEN, if set.
        timeout: seconds to wait for the service's next byte.
        attempts: how often one request is sent at most.
        batch: texts a request at most.
        patience: seconds after which one request is not sent again; the waits between count.
        concurrency: requests of one long list that are under way at once.
        transport: of httpx, in place of the network.
        sleep: waits a number of seconds before another attempt; for tests to replace.
        clock: the seconds that patience is measured by; for tests to replace.

    Raises:
        UserError: if an argument is out of its bounds.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        attempts: int = 5,
        batch: int = 256,
        patience: float = 60.0,
        concurrency: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, number in {"attempts": attempts, "batch": batch, "concurrency": concurrency}.items():
            if number < 1:
                raise UserError(f"{name}: found {number}, expected 1 or more")
        for name, seconds in {"timeout": timeout, "patience": patience}.items():
            if not 0 < seconds < float("inf"):
                raise UserError(f"{name}: found {seconds}, expected seconds above 0")
        token = os.environ.get("LAUD_TOKEN") if token is None else token
        limits = Limits(timeout, attempts, patience)
        self._batch, self._concurrency = batch, concurrency
        self._connection = Connection(url, token, limits, transport=transport, sleep=sleep, clock=clock)

    def __repr__(self) -> str:
        return f"Client({self._connection.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; the client cannot be used afterwards."""
        self._connection.close()

    def classify(
        self, texts: str | Sequence[str], *, top_k: int | None = None, threshold: float | None = None
    ) -> Classified:
        """Classify one text or many; the results are in the order of the texts.

        A text that the service cannot classify, such as an empty one, has its `error`; the others have their labels.

        Args:
            texts: a list of any length is cut into requests; an empty one makes none.
            top_k: how many labels to name in each result's `top`, from 1; None: the service's choice.
            threshold: the confidence, 0 to 1, below which a result is marked as abstained; None: the service's.

        Raises:
            UserError: if something is not what can be sent; then nothing is.
            ServiceError: if the service refuses a request or cannot be reached; the rest of the list is not sent.
        """
        options: dict[str, object] = {}
        if top_k is not None:
            options["top_k"] = operator.index(top_k)
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise UserError(f"threshold: found {threshold}, expected 0 to 1")
            options["threshold"] = float(threshold)
        batches = list(_cut([texts] if isinstance(texts, str) else list(texts), self._batch))
        if len(batches) > 1:
            return Classified.joined(self._classify_all(batches, options))
        return self._classify(batches[0][1], options, Event()) if batches else Classified((), ())

    def _classify_all(
        self, batches: Sequence[tuple[int, list[str]]], options: Mapping[str, object]
    ) -> list[Classified]:
        """Send batches, a few at once, until all are answered or one fails."""
        stop = Event()

        def work(start: int, texts: list[str]) -> Classified:
            try:
                return self._classify(texts, options, stop)
            except ServiceError as error:
                stop.set()
                raise _placed(error, start, len(texts)) from error

        with ThreadPoolExecutor(min(self._concurrency, len(batches)), "laud-client") as pool:
            futures = [pool.submit(work, start, texts) for start, texts in batches]
            try:
                done = wait(futures, return_when=FIRST_EXCEPTION).done
            finally:
                # Also after Ctrl-C: nothing more is sent, and nobody waits to try again.
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
            for error in [future.exception() for future in futures if future in done]:
                if error is not None and not isinstance(error, Stopped):
                    raise error
        return [future.result() for future in futures]

    def _classify(self, texts: list[str], options: Mapping[str, object], stop: Event) -> Classified:
        body = encoded({"texts": texts, **options}, "texts")
        return self._connection.ask(
            "POST", "/v1/classify", lambda answer: read_classified(answer, len(texts)), body, stop
        )

    def feedback(
        self,
        text: str,
        *,
        label: str | None = None,
        wrong: bool = False,
        who: str | None = None,
        predicted: str | None = None,
        model: str | None = None,
    ) -> str:
        """Tell the service a text's right label, or that its prediction was wrong; returns the feedback's id.

        The same feedback again is stored once and has the same id.

        Args:
            who: says it, for the record.
            predicted: the label that the service gave, and model the name of the model that gave it.

        Raises:
            UserError: unless one of label and wrong is given.
            ServiceError: if the service refuses it or cannot be reached.
        """
        if (label is not None) == wrong:
            raise UserError(f"feedback: found label={label!r} and wrong={wrong}, expected one of label and wrong=True")
        said = {"label": label, "wrong": wrong or None, "predicted": predicted, "model": model, "who": who}
        body = {"text": text} | {key: value for key, value in said.items() if value is not None}
        return self._connection.ask("POST", "/v1/feedback", lambda answer: str(answer["id"]), encoded(body, "feedback"))

    def model(self) -> ServedModel:
        """What the service answers with now.

        Raises:
            ServiceError: if the service has no model yet, refuses, or cannot be reached.
        """
        return self._connection.ask("GET", "/v1/model", read_model)

    def labels(self) -> tuple[Label, ...]:
        """The labels that the service tells apart.

        Raises:
            ServiceError: if the service has no model yet, refuses, or cannot be reached.
        """
        return self._connection.ask("GET", "/v1/labels", read_labels)

    def ready(self) -> bool:
        """Whether the service can classify now; asks once. False also where nothing answers.

        Raises:
            ServiceError: if what answers is not the service.
        """
        response = self._connection.once("/readyz")
        if response is None or response.status_code in BUSY | {504}:
            return False
        if not response.is_success:
            raise self._connection.refused(response)
        return self._connection.read(response, lambda answer: bool(answer["ready"]))


def _cut(texts: Sequence[str], most: int) -> Iterator[tuple[int, list[str]]]:
    """Cut a list into batches that fit into a request, each with the number of texts before it.

    A text that is too long for any request is a batch of its own: the service says what its limit is.
    """
    start, size = 0, 0
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"texts[{i}]: found {text!r}, expected a string")
        length = len(encoded(text, f"texts[{i}]")) + len(", ")
        if i > start and (i - start == most or size + length > MOST_BYTES):
            yield start, list(texts[start:i])
            start, size = i, 0
        size += length
    if texts:
        yield start, list(texts[start:])


def _placed(error: ServiceError, start: int, texts: int) -> ServiceError:
    """The error with the part of the list that it is about, where it is about the texts."""
    if error.status not in (413, 422):
        return error
    line = f"{error}; in the request with texts[{start}:{start + texts}]"
    return ServiceError(line, status=error.status, code=error.code, request_id=error.request_id)
