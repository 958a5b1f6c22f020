"""An experiment in the terminal, as JSON and as a page."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from laud_ray.audience.measure import Measured, measure
from laud_ray.report.audience.lift_json import lift_json
from laud_ray.report.audience.page import render
from laud_ray.types import Estimate
from tests.commands import laud

EXAMPLE = str(Path(__file__).parents[4] / "examples" / "audience" / "exposures.parquet")
MARKUP = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def found() -> Measured:
    return measure(EXAMPLE, precision=Estimate(0.8, 0.7, 0.9, 100))


def test_the_page_is_one_file_without_scripts_and_the_same_each_time(found: Measured) -> None:
    page = render(found)
    assert page == render(found)
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "effect shown" in page


def test_names_are_texts(found: Measured) -> None:
    segments = (replace(found.segments[0], name=MARKUP), replace(found.segments[1], name=None))
    page = render(replace(found, path=MARKUP, treatment=replace(found.treatment, name=MARKUP), segments=segments))
    assert MARKUP not in page
    assert "&lt;script&gt;" in page
    assert "(empty)" in page


def test_nothing_shown_is_said(found: Measured) -> None:
    assert found.lift.relative is not None
    lift = replace(found.lift, relative=replace(found.lift.relative, low=-0.1))
    assert "no effect shown" in render(replace(found, adjusted=lift))


def test_the_command_prints_writes_and_exits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = str(tmp_path / "new" / "page.html")
    assert laud("audience", "measure", EXAMPLE, "--html", page, "--precision", "80%") == 0
    out, err = capsys.readouterr()
    assert "with CUPED" in out
    assert "At a precision of 80.0 %" in out
    assert re.fullmatch(
        rf"adding up the exposures of each user: 6,000 rows in .*\nlaud: wrote {re.escape(page)}\n", err
    )
    assert os.path.getsize(page) > 10_000
    assert laud("audience", "measure", EXAMPLE, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads(json.dumps(lift_json(measure(EXAMPLE)), allow_nan=False))
    assert (shown["shown"], shown["lift_cuped"]["relative"]["n"]) == (True, 6000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ratio", "1"], "--ratio': '1' is not valid; expected two positive numbers"),
        (["--ratio", "1:0"], "'1:0' is not valid"),
        (["--ratio", "nan:1"], "'nan:1' is not valid"),
        (["--ratio", "1:2:3"], "'1:2:3' is not valid"),
        (["--precision", "0"], "'0' is not valid; expected a share"),
        (["--html", "/"], "--html: '/' is not valid; expected the name of a file"),
        (["--user", "arm"], "--user: 'arm' is also the column of --arm"),
        (["--segment", "nothing"], "no column 'nothing'"),
        (["--clicks", "klicks"], "no column 'klicks'"),
        (["--pre", "/nowhere.parquet"], "has counts from before the test itself"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("audience", "measure", EXAMPLE, *options) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
