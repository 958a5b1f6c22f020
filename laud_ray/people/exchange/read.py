"""Read answers from a file that people filled in, and check every row before anything is recorded."""

import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from laud_ray.errors import CorpusError
from laud_ray.labels import typed
from laud_ray.people.exchange.identity import VERSION, vote_id
from laud_ray.people.exchange.mistakes import refusal
from laud_ray.people.exchange.record import Given
from laud_ray.people.exchange.rows import DOCUMENT, LABEL, QUESTION, TEXT, Row, rows
from laud_ray.people.exchange.said import Words, words_of, written
from laud_ray.people.groups import UNANSWERED
from laud_ray.people.questions import Question, number_of
from laud_ray.people.votes import MOST_COMMENT
from laud_ray.printable import quoted
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.texts import normalise_text
from laud_ray.types import Task

LONGEST_NAME = 200
_T = TypeVar("_T")


class _MistakeError(Exception):
    """A row is not valid. The message lacks the row's place."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The contents of a file.

    Attributes:
        given: the answers, each once, in the file's order.
        empty: rows without an answer.
        notes: remarks on how the file was read.
    """

    given: tuple[Given, ...]
    empty: int
    notes: tuple[str, ...]


def read_answers(
    path: str, who: str | None, questions: Sequence[Question], task: Task, run: str, reading: Reading = AS_FOUND
) -> Answers:
    """Read the answers in a file, or in the files of a folder or glob.

    A row names its question by `question`, or by `document` alone where the document was asked about once. A row
    without a label was not answered.

    Args:
        who: answered; a column `who` overrides it row by row.
        questions: all of the run.
        run: the name by which files refer to the run, see `identity.name_of`.
        reading: what is stated of how text files are written; the rest is found out.

    Raises:
        CorpusError: with a line for each of the first rows that are not valid.
    """
    file = _File(None if who is None else person_named(who, "--who"), _Asked.of(questions), words_of(task), run)
    notes: list[str] = []
    file.take(rows(path, reading, notes))
    if file.mistakes:
        raise refusal(file.mistakes, path)
    return Answers(tuple(file.given), file.empty, tuple(notes))


def person_named(name: str, place: str) -> str:
    """Return a person's name without white space around it.

    Raises:
        CorpusError: if it is empty, longer than 200 characters, or has characters that cannot be seen.
    """
    plain = normalise_text(name)
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise CorpusError(f"{place}: {quoted(name)} is not valid; expected a person's name")
    return plain


@dataclass(frozen=True, slots=True)
class _Asked:
    """A run's questions by their numbers and by their documents."""

    numbers: Mapping[int, Question]
    documents: Mapping[str, Sequence[Question]]

    @staticmethod
    def of(questions: Sequence[Question]) -> "_Asked":
        documents: dict[str, list[Question]] = {}
        for one in questions:
            documents.setdefault(one.document.id, []).append(one)
        return _Asked({one.number: one for one in questions}, documents)

    def question(self, row: Row) -> Question:
        """Return the question of a row."""
        id, document = row.get(QUESTION), row.get(DOCUMENT)
        if id is None:
            return self._of_document(document)
        number = number_of(id)
        if number is not None and number in self.numbers:
            return self.numbers[number]
        if number is None and id in self.documents:
            raise _MistakeError(f"question: {quoted(id)} is a document's id; expected {self.documents[id][0].id}")
        last = max(self.numbers, default=0)
        known = f"expected one that it asked, such as {self.numbers[last].id}" if last else "it has asked none"
        raise _MistakeError(f"question: {quoted(id)} is not a question of this run; {known}")

    def _of_document(self, id: str | None) -> Question:
        if id is None:
            raise _MistakeError("question: is empty; expected a question's id, such as q-000017")
        found = self.documents.get(id) or self.documents.get(typed(id)) or ()
        left = [one for one in found if one.state in UNANSWERED] or list(found)
        if len(left) == 1:
            return left[0]
        if not left:
            raise _MistakeError(f"document: {quoted(id)} is not a document that this run asked about")
        raise _MistakeError(f"document: {quoted(id)} has {len(left)} questions; expected a column {QUESTION!r}")


