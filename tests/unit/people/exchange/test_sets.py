"""Files of answers with several labels."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from laud_ray.cli import main
from laud_ray.errors import CorpusError
from laud_ray.people.exchange.files import export, import_answers
from laud_ray.people.exchange.said import words_of
from laud_ray.people.questions import questions
from laud_ray.store.run import look_at
from laud_ray.types import Label, Task
from tests.annotating import make_run

LABELS = ("Tea", "Milk", "Salt; Pepper", "Bread")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", labels=LABELS, n=6, sets="at_most: 2, exclusive: [[Milk, Bread]]")


def answered(run: Path, tmp_path: Path, said: list[str | None]) -> list[str | None]:
    """Export a CSV file, answer its questions in their order, import it, and return what they were settled on."""
    with look_at(str(run)) as opened:
        export(opened, str(tmp_path / "q.csv"))
        rows = list(csv.DictReader(io.StringIO((tmp_path / "q.csv").read_text("utf-8-sig"))))
        for row, answer in zip(rows, said, strict=True):
            row["label"] = answer or ""
        made = io.StringIO()
        writer = csv.DictWriter(made, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        (tmp_path / "a.csv").write_text(made.getvalue())
        import_answers(opened, str(tmp_path / "a.csv"), "ann")
        return [one.label for one in questions(opened.store.engine)]


def test_labels_stand_between_semicolons(run: Path, tmp_path: Path) -> None:
    said = ["tea;Milk", "Salt; Pepper", r"Tea; Salt\; Pepper;", "none fits", None, '["Bread"]']
    assert answered(run, tmp_path, said) == [
        '["Milk","Tea"]',
        '["Salt; Pepper"]',
        '["Salt; Pepper","Tea"]',
        "[]",
        None,
        '["Bread"]',
    ]


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("Tea; Milks", "label: 'Tea; Milks' has 'Milks', which is not a label of the task - did you mean 'Milk'?"),
        ("Tea; unsure", "label: 'Tea; unsure' has 'unsure' beside labels; expected it alone"),
        ("no label applies; Tea", "has 'no label applies' beside labels; expected it alone"),
        ("none fits; Tea", "has 'none fits' beside labels; expected it alone"),
        ("Milk; Bread", "is not valid: 'Milk' and 'Bread' exclude each other; expected one of them"),
        ("Tea;Milk;Salt; Pepper", "is not valid: 3 labels are too many; expected at most 2"),
        (
            "Cheese",
            "has 'Cheese', which is not a label of the task; expected labels such as 'Tea', 'Milk', 'Salt; Pepper', "
            "with semicolons between them; or 'no label applies', 'unsure'",
        ),
    ],
)
def test_an_answer_that_is_not_valid_is_refused(run: Path, tmp_path: Path, said: str, mistake: str) -> None:
    with pytest.raises(CorpusError, match=r".") as raised:
        answered(run, tmp_path, [said, *[None] * 5])
    assert mistake in str(raised.value)


def test_the_command_says_how_a_set_is_written(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["questions", "export", str(run), "--out", str(tmp_path / "q.csv")])
    assert (
        'Fill in the column "label" with labels with semicolons between them, "no label applies" or "unsure"; then'
    ) in capsys.readouterr().out.splitlines()


def test_json_lines_hold_lists(run: Path, tmp_path: Path) -> None:
    with look_at(str(run)) as opened:
        lines = export(opened, "-").data.decode().splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert [one["p"] for one in rows[0]["candidates"]] == [0.9, 0.7, 0.3, 0.1]
        for row, label in zip(rows, [["Tea", "Milk"], [], ["Bread"], "unsure", None, "Tea;Milk"], strict=True):
            row["label"] = label
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
        found = import_answers(opened, str(tmp_path / "a.jsonl"), "ann")
        again = import_answers(opened, str(tmp_path / "a.jsonl"), "ann")
        labels = [one.label for one in questions(opened.store.engine)]
    assert (found.recorded.counted, found.empty, again.recorded.repeated) == (5, 1, 5)
    assert labels == ['["Milk","Tea"]', "[]", '["Bread"]', None, None, '["Milk","Tea"]']


def test_words_for_no_label() -> None:
    task = Task("t", "multilabel", (Label("Tea"), Label("none")))
    words = words_of(task)
    assert words.read("no label") == words.read("None fits") == words.read("[]") == ("label", "[]")
    assert words.read("none") == ("label", '["none"]')  # a label of that name is meant first
    assert words.read("?") == ("unsure", None)
    assert words.read("Tea; Tea") == ("label", '["Tea"]')


def test_two_answers_to_a_question_are_shown_as_in_a_file(run: Path, tmp_path: Path) -> None:
    """As labels between semicolons, not as the text form of the database."""
    with look_at(str(run)) as opened:
        export(opened, str(tmp_path / "q.csv"))
        first = next(csv.DictReader(io.StringIO((tmp_path / "q.csv").read_text("utf-8-sig"))))
        made = io.StringIO()
        writer = csv.DictWriter(made, list(first))
        writer.writeheader()
        writer.writerows([{**first, "label": r"Tea; Salt\; Pepper"}, {**first, "label": "none fits"}])
        (tmp_path / "a.csv").write_text(made.getvalue())
        with pytest.raises(CorpusError) as refused:
            import_answers(opened, str(tmp_path / "a.csv"), "ann")
    assert "label: 'no label applies', but " in str(refused.value)
    assert r"has 'Salt\\; Pepper; Tea' for the same question" in str(refused.value)
