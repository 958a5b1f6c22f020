"""Write open questions into a file that people fill in: JSON lines or CSV."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence

from laud_ray.errors import UserError
from laud_ray.people.exchange.cells import guarded
from laud_ray.people.exchange.identity import VERSION
from laud_ray.people.questions import Question
from laud_ray.printable import quoted

# In the order of a spreadsheet's columns: what people read and fill in stands first.
COLUMNS = ("question", "text", "label", "comment", "candidates", "purpose", "round", "document")
LAST = ("show", "model", "run", "version")
ANSWERS = "answers"
STDOUT = "-"
_ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_EXPECTED = "expected a name that ends in .csv or .jsonl (.gz may follow), or - for JSON lines on standard output"


def format_of(name: str) -> str:
    """Return csv or jsonl by the ending of a file's name.

    Raises:
        UserError: if it ends in neither.
    """
    plain = name.lower().removesuffix(".gz")
    found = "jsonl" if name == STDOUT else next((one for end, one in _ENDINGS.items() if plain.endswith(end)), None)
    if found is None:
        raise UserError(f"--out: {quoted(name)} is not valid; {_EXPECTED}")
    return found


def as_file(
    name: str,
    questions: Sequence[Question],
    run: str,
    *,
    blind: bool = False,
    answers: Mapping[int, Sequence[str]] | None = None,
) -> bytes:
    """Return the content of a file of questions.

    Args:
        name: the file's, whose ending decides the format; `-` is standard output.
        run: the name by which the file refers to the run, see `identity.name_of`.
        blind: leave out all suggestions; otherwise each question decides.
        answers: of questions on which people differ, their answers by the question's number.
    """
    kind = format_of(name)
    rows = [_row(one, run, blind=blind) for one in questions]
    for one, row in zip(questions, rows, strict=True):
        if answers is not None:
            row[ANSWERS] = list(answers.get(one.number, ()))
    extra = () if answers is None else (ANSWERS,)
    data = _csv(rows, (*COLUMNS, *extra, *LAST)) if kind == "csv" else _jsonl(rows, to_terminal=name == STDOUT)
    # Without a time in it, the same questions are the same bytes.
    return gzip.compress(data, mtime=0) if name.lower().endswith(".gz") else data


def _row(one: Question, run: str, *, blind: bool) -> dict[str, object]:
    shown = one.suggests and not blind
    candidates = [{"label": each.label, "p": each.probability} for each in one.candidates] if shown else []
    return {
        "question": one.id,
        "text": one.document.text,
        "label": None,
        "comment": None,
        "candidates": candidates,
        "purpose": one.purpose,
        "round": one.round,
        "document": one.document.id,
        "show": bool(candidates),
        "model": one.model if shown else None,
        "run": run,
        "version": VERSION,
    }


def _jsonl(rows: Sequence[Mapping[str, object]], *, to_terminal: bool) -> bytes:
    # A terminal obeys some characters, so there only ASCII is written.
    lines = [json.dumps(row, ensure_ascii=to_terminal) + "\n" for row in rows]
    return "".join(lines).encode(errors="surrogatepass")


def _csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    # Excel reads UTF-8 only after a byte order mark.
    return made.getvalue().encode("utf-8-sig", errors="surrogatepass")


def _cell(value: object) -> str:
    if isinstance(value, bool):  # not "true", which Excel would translate
        return "yes" if value else "no"
    if isinstance(value, list):
        return guarded("|".join(f"{one['label']}={one['p']:g}" if isinstance(one, dict) else one for one in value))
    return guarded(value) if isinstance(value, str) else "" if value is None else str(value)
