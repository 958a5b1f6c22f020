"""The end of a relabel: what it counted, and what a whole output needs to be known as such."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from laud_ray.config import CorpusConfig
from laud_ray.relabel import Outcome
from laud_ray.relabel.finish import finish, finished
from laud_ray.relabel.inputs import cutting
from laud_ray.relabel.plan import Options, Plan, open_plan, work_folder
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.work import label_range, score_repeats
from laud_ray.relabel.source import MAX_CHARS
from laud_ray.report.relabelled import relabel_view, to_json
from laud_ray.stats.legibility import Legibility
from laud_ray.storage.folder import Folder
from laud_ray.types import Scorer
from tests.relabeling import NAMED, Hashing, job, write

# 130 different texts in 300 rows, most of them in several ranges; in 43 rows there is none.
TEXTS = [f"tea {i % 130}" if i % 7 else None for i in range(300)]
DIFFERENT = len({text for text in TEXTS if text})


class Halving(Hashing):
    """Answers half of the texts by a student, as it says."""

    def __init__(self) -> None:
        super().__init__(("Tea", "Coffee"))

    @property
    def answered(self) -> int:
        return sum(int(text[-1]) % 2 for text in self.seen)


def halving(_: str) -> Halving:
    return Halving()


def label(tmp_path: Path, *, deduplicate: bool, load: Callable[[str], Scorer] = halving) -> tuple[Plan, Folder]:
    """Label a catalog in this process, up to the end that is missing."""
    data = str(write(tmp_path / "in.parquet", {"id": list(range(300)), "text": TEXTS}))
    options, out = Options(NAMED, 70, deduplicate=deduplicate), Folder(str(tmp_path / "out"))
    plan = open_plan(out, "run", data, "round-0001", "c1", options, cutting.inventory(data, NAMED))
    todo = replace(job(plan.catalog, tmp_path / "out"), load=load)
    if deduplicate:
        place = work_folder(plan, out) / repeats.REPEATS
        todo = replace(todo, repeats=place)
        for name in repeats.find(plan.catalog, place, 40):
            score_repeats(name, todo)
    for part in plan.catalog.ranges:
        label_range(part.name, todo)
    return plan, out


class Foreign(Hashing):
    """Reads none of the texts."""

    def __init__(self) -> None:
        super().__init__(("Tea", "Coffee"))

    def legibility(self, texts: Sequence[str]) -> Legibility:
        return Legibility(len(texts), len(texts), 2 * len(texts), len(texts), 0)


def foreign(_: str) -> Foreign:
    return Foreign()


def test_an_encoder_that_does_not_read_the_catalog_is_said(tmp_path: Path) -> None:
    plan, out = label(tmp_path, deduplicate=False, load=foreign)
    totals = finish(plan, out, lambda done, total: None)
    assert totals.legibility["texts"] == 300 - 43
    assert finished(plan, out) == totals
    shown = Console(width=200, file=StringIO())
    shown.print(relabel_view(Outcome(totals, False, 1.0, 300, None), "out", "round-0001"))
    assert "50 % of the tokens of these texts are unknown to the model's encoder" in shown.file.getvalue()
    assert to_json(Outcome(totals, False, 1.0, 300, None), "out", "m")["legibility"] == totals.legibility


def test_texts_that_stand_in_several_rows_count_once_as_scored(tmp_path: Path) -> None:
    plan, out = label(tmp_path, deduplicate=True)
    totals = finish(plan, out, lambda done, total: None)
    assert totals.scored == DIFFERENT
    assert totals.by_student == sum(int(text[-1]) % 2 for text in {text for text in TEXTS if text})
    assert (totals.rows, totals.errors, totals.looked_up > 100) == (300, 43, True)
    assert finished(plan, out) == totals


def test_a_lost_file_of_answers_counts_nothing(tmp_path: Path) -> None:
    plan, out = label(tmp_path, deduplicate=True)
    place = work_folder(plan, out) / repeats.REPEATS
    scored, by_student = repeats.read_counts(place)
    assert scored > by_student > 0
    for name in (place / repeats.ANSWERS).names():
        (place / repeats.ANSWERS).delete(name)
    assert repeats.read_counts(place) == (0, 0)


def test_without_that_step_a_text_counts_in_each_range(tmp_path: Path) -> None:
    plan, out = label(tmp_path, deduplicate=False)
    totals = finish(plan, out, lambda done, total: None)
    assert totals.scored > DIFFERENT
    assert totals.looked_up == 0


def test_the_limit_of_a_model_alone_is_that_of_a_run() -> None:
    assert CorpusConfig.model_fields["max_chars"].default == MAX_CHARS


@pytest.mark.parametrize(
    "what", ["laud_ray.relabel, laud_ray.report.relabelled", "laud_ray.cli.console, laud_ray.cli.metrics"]
)
def test_what_a_whole_output_needs_is_soon_imported(what: str) -> None:
    heavy = "{'ray', 'torch', 'duckdb', 'sqlalchemy', 'pydantic', 'plotext', 'pyarrow.dataset', 'fsspec'}"
    code = f"import sys, {what}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
