"""Export a run's open questions into a file, and import the answers of one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from laud_ray.config import PeopleConfig
from laud_ray.errors import CorpusError, RunError, UserError
from laud_ray.people.cost import require_unspent
from laud_ray.people.exchange import identity, write
from laud_ray.people.exchange.read import read_answers
from laud_ray.people.exchange.record import Recorded, record
from laud_ray.people.exchange.rows import LABEL, QUESTION, rows
from laud_ray.people.exchange.said import words_of, written
from laud_ray.people.groups import can_continue, groups
from laud_ray.people.questions import Question, State, number_of, questions, rules_of
from laud_ray.people.sets import names_of
from laud_ray.people.votes import StoredVote, current, votes
from laud_ray.storage.folder import Folder
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.store.run import RunFolder
from laud_ray.store.updates.generations import is_open
from laud_ray.types import Task


@dataclass(frozen=True, slots=True)
class Exported:
    """A file of questions: its bytes, how many questions it has, and how many of them show candidates.

    Attributes:
        updating: as in `Left`.
        multilabel: whether an answer is a set of labels.
    """

    data: bytes
    questions: int
    shown: int
    updating: bool
    multilabel: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import.

    Attributes:
        empty: rows without an answer.
        left: the questions that the run still waits for.
        notes: remarks on how the answers were read.
    """

    recorded: Recorded
    empty: int
    left: "Left"
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """The questions that a run still waits for.

    Attributes:
        open: questions without an answer; `disputed` of them wait for an adjudicator.
        ready: whether the run can continue now.
        updating: whether it continues with `laud update`, and not with `laud run`.
    """

    open: int
    disputed: int
    ready: bool
    updating: bool


def people_of(run: RunFolder) -> PeopleConfig:
    """Return the settings of the people whom a run asks.

    Raises:
        RunError: if it asks none.
    """
    rules = rules_of(run.config)
    if rules is None:
        raise RunError(f"{run.folder.uri}: its oracles ask no people; expected an oracle of kind people")
    return rules


def export(
    run: RunFolder,
    out: str,
    *,
    blind: bool = False,
    purpose: str | None = None,
    limit: int | None = None,
    who: str | None = None,
    part: tuple[int, int] | None = None,
    disputed: bool = False,
) -> Exported:
    """Write the open questions in the order of asking to a file, or return its bytes alone if `out` is `-`.

    Args:
        out: a path or URI that ends in .csv or .jsonl, or one of these and .gz. A file of that name is replaced.
        blind: leave out all suggestions; otherwise each question decides.
        purpose: only the questions asked for it.
        limit: the most questions.
        who: leave out the documents that this person has answered a question about.
        part: (i, n), the i-th of n parts, from 1. Each question is in as many parts as it takes answers, and always in
            the same ones.
        disputed: only the questions on which people differ, with their answers; otherwise only the others.

    Raises:
        UserError: if the name ends in something else, the file holds answers that were not imported, or the answers
            have cost `max_dollars`.
    """
    write.format_of(out)
    task = run.config.task.to_task()
    require_unspent(run.store.engine, people_of(run), run.folder.uri)
    every = questions(run.store.engine)
    state: State = "adjudicate" if disputed else "open"
    chosen = [one for one in every if one.state == state and purpose in (None, one.purpose)]
    given = current(votes(run.store.engine))
    mine = {one.vote.question for one in given if one.person == who}
    known = {one.document.id for one in every if one.number in mine}
    # A question that a change of the labels made necessary is one for the same people.
    free = [one for one in chosen if one.number not in mine and (one.attempt < 0 or one.document.id not in known)]
    chosen = [one for one in free if _is_in(one, part)][:limit]
    name = identity.name_of(run.config.task.name, every[:1])
    data = write.as_file(out, chosen, name, blind=blind, answers=_said(given, task) if disputed else None)
    if out != write.STDOUT:
        folder, file = Folder.of_file(out)
        _keep_answers(run, folder, file, out)
        folder.write(file, data)
    shown = 0 if blind else sum(one.suggests for one in chosen)
    return Exported(data, len(chosen), shown, is_open(run.store.engine), task.multilabel)


def _said(given: Sequence[StoredVote], task: Task) -> dict[int, list[str]]:
    """Return the answers to each question, as people write them into a file."""
    words, said = words_of(task), dict[int, list[str]]()
    for vote in (one.vote for one in given):
        said.setdefault(vote.question, []).append(written(words, vote.answer, vote.label))
    return said


def import_answers(
    run: RunFolder, path: str, who: str | None, *, adjudicator: bool = False, reading: Reading = AS_FOUND
) -> Imported:
    """Record the answers of a file as votes: all of them or none, and those of a file that was imported change nothing.

    Args:
        path: a file, or a folder or glob of files.
        who: answered; a column `who` overrides it.
        adjudicator: whether the answers decide where people differ.

    Raises:
        CorpusError: if a row is not valid; it says which, and nothing is recorded.
    """
    rules, engine, task = people_of(run), run.store.engine, run.config.task.to_task()
    every = questions(engine)
    found = read_answers(path, who, every, task, identity.name_of(task.name, every[:1]), reading)
    numbers = {one.number: one for one in every}
    recorded = record(engine, found.given, numbers, rules, names_of(task), via="file", adjudicator=adjudicator)
    return Imported(recorded, found.empty, left(run, rules), found.notes)


def left(run: RunFolder, rules: PeopleConfig) -> Left:
    """Count the questions that a run still waits for."""
    found = groups(run.store.engine)
    without, disputed = sum(one.unanswered for one in found), sum(one.states.get("adjudicate", 0) for one in found)
    ready = not without or can_continue(found, rules.close_at)
    return Left(without, disputed, ready, is_open(run.store.engine))


def _is_in(one: Question, part: tuple[int, int] | None) -> bool:
    return part is None or (part[0] - 1 - one.number) % part[1] < one.needed


def _keep_answers(run: RunFolder, folder: Folder, file: str, path: str) -> None:
    """Refuse to replace a file of questions in which somebody wrote answers that were not imported."""
    if not folder.exists(file):
        return
    recorded = {(one.vote.question, one.vote.answer, one.vote.label) for one in votes(run.store.engine)}
    lost = _answers_in(path, run, recorded)
    if lost:
        number = "1 answer" if lost == 1 else f"{lost:,} answers"
        raise UserError(
            f"{path}: holds {number} not imported yet; import the file first, or name another one with --out"
        )


def _answers_in(path: str, run: RunFolder, recorded: Collection[tuple[int, str, str | None]]) -> int:
    """How many rows of a file have an answer that is not recorded; 0 for a file that holds no questions."""
    words, lost = words_of(run.config.task.to_task()), 0
    try:
        for row in rows(path, AS_FOUND, []):
            number, label = number_of(row.get(QUESTION) or ""), row.get(LABEL)
            if number is not None and label is not None:
                said = words.read(label) or words.read(row.label or "") or ("", None)
                lost += (number, *said) not in recorded
    except (CorpusError, OSError):
        return 0
    return lost
