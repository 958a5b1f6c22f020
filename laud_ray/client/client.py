"""The HTTP client of a served model: batched classification, feedback, model and labels. Needs httpx only."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event
from types import TracebackType
from typing import Self

import httpx

from laud_ray.client.connection import BUSY, Connection, Limits, Stopped, encoded
from laud_ray.client.requests import cut, options_of, placed
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


class Client:
    """The client of a service. Thread-safe.

    A request is retried if the service is busy (429), cannot answer now (503, such as feedback while the run's database
    is locked), or cannot be reached (502, or a failed connection). The wait before a retry is the Retry-After header,
    or else exponential backoff with jitter. A request that timed out (408, 504, or `timeout` here) is not retried.

    Args:
        url: the base URL of the service, such as http://127.0.0.1:8000; may have a path.
        token: the bearer token. None: the environment variable LAUD_TOKEN, if set.
        timeout: seconds to wait for the next byte of a response.
        attempts: the most times that a request is sent.
        batch: the most texts in a request.
        patience: seconds in all after which a request is not retried, waits included.
        concurrency: the most requests in flight for one list of texts.
        transport: an httpx transport that replaces the network.
        sleep: waits a number of seconds before a retry; tests replace it.
        clock: returns the seconds by which patience is measured; tests replace it.

    Raises:
        UserError: if an argument is invalid.

    Example:
        with Client("http://127.0.0.1:8000") as client:
            labels = [result.label for result in client.classify(texts).results]
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
                raise UserError(f"{name}: {number} is not valid; expected 1 or more")
        for name, seconds in {"timeout": timeout, "patience": patience}.items():
            if not 0 < seconds < float("inf"):
                raise UserError(f"{name}: {seconds} is not valid; expected a finite number of seconds above 0")
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
        self,
        texts: str | Sequence[str],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        accuracy: float | None = None,
        level: int | None = None,
    ) -> Classified:
        """Classify one text or many. The results are in the order of the texts.

        A text that the service cannot classify, such as an empty one, has an `error` in its result; the others have
        labels.

        Args:
            texts: a text, or a list of any length, which is split into requests. An empty list sends none.
            top_k: how many labels each result has in `top`, at least 1. None: the default of the service.
            threshold: the confidence, 0 to 1, below which a result is marked as abstained. None: the default of the
                service.
            accuracy: of a taxonomy: answer as deep as this share of right answers, above 0 and below 1, can be
                promised. None: what the run promises, else the likeliest leaf.
            level: of a taxonomy: the deepest level that is answered, at least 1. Not together with `accuracy`.

        Raises:
            UserError: if an argument is invalid; nothing is sent then.
            ServiceError: if the service refuses a request or cannot be reached; the rest of the list is not sent.

        Example:
            client.classify("Greek yogurt 500 g").results[0].label is "Yogurt".
        """
        options = options_of(top_k, threshold, accuracy, level)
        batches = list(cut([texts] if isinstance(texts, str) else list(texts), self._batch))
        if len(batches) > 1:
            return Classified.joined(self._classify_all(batches, options))
        return self._classify(batches[0][1], options, Event()) if batches else Classified((), ())

    def _classify_all(
        self, batches: Sequence[tuple[int, list[str]]], options: Mapping[str, object]
    ) -> list[Classified]:
        """Send batches concurrently until all are answered or one fails."""
        stop = Event()

        def work(start: int, texts: list[str]) -> Classified:
            try:
                return self._classify(texts, options, stop)
            except ServiceError as error:
                stop.set()
                raise placed(error, start, len(texts)) from error

        with ThreadPoolExecutor(min(self._concurrency, len(batches)), "laud-client") as pool:
            futures = [pool.submit(work, start, texts) for start, texts in batches]
            try:
                done = wait(futures, return_when=FIRST_EXCEPTION).done
            finally:
                # After Ctrl-C too, no further batch is sent, and no thread waits for a retry.
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
        predicted: str | Sequence[str] | None = None,
        model: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> str:
        """Send the right label of a text, or that its prediction was wrong; return the id of the feedback.

        The same feedback sent again is stored once and has the same id.

        Args:
            text: the text that was classified.
            label: its right label.
            wrong: whether the prediction was wrong, where the right label is not known.
            who: the person who gives the feedback.
            predicted: the label that the service predicted, or the labels.
            model: the name of the model that predicted it.
            labels: where several labels can apply: all right ones. An empty list says that none applies.

        Raises:
            UserError: unless one of label, labels and wrong is given.
            ServiceError: if the service refuses it or cannot be reached.
        """
        if [label is not None, labels is not None, wrong].count(True) != 1:
            said = f"label={label!r}" if labels is None else f"label={label!r}, labels={list(labels)!r}"
            raise UserError(f"feedback: {said} with wrong={wrong} is not valid; expected either label or wrong=True")
        given: dict[str, object] = {
            "label": label,
            "labels": None if labels is None else list(labels),
            "wrong": wrong or None,
            "predicted": predicted if predicted is None or isinstance(predicted, str) else list(predicted),
            "model": model,
            "who": who,
        }
        body = {"text": text} | {key: value for key, value in given.items() if value is not None}
        return self._connection.ask("POST", "/v1/feedback", lambda answer: str(answer["id"]), encoded(body, "feedback"))

    def model(self) -> ServedModel:
        """Return the model that the service uses now.

        Raises:
            ServiceError: if the service has no model yet, refuses, or cannot be reached.
        """
        return self._connection.ask("GET", "/v1/model", read_model)

    def labels(self) -> tuple[Label, ...]:
        """Return the labels of the served model.

        Raises:
            ServiceError: if the service has no model yet, refuses, or cannot be reached.
        """
        found, total = self._connection.ask("GET", "/v1/labels", read_labels)
        while len(found) < total:
            more, total = self._connection.ask("GET", f"/v1/labels?offset={len(found)}", read_labels)
            if not more:  # another model, with fewer labels, has taken the place of the first
                break
            found = (*found, *more)
        return found

    def ready(self) -> bool:
        """Return whether the service can classify now. One request, without retries; False if nothing answers.

        Raises:
            ServiceError: if another server answers at this address.
        """
        response = self._connection.once("/readyz")
        if response is None or response.status_code in BUSY | {504}:
            return False
        if not response.is_success:
            raise self._connection.refused(response)
        return self._connection.read(response, lambda answer: bool(answer["ready"]))
