"""Texts of the run that are like a question's, with the labels that were settled for them, on demand."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from laud_ray.label_sets import shown
from laud_ray.people.questions import Question
from serve.annotate.desk import Opened
from serve.annotate.similar import SimilarTexts

MOST = 5
FRESH_S = 30.0
# Of what is measured nothing is shown that could lead the answer.
MEASURED = "Questions that measure the model or the people are answered without examples."


@dataclass(frozen=True, slots=True)
class _Index:
    run: str
    at: float
    texts: tuple[tuple[str, str, str], ...]
    similar: SimilarTexts


class Examples:
    """Keeps an index of the annotated texts for a while."""

    def __init__(self) -> None:
        self._index: _Index | None = None
        self._lock = threading.Lock()

    def near(self, run: Opened, question: Question) -> dict[str, Any]:
        """Return the annotated texts that are most like a question's, as JSON."""
        if question.purpose == "evaluation" or question.attempt > 1 or question.twice:
            return {"examples": [], "reason": MEASURED}
        index = self._of(run)
        found = index.similar.nearest(question.document.text, MOST + 1)
        near = [index.texts[place] for place, _ in found]
        shows = run.task.multilabel
        rows = [
            {"text": text, "label": shown(label, multilabel=shows)}
            for id, text, label in near
            if id != question.document.id
        ]
        return {"examples": rows[:MOST], "reason": None if rows else "No text like this one has a label yet."}

    def _of(self, run: Opened) -> _Index:
        with self._lock:
            found = self._index
            if found is None or found.run != run.id or time.monotonic() - found.at > FRESH_S:
                known = tuple(
                    (one.query.document.id, one.query.document.text, one.label)
                    for one in run.folder.store.queries()
                    if one.label is not None and one.purpose != "evaluation"
                )
                texts = SimilarTexts([text for _, text, _ in known])
                self._index = found = _Index(run.id, time.monotonic(), known, texts)
            return found
