"""`laud evaluate RUN --budget N`: answers bought once, with known chances, and never of what trains."""

import json
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from laud_ray import cli, config
from laud_ray.data.corpus import Corpus, open_corpus
from laud_ray.data.generations.append import append
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import RunError
from laud_ray.evaluation import draw
from laud_ray.evaluation.buy import buy
from laud_ray.evaluation.measure import evaluate_round
from laud_ray.evaluation.strata import CUTS, Population, dump_cuts, load_cuts
from laud_ray.events import Event
from laud_ray.people import leases
from laud_ray.people.questions import rules_of
from laud_ray.people.votes import Vote, cast
from laud_ray.steps.close import floor
from laud_ray.steps.work import Work
from laud_ray.store.run import RunFolder, claim, configured, look_at
from laud_ray.store.store import Query, Sampled
from laud_ray.store.trees import CONFIGURATION
from laud_ray.types import Annotation, Document, Estimate, Figures, RoundResult
from tests.commands import laud
from tests.rare import score_of, truth, write_catalog, write_scores

FIGURE = Estimate(0.5, 0.4, 0.6, 60)


@pytest.fixture(scope="module", params=["binary", "multiclass"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rounds whose scores are made up: 60 documents evaluate, 30 others trained."""
    place = tmp_path_factory.mktemp(request.param)
    write_catalog(place / "names.parquet")
    kind = request.param
    labels = ["Tea", "Soap"]
    settings = {
        "task": {"name": "x", "kind": kind, "labels": labels},
        "corpus": {"path": str(place / "names.parquet"), "text": "text", "id": "id"},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "evaluation": {"size": 60},
    }
    with claim(config.parse(json.dumps(settings))) as folder:
        names = folder.config.task.to_task().names
        corpus = normalise(folder.config.corpus, folder.corpus, sealed="label")
        for round in (0, 1):
            write_scores(corpus, folder.scores(round), round, names)
        begin(folder, corpus, names, kind)
    return place / "run"


def begin(folder: RunFolder, corpus: Corpus, names: Sequence[str], kind: str) -> None:
    """Draw and answer the evaluation sample, ask about the likeliest others, and close the rounds, as the loop does."""
    everything = Population(corpus, folder.scores, "Tea" if kind == "binary" else None)
    cuts = (draw.cut(everything, 0, [3]),) if kind == "binary" else ()
    drawn = draw.draw(replace(everything, cuts=cuts), 60, seed=(0, 1))
    folder.store.set_samples({"evaluation": drawn, "stop": drawn[:5]}, {CUTS: dump_cuts(cuts)})
    queries = draw.to_queries(corpus, drawn)
    folder.store.add_queries("evaluation", 0, queries)
    answer = {True: "Tea", False: names[1]}
    told = [Annotation(q.document.id, answer[truth(int(q.document.id[1:]))], "replay") for q in queries]
    folder.store.add_annotations(told)
    held_out = {q.document.id for q in queries}
    rows = [row for part in corpus.ranges for row in corpus.read(part.name).to_pylist()]
    firsts = [row for row in rows if row["duplicate_of"] is None and row["id"] not in held_out]
    best = sorted(firsts, key=lambda row: -score_of(int(row["id"][1:]), 0))[:30]
    folder.store.add_queries("seed", 1, [Query(Document(row["id"], row["text"]), "seed") for row in best])
    for round in (0, 1):
        figures = Figures(60, FIGURE, FIGURE, 0.1, ())
        result = RoundResult(round, folder.model_name(round), 30, 500, 800, figures, None, True, {})
        folder.store.close_round(result, "linear", None)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def bought(run: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert laud("evaluate", str(run), *arguments, "--json") == 0
    return dict(json.loads(capsys.readouterr().out))


def test_what_is_bought_is_random_weighted_and_never_trained(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = bought(run, capsys, "--budget", "80")
    # Equal texts are drawn as documents of their own, and asked about once.
    assert 60 <= int(str(first["bought"])) <= 80
    assert first["n"] == 140
    low, high = first["accuracy_interval"]  # type: ignore[misc]
    assert low <= float(str(first["accuracy"])) <= high
    with claim(configured(f"{run}/config.yaml")) as folder:
        drawn, queries = folder.store.sample("evaluation"), folder.store.queries()
        stop = folder.store.sample("stop")
        trained = {a.query.document.id for a in queries if a.purpose == "seed"}
    assert len({(one.range, one.row) for one in drawn}) == len(drawn) == 140
    assert not {one.document_id for one in drawn} & trained
    assert len(stop) == 5
    corpus = pq.read_table(next((run / "corpus").glob("part-*"))).to_pylist()
    sizes = {one.stratum: one.stratum_size for one in drawn}
    assert sum(sizes.values()) == sum((row["duplicate_of"] or row["id"]) not in trained for row in corpus)


def test_the_floor_is_zero_shot_on_the_same_documents(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with claim(configured(f"{run}/config.yaml")) as folder:
        work = Work(folder, folder.config.task.to_task(), normalise(folder.config.corpus, folder.corpus), print)
        first = folder.store.history()[0].figures
        assert floor(work, first) == FIGURE.value
    bought(run, capsys, "--budget", "80")
    with claim(configured(f"{run}/config.yaml")) as folder:
        work = Work(folder, folder.config.task.to_task(), normalise(folder.config.corpus, folder.corpus), print)
        zero_shot, later = evaluate_round(folder, 0), evaluate_round(folder, 1)
        assert later.n == zero_shot.n == 140
        assert floor(work, later) == zero_shot.accuracy.value != FIGURE.value


def test_purchases_add_up(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bought(run, capsys, "--budget", "40")
    with claim(configured(f"{run}/config.yaml")) as folder:
        before = {(one.range, one.row) for one in folder.store.sample("evaluation")}
    second = bought(run, capsys, "--budget", "40")
    with claim(configured(f"{run}/config.yaml")) as folder:
        after = {(one.range, one.row) for one in folder.store.sample("evaluation")}
        cuts = load_cuts(folder.store.setting(CUTS))
    assert before < after
    assert (second["n"], len(after)) == (140, 140)
    assert cuts[-1].round == 1


def test_a_purchase_leaves_the_documents_of_later_generations_as_they_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = {"id": [f"d{i}" for i in range(900, 960)], "text": [f"novelty {i}" for i in range(900, 960)]}
    pq.write_table(pa.table({**new, "label": ["Soap"] * 60}), tmp_path / "new.parquet")
    with claim(configured(f"{run}/config.yaml")) as folder:
        store, names = folder.store, folder.config.task.to_task().names
        first = open_corpus(folder.corpus)
        assert first is not None
        source = folder.config.corpus.model_copy(update={"path": str(tmp_path / "new.parquet")})
        later = append(source, folder.corpus, first, sealed="label").corpus.of_generation(2)
        write_scores(later, folder.scores(1), 1, names)  # zero-shot has no scores of them
        (part,) = later.ranges
        ids = later.read(part.name)["id"].to_pylist()
        before = store.sample("evaluation")
        added = [Sampled(part.name, row, ids[row], 3, 60) for row in range(20)]
        store.set_samples({"evaluation": [*before, *added], "stop": store.sample("stop")}, {})
        store.add_queries("evaluation", 1, draw.to_queries(later, added))
    found = bought(run, capsys, "--budget", "40")
    assert found["n"] == 120
    with claim(configured(f"{run}/config.yaml")) as folder:
        after = folder.store.sample("evaluation")
        cuts = load_cuts(folder.store.setting(CUTS))
        answers = {a.query.document.id: a.label for a in folder.store.queries("evaluation")}
    mine = [one for one in after if one.range != part.name]
    assert sorted(one.document_id for one in after if one.range == part.name) == sorted(ids[:20])
    assert {(one.stratum, one.stratum_size) for one in after if one.range == part.name} == {(cuts[-1].strata, 60)}
    assert len(mine) == 100
    assert all(one.stratum < cuts[-1].strata for one in mine)
    assert laud("evaluate", str(run), "--budget", "10", "--model", "zero-shot") == 2
    assert "zero-shot has no scores of documents that were appended later and are evaluated" in capsys.readouterr().err
    # The oracle still knows all documents.
    assert None not in {answers[id] for id in ids[:20]}


def test_an_interrupted_purchase_is_finished_and_nothing_is_bought_twice(
    run: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(event: Event) -> None:
        if event.kind == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), claim(configured(f"{run}/config.yaml")) as folder:
        buy(folder, 150, observer=interrupt)
    rest = bought(run, capsys, "--budget", "150")
    assert rest["resumed"] is True
    shutil.copytree(finished, tmp_path / "other")
    whole = bought(tmp_path / "other", capsys, "--budget", "150")
    assert 0 < int(str(rest["bought"])) < int(str(whole["bought"]))
    assert {**whole, "bought": 0, "resumed": 0} == {**rest, "bought": 0, "resumed": 0}
    assert bought(run, capsys, "--budget", "10")["resumed"] is False


def test_answers_that_are_not_there_yet_leave_with_75(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A closed port: the language model cannot be reached, so every answer stays pending.
    settings = yaml.safe_load((run / "config.yaml").read_text())
    unreachable = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "retries": 0}
    settings["evaluation"]["oracle"] = {**unreachable, "key_variable": "TEST_KEY"}
    monkeypatch.setenv("TEST_KEY", "none")
    with look_at(str(run)) as folder:  # as if the run had been made so
        folder.store.set(CONFIGURATION, config.parse(yaml.safe_dump(settings)).dump())
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    assert laud("evaluate", str(run), "--budget", "20") == 75
    shown = capsys.readouterr()
    assert "answers are pending" in shown.out
    assert ", 0 bought now" in shown.out


def test_a_width_that_is_reached_buys_nothing_and_one_that_is_far_is_priced(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = bought(run, capsys, "--budget", "50", "--width", "0.99")
    assert (found["bought"], found["n"]) == (0, 60)
    assert laud("evaluate", str(run), "--budget", "20", "--width", "1%") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 points: about 8" in shown
    assert "answers in all" in shown
    # No more is bought than the width takes.
    width = str(0.95 * (found["headline_interval"][1] - found["headline_interval"][0]))  # type: ignore[index]
    some = bought(run, capsys, "--budget", "500", "--width", width)
    assert int(str(some["n"])) < 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}"], "expected DATA with --label, or --budget N without either"),
        (["{run}", "--budget", "5", "--label", "label"], "expected DATA with --label, or --budget N"),
        (["{run}", "data.parquet", "--label", "label", "--budget", "5"], "expected no DATA"),
        (["{run}", "data.parquet"], "Missing option '--label'"),
        (["{run}", "--budget", "5", "--model", "x"], "no model 'x'"),
        (["nowhere", "--budget", "5"], "nowhere: is not a run"),
    ],
)
def test_mistakes_are_one_line(
    finished: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert laud("evaluate", *[one.format(run=finished) for one in arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_strata_that_an_earlier_version_did_not_record_are_refused(run: Path) -> None:
    with claim(configured(f"{run}/config.yaml")) as folder:
        drawn = [replace(one, stratum=i % 2) for i, one in enumerate(folder.store.sample("evaluation"))]
        folder.store.set_samples({"evaluation": drawn, "stop": drawn[:5]}, {CUTS: "[]"})
        with pytest.raises(RunError, match="drawn by an earlier version"):
            buy(folder, 5)


def test_lost_scores_are_said(run: Path) -> None:
    next((run / "rounds/0001/scores").glob("part-*")).unlink()
    with (
        claim(configured(f"{run}/config.yaml")) as folder,
        pytest.raises(RunError, match="the scores of round-0001 are incomplete"),
    ):
        buy(folder, 5)


def test_people_buy_more_evaluation_answers_in_their_own_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command asks, ends with 75, and takes the answers when it is run again."""
    write_catalog(tmp_path / "names.parquet")
    settings = {
        "task": {"name": "x", "labels": ["Tea", "Soap"]},
        "corpus": {"path": str(tmp_path / "names.parquet"), "text": "text", "id": "id"},
        "storage": str(tmp_path / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "people"},
        "evaluation": {"size": 60},
    }
    with claim(config.parse(json.dumps(settings))) as folder:
        names = folder.config.task.to_task().names
        corpus = normalise(folder.config.corpus, folder.corpus, sealed="label")
        for round in (0, 1):
            write_scores(corpus, folder.scores(round), round, names)
        begin(folder, corpus, names, "multiclass")
    command = ("evaluate", str(tmp_path / "run"), "--budget", "12")
    with pytest.raises(SystemExit) as left:
        cli.main(command)
    assert left.value.code == 75
    said = capsys.readouterr().out
    # A drawn document may have the text of another, so that there are fewer questions.
    asked = re.search(
        r"(\d+) answers are pending: people have \1 of \1 evaluation questions to answer; answer them", said
    )
    assert asked is not None, said
    assert f"`laud annotate {tmp_path}/run`, and then run this command again" in said
    with look_at(str(tmp_path / "run")) as folder:
        rules = rules_of(folder.config)
        assert rules is not None
        held = leases.take(folder.store.engine, "ann", 20, seconds=60, rules=rules)
        assert not any(one.question.show for one in held)
        sent = [Vote(uuid.uuid4().hex, one.question.number, "label", "Tea") for one in held]
        cast(folder.store.engine, "ann", sent, rules, names)
    assert len(held) == int(asked[1])
    with look_at(str(tmp_path / "run")) as folder:
        before = folder.store.counts()["evaluation"]
    cli.main(command)
    with look_at(str(tmp_path / "run")) as folder:
        assert folder.store.counts()["evaluation"] == before + len(held)
