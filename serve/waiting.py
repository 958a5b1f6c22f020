"""One request's texts on their way through the batches. n texts, k classes."""

import asyncio
from collections.abc import Sequence

import numpy as np

from laud_ray.types import TokenScorer
from serve.scoring import Scores, tokenize_apart


class Job:
    """One request's texts: which are still to be scored, and the future of all.

    Attributes:
        failures: why a text has no probabilities, by its place in the request.
        given: the place of the next text to score.
        done: how many texts have an answer, be it an error.
        trial: whether a new model is tried out, and no caller waits.
    """

    def __init__(
        self, scorer: TokenScorer, texts: Sequence[str], future: "asyncio.Future[Scores]", *, trial: bool = False
    ) -> None:
        self.scorer, self.texts, self.future, self.trial = scorer, texts, future, trial
        self.ids: list[list[int]] = []
        self.proba = np.zeros((len(texts), len(scorer.labels)), np.float32)
        self.failures: dict[int, str] = {}
        self.given = self.done = 0

    @property
    def live(self) -> bool:
        """Whether anybody still waits for it."""
        return not self.future.done()

    def skip(self) -> None:
        """Go to the next text that can be scored."""
        self.given += 1
        while self.given in self.failures:
            self.given += 1


def tokenize(jobs: Sequence[Job]) -> None:
    """Give each job, all of one scorer, the token ids of its texts, and the failures among them."""
    ids, failures = tokenize_apart(jobs[0].scorer, [text for job in jobs for text in job.texts])
    start = 0
    for job in jobs:
        end = start + len(job.texts)
        job.ids = ids[start:end]
        job.failures = {i - start: reason for i, reason in failures.items() if start <= i < end}
        job.given = -1
        job.skip()
        start = end