@dataclass(slots=True)
class _File:
    """Takes the rows of a file."""

    who: str | None
    asked: _Asked
    words: Words
    run: str
    given: list[Given] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    empty: int = 0
    _places: dict[tuple[str, int], Given] = field(default_factory=dict)

    def take(self, found: Iterable[Row]) -> None:
        for row in found:
            self._require_ours(row)
            if row.get(LABEL) is None:
                self.empty += 1
                continue
            try:
                self._add(self._read(row))
            except _MistakeError as error:
                id = row.get(QUESTION)
                self.mistakes.append(f"{row.place}{f' ({id})' if id and number_of(id) else ''}: {error}")

    def _require_ours(self, row: Row) -> None:
        run, version = row.get("run"), row.get("version")
        if run is not None and run != self.run:
            raise CorpusError(
                f"{row.place}: run: {quoted(run)} is another run; expected {quoted(self.run)}, as `laud questions "
                "export` writes for this one"
            )
        if version is not None and version not in (str(VERSION), f"{VERSION}.0"):
            raise CorpusError(f"{row.place}: version: {quoted(version)} is not valid; expected {VERSION}")

    def _add(self, one: Given) -> None:
        key = (one.person, one.question)
        before = self._places.setdefault(key, one)
        if before is one:
            self.given.append(one)
        elif (before.answer, before.label) != (one.answer, one.label):
            said = [quoted(written(self.words, each.answer, each.label)) for each in (before, one)]
            raise _MistakeError(f"label: {said[1]}, but {before.place} has {said[0]} for the same question")

    def _read(self, row: Row) -> Given:
        question = self.asked.question(row)
        _require_same(row, question)
        said = self.words.read(row.cells[LABEL]) or self.words.read(row.label or "")
        if said is None:
            raise _MistakeError(f"label: {quoted(row.cells[LABEL])} {self.words.expected(row.cells[LABEL])}")
        answer, label = said
        person, comment = self._person(row), _comment(row)
        shown = tuple(one.label for one in question.candidates) if question.show and _is_shown(row) else None
        id = _uuid(row.get("id")) or vote_id(self.run, question.id, person, answer, label, comment)
        seconds, at = _read_cell(row, "seconds", _seconds), _read_cell(row, "answered_at", _time)
        return Given(row.place, id, person, question.number, answer, label, comment, seconds, shown, at)

    def _person(self, row: Row) -> str:
        name = row.get("who")
        if name is not None:
            return person_named(name, f"{row.place}: who")
        if self.who is None:
            raise CorpusError(f"{row.place}: who: is empty; expected a person's name, or --who NAME for the whole file")
        return self.who


def _require_same(row: Row, question: Question) -> None:
    """Refuse a row whose document or text is another question's: its cells were sorted apart, or edited."""
    document = row.get(DOCUMENT)
    if document is not None and typed(document) != typed(question.document.id):
        raise _MistakeError(
            f"document: {quoted(document)} is not that of the question; expected {quoted(question.document.id)}"
        )
    if not row.is_about(question.document.text):
        raise _MistakeError(
            f"text: {quoted(row.cells[TEXT])} is not the question's; expected {quoted(question.document.text)}, "
            "or no column `text`, if a spreadsheet has changed the texts"
        )


def _comment(row: Row) -> str | None:
    comment = row.get("comment")
    if comment is not None and len(comment) > MOST_COMMENT:
        raise _MistakeError(f"comment: has {len(comment):,} characters; expected at most {MOST_COMMENT:,}")
    return comment


def _is_shown(row: Row) -> bool:
    return (row.get("show") or "").strip().casefold() in ("yes", "true")


def _uuid(cell: str | None) -> str | None:
    """A UUID; None for anything else, such as numbers that somebody gave to the rows."""
    try:
        return str(uuid.UUID(cell)) if cell else None
    except ValueError:
        return None


def _read_cell(row: Row, column: str, read: Callable[[str], _T]) -> _T | None:
    cell = row.get(column)
    if cell is None:
        return None
    try:
        return read(cell.strip())
    except (ValueError, OverflowError):
        expected = {"seconds": "a number from 0 on", "answered_at": "a time such as 2026-01-31T09:30:00Z"}[column]
        raise _MistakeError(f"{column}: {quoted(cell)} is not valid; expected {expected}") from None


def _seconds(cell: str) -> float:
    number = float(cell.replace(",", "."))
    if not math.isfinite(number) or number < 0:
        raise ValueError
    return number


def _time(cell: str) -> datetime:
    found = datetime.fromisoformat(cell)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
