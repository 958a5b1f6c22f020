"""Runs whose questions people answer: from the first question to the end, however it is interrupted."""

import itertools
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from laud_ray import config, loop
from laud_ray.people import questions
from laud_ray.people.votes import votes
from laud_ray.store.database.connection import read
from laud_ray.store.run import look_at
from tests.commands import laud
from tests.e2e.killing import environment
from tests.people import Team, goods, settings, write, write_goods
from tests.postgres import Server

ASKED = (
    "select q.document_id, q.purpose, q.round, q.reason, a.label from queries q "
    "left join annotations a on a.document_id = q.document_id order by q.position"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_goods(folder)
    return folder


@pytest.fixture
def team() -> Team:
    return Team(goods(240))


def to_the_end(path: Path, team: Team, most: int = 1_000_000) -> tuple[loop.Outcome, int]:
    """Run and answer in turn, at most so many answers between two runs; return how it ended and how often it waited."""
    for waits in range(40):
        outcome = loop.run(config.load(str(path)))
        if outcome.state == "finished":
            return outcome, waits
        with look_at(str(yaml.safe_load(path.read_text())["storage"])) as run:
            if not team.answer(run, most):
                return outcome, waits
    raise AssertionError("the run waits for ever")


def asked(storage: Path) -> list[tuple[object, ...]]:
    with look_at(str(storage)) as run:
        return [tuple(row) for row in read(run.store.engine, lambda c: c.execute(text(ASKED)).all())]


@pytest.fixture(scope="module")
def unbroken(ray_session: str, place: Path) -> Path:
    """A run to its end by repeated `laud run`, which ends with 75 each time that people are to answer."""
    path, team = write(place / "alone.yaml", settings(place / "goods.parquet", place / "alone")), Team(goods(240))
    codes: list[int] = []
    while not codes or codes[-1] == 75:
        codes.append(laud("run", str(path)))
        with look_at(str(place / "alone")) as run:
            team.answer(run)
        assert len(codes) < 12
    assert codes == [75] * (len(codes) - 1) + [0]
    return place / "alone"


def test_people_alone_come_to_the_end(unbroken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = asked(unbroken)
    assert Counter(row[1] for row in rows)["evaluation"] == 20
    assert sum(row[1] != "evaluation" for row in rows) == 18
    assert all(row[4] is not None for row in rows)
    with look_at(str(unbroken)) as run:
        found = questions.questions(run.store.engine)
        given = votes(run.store.engine)
        history = run.store.history()
    assert {one.state for one in found} == {"used"}
    assert Counter(one.vote.question for one in given) == {one.number: 1 for one in found}
    assert not any(one.show for one in found if one.purpose == "evaluation")
    assert all(one.candidates and one.model for one in found)
    assert history[0].annotations == 0
    assert laud("status", str(unbroken)) == 0
    assert "38 questions answered, 0 open" in capsys.readouterr().out


def test_what_is_said_while_people_answer(
    ray_session: str, place: Path, team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(place / "said.yaml", settings(place / "goods.parquet", place / "said"))
    assert laud("run", str(path)) == 75
    said = capsys.readouterr()
    assert (
        "people have 4 of 4 seed questions to answer; people have 20 of 20 evaluation questions to answer" in said.out
    )
    assert "laud annotate" in said.out
    assert "never found" not in said.out
    with look_at(str(place / "said")) as run:
        team.answer(run, only=lambda lease: lease.question.purpose == "seed")
    assert laud("run", str(path)) == 75
    said = capsys.readouterr()
    assert "people have 20 of 20 evaluation questions to answer" in said.out
    assert "[round 1] training" in said.err, "the first model is trained while people answer the evaluation sample"
    assert laud("status", str(place / "said")) == 0
    assert laud("report", str(place / "said")) == 0
    assert "never found" not in capsys.readouterr().out


def test_killed_while_it_waits_and_works_nothing_is_lost_and_nothing_asked_twice(
    ray_session: str, place: Path, unbroken: Path, team: Team
) -> None:
    """`laud run --wait`, killed at random instants while the team answers, ends as the unbroken run did."""
    path = write(place / "killed.yaml", settings(place / "goods.parquet", place / "killed"))
    command = [sys.executable, "-m", "laud_ray", "run", "--wait", str(path)]
    rng = random.Random(3)
    with team.working(place / "killed"):
        for _ in range(3):
            process = subprocess.Popen(
                command, env=environment(ray_session), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            until = time.monotonic() + 60
            while not (place / "killed" / ".lock").exists() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(rng.uniform(1, 5))
            process.kill()
            process.communicate()
        done = subprocess.run(
            command, env=environment(ray_session), capture_output=True, text=True, timeout=180, check=False
        )
    assert done.returncode == 0, done.stderr
    assert asked(place / "killed") == asked(unbroken)
    counted = Counter(number for _, number in team.answered)
    assert set(counted.values()) == {1}
    assert len(counted) == 38


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(
            {
                "oracle": {
                    "kind": "cascade",
                    "oracles": [{"kind": "replay", "label": "label", "abstain": 0.4}, {"kind": "people"}],
                },
                "evaluation": {"size": 20, "stop_set": 50, "oracle": {"kind": "people"}},
            },
            {"evaluation": 20},
            id="last of a cascade, and the evaluation sample",
        ),
        pytest.param(
            {
                "oracle": {"kind": "replay", "label": "label", "noise": 0.1},
                "evaluation": {"size": 30, "stop_set": 50, "oracle": {"kind": "people"}, "trusted": 20},
            },
            {"evaluation": 20},
            id="a trusted part of the evaluation sample",
        ),
    ],
)
def test_people_beside_other_oracles(
    ray_session: str, tmp_path: Path, place: Path, team: Team, changed: dict[str, object], expected: dict[str, int]
) -> None:
    path = write(tmp_path / "t.yaml", settings(place / "goods.parquet", tmp_path / "run", **changed))
    outcome, _ = to_the_end(path, team)
    assert outcome.reason == "budget: 18 of 18 annotations are spent"
    with look_at(str(tmp_path / "run")) as run:
        found = questions.questions(run.store.engine)
        by_people = sum(a.oracle == "people" for a in run.store.queries())
        counts = run.store.counts()
    assert {one.state for one in found} == {"used"}
    assert Counter(one.purpose for one in found)["evaluation"] == expected["evaluation"]
    assert len(found) == len({(one.document.id, one.attempt) for one in found}) == by_people + counts["trusted"]
    assert laud("status", str(tmp_path / "run")) == 0


def test_a_round_closes_at_a_share_and_the_budget_holds(
    ray_session: str, postgres: Server, tmp_path: Path, place: Path, team: Team
) -> None:
    """On PostgreSQL: 8 of 10 answers close a round; what comes later teaches the next model; then the budget grows."""
    written = settings(
        place / "goods.parquet",
        tmp_path / "run",
        oracle={"kind": "people", "close_at": 0.8},
        budget={"annotations": 24},
        store=postgres.url,
    )
    path = write(tmp_path / "t.yaml", written)
    outcome = loop.run(config.load(str(path)))
    left: set[int] = set()
    for _ in range(30):
        if outcome.state == "finished":
            break
        with look_at(str(tmp_path / "run")) as run:
            store = run.store
            open = questions.questions(store.engine, states=("open",))
            mine = [one for one in open if one.purpose == "query"]
            if len(mine) == 10:
                # Two of this round stay open until the next round asks.
                left = {one.number for one in mine[8:]}
            team.answer(run, only=lambda lease: lease.question.number not in left or len(mine) < 10)  # noqa: B023
            spent = sum(a.purpose != "evaluation" for a in store.queries())
            assert spent <= 24
        outcome = loop.run(config.load(str(path)))
    assert outcome.reason == "budget: 24 of 24 annotations are spent"
    assert left, "no round was closed with open questions"
    with look_at(str(tmp_path / "run")) as run:
        assert {one.state for one in questions.questions(run.store.engine)} == {"used"}
        history = run.store.history()
        assert any(
            after.annotations - before.annotations in (8, 10 + 2) for before, after in itertools.pairwise(history)
        ), history
    path.write_text(yaml.safe_dump({**written, "budget": {"annotations": 30}}))
    outcome, _ = to_the_end(path, team)
    assert outcome.reason == "budget: 30 of 30 annotations are spent"


def test_nothing_is_bought_beyond_the_dollars(
    ray_session: str, tmp_path: Path, place: Path, team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    """4 seconds at 36 dollars an hour are 4 cents; 50 cents are 13 answers, the last of which comes too far."""
    rules = {"kind": "people", "hourly": 36, "max_dollars": 0.5}
    written = settings(place / "goods.parquet", tmp_path / "run", oracle=rules)
    path = write(tmp_path / "t.yaml", written)
    outcome, _ = to_the_end(path, team, most=1)
    assert outcome.state == "waiting"
    assert "have cost $0.52 of max_dollars: 0.5" in outcome.reason
    assert len(team.answered) == 13
    assert laud("run", "--wait", str(path)) == 75, "nobody can answer, so there is nothing to wait for"
    assert "expected a higher max_dollars" in capsys.readouterr().out
    path.write_text(yaml.safe_dump({**written, "oracle": {**rules, "max_dollars": 20}}))
    outcome, _ = to_the_end(path, team)
    assert outcome.state == "finished"
