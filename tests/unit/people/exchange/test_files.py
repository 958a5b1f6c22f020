"""Questions go into a file and answers come back from it, whatever a spreadsheet does to it in between."""

import csv
import gzip
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from laud_ray.errors import CorpusError, RunError, UserError
from laud_ray.people.exchange import files
from laud_ray.people.exchange.files import Imported
from laud_ray.people.votes import current, votes
from laud_ray.store.run import look_at
from tests.asking import all_questions, run_with
from tests.postgres import Server

TEXTS = ["gala apples", "=HYPERLINK(1)", "3/4", "łosoś ; smoked, 100 g", '5" pipe', "-brie-"]


def export(run: str, out: str | Path, **how: object) -> files.Exported:
    with look_at(run) as folder:
        return files.export(folder, str(out), **how)  # type: ignore[arg-type]


def take(run: str, path: str | Path, who: str | None = "ann", **how: object) -> Imported:
    with look_at(run) as folder:
        return files.import_answers(folder, str(path), who, **how)  # type: ignore[arg-type]


def answers(run: str) -> dict[str, tuple[str, str | None, str]]:
    with look_at(run) as folder:
        counting = current(votes(folder.store.engine))
    ids = {one.number: one.document.id for one in all_questions(run)}
    return {ids[one.vote.question]: (one.vote.answer, one.vote.label, one.person) for one in counting}


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def write(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8-sig", delimiter: str = ",") -> Path:
    made = io.StringIO()
    writer = csv.DictWriter(made, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(made.getvalue().encode(encoding, "replace"))
    return path


def filled(run: str, path: Path, label: str | Callable[[int], str] = "tea") -> list[dict[str, str]]:
    export(run, path)
    rows = rows_of(path)
    for i, row in enumerate(rows):
        row["label"] = label if isinstance(label, str) else label(i)
    return rows


def test_a_file_holds_the_open_questions_in_the_order_of_asking(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS, again=1)
    found = export(run, tmp_path / "q.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert (found.questions, found.shown) == (7, 6)
    assert [row["question"] for row in rows] == [f"q-{i:06d}" for i in range(1, 8)]
    assert rows[0]["text"] == "gala apples"
    assert rows[0]["label"] is None
    assert rows[0]["candidates"] == [{"label": "tea", "p": 0.6}, {"label": "Käse & co", "p": 0.25}]
    assert rows[6]["candidates"] == []
    assert [row["show"] for row in rows] == [True] * 6 + [False]
    assert {row["model"] for row in rows} == {"round-0001", None}


def test_csv_is_for_a_spreadsheet(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS)
    export(run, tmp_path / "q.csv")
    assert (tmp_path / "q.csv").read_bytes().startswith(b"\xef\xbb\xbfquestion,text,label,comment,candidates")
    rows = rows_of(tmp_path / "q.csv")
    assert [row["text"] for row in rows] == ["gala apples", "'=HYPERLINK(1)", "'3/4", TEXTS[3], TEXTS[4], "'-brie-"]
    assert rows[0]["candidates"] == "tea=0.6|Käse & co=0.25"
    assert not any(cell[:1] in "=+-@" for row in rows for cell in row.values() if cell)


def test_blind_and_evaluation_files_have_no_candidates(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS)
    assert export(run, tmp_path / "q.csv", blind=True).shown == 0
    assert "0.6" not in (tmp_path / "q.csv").read_text()
    measured = run_with(tmp_path, TEXTS, purpose="evaluation")
    export(measured, tmp_path / "e.jsonl")
    assert "0.6" not in (tmp_path / "e.jsonl").read_text()


def test_questions_are_chosen_by_purpose_number_and_person(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS, team=3, per_document=2)
    assert export(run, tmp_path / "q.csv", limit=2).questions == 2
    assert export(run, tmp_path / "q.csv", purpose="seed").questions == 0
    rows = filled(run, tmp_path / "q.csv")
    take(run, write(tmp_path / "a.csv", rows[:4]))
    assert export(run, tmp_path / "q.csv", who="ann").questions == 2
    assert export(run, tmp_path / "q.csv", who="bob").questions == 6
    again = run_with(tmp_path, TEXTS, again=2)
    take(again, write(tmp_path / "b.csv", filled(again, tmp_path / "r.csv")[:1]))
    assert export(again, tmp_path / "s.csv", who="ann").questions == 6, "nobody is asked twice about a document"


@pytest.mark.parametrize("per_document", [1, 2])
def test_the_parts_of_a_team_hold_each_question_as_often_as_it_takes_answers(tmp_path: Path, per_document: int) -> None:
    run = run_with(
        tmp_path, [f"text {i}" for i in range(20)], team=3, per_document=per_document, twice=0.0, doubt=False
    )
    for i, name in enumerate(("ann", "bob", "eva"), start=1):
        export(run, tmp_path / f"{name}.csv", part=(i, 3))
        rows = rows_of(tmp_path / f"{name}.csv")
        assert 6 <= len(rows) / per_document <= 8
        found = take(run, write(tmp_path / f"{name}.csv", [row | {"label": "tea"} for row in rows]), name).recorded
        assert (found.counted, found.late) == (len(rows), 0)
    assert {(one.state, one.votes) for one in all_questions(run)} == {("settled", per_document)}


@pytest.mark.parametrize("name", ["q.csv", "q.jsonl", "q.csv.gz", "q.ndjson.gz"])
def test_answers_are_imported_once(tmp_path: Path, name: str) -> None:
    run, path = run_with(tmp_path, TEXTS), tmp_path / name
    export(run, path)
    packed = name.endswith(".gz")
    raw = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    if "csv" in name:
        (tmp_path / "plain.csv").write_bytes(raw)
        rows = rows_of(tmp_path / "plain.csv")
        for row in rows[:4]:
            row["label"] = "milk"
        raw = write(tmp_path / "plain.csv", rows).read_bytes()
    else:
        lines = [json.loads(line) for line in raw.decode().splitlines()]
        raw = "\n".join(json.dumps(one | {"label": "milk" if i < 4 else None}) for i, one in enumerate(lines)).encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    found = take(run, path)
    assert (found.recorded.counted, found.empty, found.left.open, found.left.ready) == (4, 2, 2, False)
    again = take(run, path)
    assert (again.recorded.counted, again.recorded.repeated) == (0, 4)
    assert answers(run) == {f"d{i}": ("label", "milk", "ann") for i in range(4)}


def test_labels_by_their_other_spellings_and_words_for_no_label(tmp_path: Path) -> None:
    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    said = ["Milch", "TEA ", "=soup", "unsure", "None fits", "?"]
    take(run, write(path, filled(run, path, said.__getitem__)))
    assert [answer[:2] for answer in answers(run).values()] == [
        ("label", "milk"),
        ("label", "tea"),
        ("label", "=soup"),
        ("unsure", None),
        ("none", None),
        ("unsure", None),
    ]


def test_a_label_named_as_such_a_word_is_meant_first(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS[:1], labels=[{"name": "none"}, {"name": "tea"}])
    take(run, write(tmp_path / "q.csv", filled(run, tmp_path / "q.csv", "none")))
    assert answers(run) == {"d0": ("label", "none", "ann")}


def test_a_binary_task_takes_the_labels_that_other_stands_for(tmp_path: Path) -> None:
    labels = [{"name": "spam", "positive": True}, {"name": "news"}, {"name": "offer"}]
    run = run_with(tmp_path, TEXTS[:3], labels=labels, kind="binary")
    said = ["spam", "offer", "other"]
    take(run, write(tmp_path / "q.csv", filled(run, tmp_path / "q.csv", said.__getitem__)))
    assert [label for _, label, _ in answers(run).values()] == ["spam", "other", "other"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "teea"}, "row 2 (q-000002): label: 'teea' is not a label of the task - did you mean 'tea'?"),
        ({"label": "xyzzy"}, "label: 'xyzzy' is not a label of the task; expected one such as 'tea', 'milk', '=soup'"),
        ({"question": "q-000099"}, "question: 'q-000099' is not a question of this run; expected one that it asked"),
        ({"question": "d1"}, "row 2: question: 'd1' is a document's id; expected q-000002"),
        ({"question": "", "document": ""}, "row 2: question: is empty; expected a question's id"),
        ({"document": "d3"}, "document: 'd3' is not that of the question; expected 'd1'"),
        ({"text": "pears"}, "text: 'pears' is not the question's; expected '=HYPERLINK(1)'"),
        ({"run": "shelf-00000000"}, "row 2: run: 'shelf-00000000' is another run; expected 'shelf-"),
        ({"version": "2"}, "row 2: version: '2' is not valid; expected 1"),
        (
            {"question": "q-000001", "text": "", "document": ""},
            "label: 'tea', but {path} row 1 has 'milk' for the same",
        ),
        ({"comment": "x" * 2001}, "comment: has 2,001 characters; expected at most 2,000"),
        ({"seconds": "soon"}, "seconds: 'soon' is not valid; expected a number"),
        ({"answered_at": "noon"}, "answered_at: 'noon' is not valid; expected a time"),
        ({"who": "\x07"}, "is not valid; expected a person's name"),
    ],
)
def test_a_row_that_is_not_valid_is_named_and_nothing_is_recorded(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    rows = filled(run, path, lambda i: "milk" if i == 0 else "tea")
    for row in rows:
        row |= {"seconds": "", "answered_at": "", "who": ""}
    rows[1] |= change
    with pytest.raises(CorpusError) as error:
        take(run, write(path, rows))
    assert message.replace("{path}", str(path)) in str(error.value)
    assert str(error.value).startswith(f"{path} row 2")
    assert answers(run) == {}


def test_several_rows_that_are_not_valid_are_named_together(tmp_path: Path) -> None:
    run = run_with(tmp_path, [f"text {i}" for i in range(8)])
    with pytest.raises(CorpusError) as error:
        take(run, write(tmp_path / "q.csv", filled(run, tmp_path / "q.csv", "cofee")))
    lines = str(error.value).splitlines()
    assert len(lines) == 7
    assert lines[5].endswith("q.csv: 3 more are not valid")
    assert lines[6].endswith("q.csv: nothing was recorded")


@pytest.mark.parametrize("name", ["q.xlsx", "q.ods", "q.XLS"])
def test_workbooks_are_refused(tmp_path: Path, name: str) -> None:
    run = run_with(tmp_path, TEXTS)
    with pytest.raises(CorpusError, match="is a workbook, which is not read; expected a CSV file"):
        take(run, tmp_path / name)


def test_a_workbook_called_csv_is_refused(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS)
    (tmp_path / "q.csv").write_bytes(b"PK\x03\x04 xl/workbook.xml" + bytes(100))
    with pytest.raises(CorpusError, match="is an Excel workbook"):
        take(run, tmp_path / "q.csv")


def test_files_without_the_columns_are_refused(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS)
    (tmp_path / "q.csv").write_text("question,answer\nq-000001,tea\n")
    with pytest.raises(
        CorpusError, match="no column 'label'; expected the columns that `laud questions export` writes"
    ):
        take(run, tmp_path / "q.csv")
    (tmp_path / "q.csv").write_text("text,label\ngala apples,tea\n")
    with pytest.raises(CorpusError, match="no column 'question'"):
        take(run, tmp_path / "q.csv")
    with pytest.raises(UserError, match="--out: 'q.xlsx' is not valid; expected a name that ends in .csv or .jsonl"):
        export(run, "q.xlsx")


def test_excel_in_western_europe_saves_semicolons_and_cp1252(tmp_path: Path) -> None:
    """Letters that cp1252 lacks become question marks, which is not a changed text."""
    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    found = take(run, write(path, filled(run, path, "Käse & co"), "cp1252", ";"))
    assert found.recorded.counted == 6
    assert f"{path}: is read as cp1252" in found.notes


def test_an_emoji_may_become_two_question_marks(tmp_path: Path) -> None:
    run, path = run_with(tmp_path, ["😀 pâté 😀" * 40, "😀"]), tmp_path / "q.csv"
    rows = filled(run, path)
    rows[0]["text"] = rows[0]["text"].replace("😀", "??")
    assert take(run, write(path, rows, "cp1252")).recorded.counted == 2
    rows[0]["text"] += "x"
    with pytest.raises(CorpusError, match="row 1 .*is not the question's"):
        take(run, write(path, rows, "cp1252"))


def test_a_file_in_utf16_with_tabs(tmp_path: Path) -> None:
    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    rows = filled(run, path, "Käse & co")
    assert take(run, write(tmp_path / "q.tsv", rows, "utf-16", "\t")).recorded.counted == 6


def test_documents_name_their_question_where_the_column_was_deleted(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS, again=1)
    (tmp_path / "a.csv").write_text("document,label,my notes\nd2,tea,x\nd4,milk,y\n")
    take(run, tmp_path / "a.csv")
    assert {id: label for id, (_, label, _) in answers(run).items()} == {"d2": "tea", "d4": "milk"}
    (tmp_path / "a.csv").write_text("document,label\nd0,tea\n")
    with pytest.raises(CorpusError, match="document: 'd0' has 2 questions; expected a column 'question'"):
        take(run, tmp_path / "a.csv")


def test_a_person_may_change_an_answer_until_the_run_has_used_it(tmp_path: Path) -> None:
    from laud_ray.people.questions import take_answers

    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    rows = filled(run, path, "tea")
    take(run, write(path, rows))
    rows[0]["label"] = "milk"
    changed = take(run, write(path, rows)).recorded
    assert (changed.counted, changed.changed, changed.repeated) == (1, 1, 5)
    assert all_questions(run)[0].label == "milk"
    rows[0]["label"] = "tea"
    assert take(run, write(path, rows)).recorded.replaced == 1, "an earlier file again brings nothing back"
    assert all_questions(run)[0].label == "milk"
    with look_at(run) as folder:
        take_answers(folder.store.engine, ["d0"], 1)
    rows[0]["label"] = "=soup"
    assert take(run, write(path, rows)).recorded.late == 1
    assert all_questions(run)[0].label == "milk"


def test_an_answer_to_a_settled_question_is_kept_as_late(tmp_path: Path) -> None:
    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    rows = filled(run, path, "tea")
    take(run, write(path, rows), "ann")
    found = take(run, write(path, rows), "bob").recorded
    assert (found.counted, found.late) == (0, 6)


def test_a_team_answers_by_file_to_the_end(tmp_path: Path) -> None:
    run, path = run_with(tmp_path, TEXTS[:2], team=2, per_document=2), tmp_path / "q.csv"
    take(run, write(path, filled(run, path, "tea")), "ann")
    rows = filled(run, path, lambda i: ["tea", "milk"][i])
    found = take(run, write(path, rows), "bob")
    assert (found.left.open, found.left.disputed) == (1, 1)
    assert export(run, tmp_path / "d.csv", disputed=True).questions == 1
    (row,) = rows_of(tmp_path / "d.csv")
    assert row["answers"] == "tea|milk"
    row["label"] = "=soup"
    final = take(run, write(tmp_path / "d.csv", [row]), "eva", adjudicator=True)
    assert (final.left.open, final.left.ready) == (0, True)
    assert all_questions(run)[1].label == "=soup"


def test_what_was_shown_is_recorded(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS, hidden=0.4)
    take(run, write(tmp_path / "q.csv", filled(run, tmp_path / "q.csv")))
    with look_at(run) as folder:
        found = {one.vote.question: one.vote.shown for one in votes(folder.store.engine)}
    asked = {one.number: one.show for one in all_questions(run)}
    assert found == {number: ("tea", "Käse & co") if show else None for number, show in asked.items()}
    assert set(asked.values()) == {True, False}


def test_rows_may_say_who_when_and_how_long(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS[:2])
    row = {"question": "q-000001", "label": "tea", "who": "bob", "seconds": 4.2, "answered_at": "2026-01-31T09:30:00Z"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    take(run, tmp_path / "a.jsonl", None)
    with look_at(run) as folder:
        (found,) = votes(folder.store.engine)
    assert (found.person, found.vote.seconds, found.vote.via) == ("bob", 4.2, "file")
    assert found.vote.answered_at is not None
    assert found.vote.answered_at.isoformat() == "2026-01-31T09:30:00+00:00"
    (tmp_path / "a.jsonl").write_text(json.dumps(row | {"who": None}) + "\n")
    with pytest.raises(CorpusError, match="row 1: who: is empty; expected a person's name, or --who NAME"):
        take(run, tmp_path / "a.jsonl", None)


def test_an_id_names_one_answer(tmp_path: Path) -> None:
    run, id = run_with(tmp_path, TEXTS[:2]), "0b0e3c1e-6d0f-4a53-9d6b-1f4f3a0f2a11"
    row = {"question": "q-000001", "label": "tea", "id": id}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert [take(run, tmp_path / "a.jsonl").recorded.repeated for _ in range(2)] == [0, 1]
    (tmp_path / "a.jsonl").write_text(json.dumps(row | {"label": "milk"}) + "\n")
    with pytest.raises(CorpusError, match="the id '0b0e.*' is that of another recorded answer; expected a new UUID"):
        take(run, tmp_path / "a.jsonl")


def test_a_vote_that_the_database_refuses_keeps_all_of_them_out(tmp_path: Path) -> None:
    run, id = run_with(tmp_path, TEXTS), "0b0e3c1e-6d0f-4a53-9d6b-1f4f3a0f2a11"
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": "q-000006", "label": "tea", "id": id}) + "\n")
    take(run, tmp_path / "a.jsonl")
    rows = [{"question": f"q-{i:06d}", "label": "milk", "id": id if i == 3 else None} for i in range(1, 5)]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        CorpusError, match="is another vote's id; expected a new UUID for each vote; nothing was recorded"
    ):
        take(run, tmp_path / "b.jsonl", "bob")
    assert list(answers(run)) == ["d5"]


def test_a_file_with_answers_that_were_not_imported_is_not_replaced(tmp_path: Path) -> None:
    run, path = run_with(tmp_path, TEXTS), tmp_path / "q.csv"
    write(path, filled(run, path, lambda i: "tea" if i < 2 else ""))
    with pytest.raises(UserError, match="holds 2 answers not imported yet; import the file first, or name another one"):
        export(run, path)
    take(run, path)
    assert export(run, path).questions == 4
    (tmp_path / "other.csv").write_text("some,table\n1,2\n")
    assert export(run, tmp_path / "other.csv").questions == 4


def test_a_run_that_asks_no_people_is_refused(tmp_path: Path) -> None:
    from laud_ray import config as configuration
    from laud_ray.store.run import claim

    text = (
        "task: {name: t, kind: multiclass, labels: [{name: a}, {name: b}]}\ncorpus: {path: x.csv, text: text}\n"
        f"storage: {tmp_path}/plain\noracle: {{kind: replay, label: label}}\n"
    )
    message = "its oracles ask no people; expected an oracle of kind people"
    with claim(configuration.parse(text, "task.yaml")) as run, pytest.raises(RunError, match=message):
        files.export(run, str(tmp_path / "q.csv"))


def test_answers_in_a_database_of_postgresql(tmp_path: Path, postgres: Server) -> None:
    run = run_with(tmp_path, TEXTS, store=postgres.url, team=2, per_document=2)
    for who, left in (("ann", 6), ("bob", 0)):
        rows = filled(run, tmp_path / f"{who}.csv")
        assert [row["run"] for row in rows] == [rows[0]["run"]] * 6
        assert take(run, write(tmp_path / f"{who}.csv", rows), who).left.open == left
    assert take(run, tmp_path / "ann.csv").recorded.repeated == 6


def test_a_reader_of_standard_output_may_stop(tmp_path: Path) -> None:
    run = run_with(tmp_path, [f"text {i} " + "x" * 500 for i in range(2000)])
    command = f"{sys.executable} -m laud_ray questions export {run} --out - | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["question"] == "q-000001"
    assert done.stderr == ""


@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # each example makes a database: too slow to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_every_label_survives_a_spreadsheet(tmp_path: Path, data: st.DataObject) -> None:
    """Rows are sorted, columns moved, dropped and added, apostrophes taken away; delimiters and line ends change."""
    letters = st.sampled_from("ab=+-@'\"|;,#ß日😀 ")
    names = data.draw(st.lists(st.text(letters, min_size=1, max_size=8), min_size=2, max_size=6))
    names = list(dict.fromkeys(" ".join(one.split()) for one in names if one.split()))
    names = [one for one in names if not any(two != one and two.strip("' ") == one.strip("' ") for two in names)]
    texts = data.draw(st.lists(st.text(letters, min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=8))
    labels = [{"name": one} for one in [*names, "zeta", "eta"]]
    run = run_with(tmp_path, [" ".join(one.split()) for one in texts], labels=labels)
    known = [str(one["name"]) for one in labels]
    meant = [data.draw(st.sampled_from(known)) for _ in texts]
    path = tmp_path / "q.csv"
    path.unlink(missing_ok=True)
    rows = filled(run, path, meant.__getitem__)
    bare = data.draw(st.booleans())
    dropped = data.draw(
        st.sets(st.sampled_from(["text", "candidates", "comment", "run", "version", "document", "show"]))
    )
    order = [one for one in rows[0] if one not in dropped] + ["notes"]
    random.Random(data.draw(st.integers(0, 99))).shuffle(order)
    kept = [{name: _as_shown(row.get(name, "ok"), bare and name != "label") for name in order} for row in rows]
    kept = data.draw(st.permutations(kept))
    found = take(run, write(path, [*kept, dict.fromkeys(order, "")], delimiter=data.draw(st.sampled_from(",;\t"))))
    assert found.recorded.counted == len(texts)
    assert [label for _, label, _ in sorted_by_document(run)] == meant


def sorted_by_document(run: str) -> list[tuple[str, str | None, str]]:
    found = answers(run)
    return [found[one.document.id] for one in all_questions(run)]


def _as_shown(cell: str, bare: bool) -> str:
    """What a spreadsheet writes for a cell; some take the apostrophe away."""
    return cell[1:] if bare and cell.startswith("'") and not cell.startswith("''") else cell


PATHS = ("Drinks > Tea > Green tea", "Drinks > Tea > Other", "Drinks > Coffee", "Food > Other")


def test_a_taxonomy_is_answered_by_path_code_or_name_and_with_branches(tmp_path: Path) -> None:
    lines = ["d : Drinks", "dt : Drinks > Tea", "dtg : Drinks > Tea > Green tea", "dc : Drinks > Coffee", "f : Food"]
    (tmp_path / "shelf.txt").write_text("\n".join([*lines, "fo : Food > Other", "fb : Food > Bread"]))
    run = run_with(tmp_path, TEXTS, kind="taxonomy", labels=str(tmp_path / "shelf.txt"))
    said = ["Drinks > Tea > Green tea", "dc", "other", " drinks  > tea", "f", "none fits"]
    rows = filled(run, tmp_path / "q.csv", lambda i: said[i])
    assert rows[0]["candidates"] == "Drinks > Tea > Green tea=0.6|Food > Bread=0.25"
    assert take(run, write(tmp_path / "q.csv", rows)).recorded.counted == 6
    assert [answer[:2] for answer in answers(run).values()] == [
        ("label", "Drinks > Tea > Green tea"),
        ("label", "Drinks > Coffee"),
        ("label", "Food > Other"),
        ("label", "Drinks > Tea"),
        ("label", "Food"),
        ("none", None),
    ]


def test_a_wrong_answer_to_a_taxonomy_is_refused_by_file_and_row(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS, kind="taxonomy", labels=PATHS)
    said = ["Other", "Green te", "Drinks > Milk", "Coffee", "", "qqqq"]
    path = write(tmp_path / "q.csv", filled(run, tmp_path / "q.csv", lambda i: said[i]))
    with pytest.raises(CorpusError) as caught:
        take(run, path)
    lines = str(caught.value).splitlines()
    place = f"{path} row"
    assert lines[0] == (
        f"{place} 1 (q-000001): label: 'Other' is not valid; expected the whole path: 'Drinks > Tea > Other' or "
        "'Food > Other'"
    )
    assert lines[1].endswith("'Green te' is not a label of the task - did you mean 'Drinks > Tea > Green tea'?")
    assert lines[2].startswith(f"{place} 3 (q-000003): label: 'Drinks > Milk' is not a label")
    assert lines[3].startswith(f"{place} 6 (q-000006): label: 'qqqq' is not a label or branch of the task; expected")
    assert {one.state for one in all_questions(run)} == {"open"}
