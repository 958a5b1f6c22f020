"""New data whose questions people answer: in a file and on the page, with a label that the task lacked."""

import csv
import json
import random
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from laud_ray import config, loop
from laud_ray.store.database.connection import read
from laud_ray.store.run import look_at
from tests.commands import laud
from tests.people import LABELS, Team, goods, settings, write, write_goods

PARTS = ("portafilter", "grinder", "burr", "tamper", "descaler", "gasket")


def write_night(place: Path) -> tuple[Path, dict[str, str]]:
    """Write 240 documents, 100 of them of a label that the task lacks; return their file and their labels."""
    rng = random.Random(1)
    found = dict(list(goods(380).items())[240:])
    while len(found) < 240:
        found[f"{rng.choice(PARTS)} {rng.choice(PARTS)} steel {rng.randint(1, 9999)}"] = "Parts"
    rows = {"id": [f"n{i:04d}" for i in range(240)], "text": sorted(found)}
    pq.write_table(pa.table(rows), place / "night.parquet")
    return place / "night.parquet", found


def rows(run: Path, query: str) -> list[tuple[object, ...]]:
    with look_at(str(run)) as folder:
        return [tuple(row) for row in read(folder.store.engine, lambda c: c.execute(text(query)).all())]


def status(run: Path, capsys: pytest.CaptureFixture[str]) -> Mapping[str, object]:
    capsys.readouterr()
    assert laud("status", str(run), "--json") == 0
    found: Mapping[str, object] = json.loads(capsys.readouterr().out)
    return found


def fill_in(run: Path, file: Path, truth: Mapping[str, str], most: int) -> int:
    """Export the open questions, answer at most so many, and import the file; return how many were answered."""
    assert laud("questions", "export", str(run), "--out", str(file)) == 0
    with file.open(encoding="utf-8-sig", newline="") as opened:
        listed = list(csv.DictReader(opened))
    for row in listed[:most]:
        row["label"] = truth[row["text"]] if truth[row["text"]] in LABELS else "none fits"
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, listed[0])
        writer.writeheader()
        writer.writerows(listed)
    assert laud("questions", "import", str(run), str(file), "--who", "ann") == 0
    return min(most, len(listed))


def test_people_answer_about_new_data_and_again_once_there_is_a_label(
    ray_session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, (night, truth) = tmp_path / "run", write_night(tmp_path)
    team = Team({**goods(240), **truth})
    # Answers at 36 dollars an hour and 4 seconds each cost 4 cents.
    rules = {"kind": "people", "hourly": 36, "max_dollars": 100}
    written = settings(
        write_goods(tmp_path), run, oracle=rules, update={"annotations": 60, "margin": 0.2}, query={"batch": 20}
    )
    path = write(tmp_path / "t.yaml", written)
    for _ in range(12):
        if loop.run(config.load(str(path))).state == "finished":
            break
        with look_at(str(run)) as folder:
            team.answer(folder)
    before = len(team.answered)

    assert laud("update", str(run), str(night)) == 75
    said = capsys.readouterr().out
    assert "people have 30 of 30 evaluation questions to answer; people have 30 of 30 questions of round" in said
    assert status(run, capsys)["state"] == "waiting"
    assert laud("status", str(run)) == 0
    shown = capsys.readouterr().out
    assert "laud annotate" in shown
    assert "laud update" in shown
    # Some answer in a file, and more of them may not be paid for.
    assert fill_in(run, tmp_path / "questions.csv", truth, 20) == 20
    assert "40 questions have no answer yet" in capsys.readouterr().out
    (run / "config.yaml").write_text(
        (run / "config.yaml").read_text().replace("max_dollars: 100.0", "max_dollars: 0.1")
    )
    assert laud("update", str(run)) == 75
    assert "have cost" in capsys.readouterr().out
    assert laud("questions", "export", str(run), "--out", str(tmp_path / "more.csv")) == 2
    (run / "config.yaml").write_text(
        (run / "config.yaml").read_text().replace("max_dollars: 0.1", "max_dollars: 100.0")
    )
    with look_at(str(run)) as folder:
        assert team.answer(folder) == 40

    assert laud("update", str(run)) == 3
    assert status(run, capsys)["state"] == "waiting"
    proposed = [number for (number,) in rows(run, "select position from proposals where state = 'open' order by 1")]
    abstained = "select count(*) from annotations where label is null"
    ((none_fits,),) = rows(run, abstained)
    assert proposed
    assert int(str(none_fits)) > 10
    assert laud("labels", str(run), "accept", str(proposed[0]), "--name", "Parts") == 0
    assert "asked again" in capsys.readouterr().out
    for number in proposed[1:]:
        assert laud("labels", str(run), "merge", str(number), "Parts") == 0

    # What no label fitted is asked again, of the same people.
    assert laud("update", str(run)) == 75
    with look_at(str(run)) as folder:
        again = team.answer(folder)
    assert laud("update", str(run)) == 0
    assert again == int(str(none_fits))
    assert len(team.answered) == before + 40 + again
    assert rows(run, "select count(*), count(label) from renewed_answers") == [(again, again)]
    assert {label for (label,) in rows(run, "select label from renewed_answers")} == {"Parts"}
    ((verdict, words),) = rows(run, "select verdict, words from decisions")
    assert verdict == "promote", words
    assert status(run, capsys)["state"] == "finished"
    assert loop.run(config.load(str(run / "config.yaml"))).state == "finished"
