"""A mistake in the YAML is one line that names the key, the value and what was expected."""

import re
from pathlib import Path

import pytest
import yaml

from laud_ray import config
from laud_ray.config.models import EncoderConfig
from laud_ray.errors import ConfigError

GOOD = {
    "task": {"name": "food", "labels": [{"name": "Tea"}, {"name": "Coffee", "description": "beans"}]},
    "corpus": {"path": "data.parquet", "text": "text"},
    "storage": "runs/food",
    "oracle": {"kind": "replay", "label": "label"},
}


def changed(**values: object) -> str:
    """The good configuration with some keys set: `task__name=3` sets task.name."""
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    for path, value in values.items():
        node = data
        *parents, last = path.split("__")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return yaml.safe_dump(data)


def test_defaults_are_those_of_the_documentation() -> None:
    parsed = config.parse(changed())
    assert (parsed.learner.kind, parsed.query.strategy, parsed.query.batch) == ("encoder", "margin", 50)
    assert (parsed.evaluation.size, parsed.budget.annotations, parsed.init.max_queries) == (300, 500, 300)
    assert [rule.kind for rule in parsed.stop] == ["budget"]


def test_dump_reads_back_equal() -> None:
    parsed = config.parse(
        changed(learner={"kind": "linear"}, stop=[{"kind": "kappa"}, {"kind": "rounds", "maximum": 3}])
    )
    assert config.parse(parsed.dump()) == parsed


def test_how_text_files_are_written_has_names() -> None:
    parsed = config.parse(changed(corpus__delimiter="tab", corpus__quote="none", corpus__encoding="UTF8"))
    assert (parsed.corpus.delimiter, parsed.corpus.quote, parsed.corpus.encoding) == ("\t", "none", "utf-8")
    assert config.parse(parsed.dump()) == parsed
    assert config.differences(parsed, config.parse(changed())) == [
        "corpus.delimiter: \t -> None",
        "corpus.quote: none -> None",
        "corpus.encoding: utf-8 -> None",
    ]


def test_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.parse(changed()).seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"query__strategy": "margn"}, "query.strategy: 'margn' is not valid; expected one of.*did you mean 'margin'"),
        (
            {"query__bach": 5},
            "query.bach: unknown key; expected one of strategy, batch.*did you mean 'batch'",
        ),
        ({"storge": "x"}, "storge: unknown key.*did you mean 'storage'"),
        ({"query__batch": "50"}, "query.batch: '50' is not valid; expected an integer"),
        ({"query__batch": 0}, "query.batch: 0 is not valid; expected a number greater than or equal to 1"),
        ({"seed": True}, "seed: True"),
        (
            {"learner__kind": "encodr"},
            "learner.kind: 'encodr' is unknown; expected one of.*did you mean 'encoder'",
        ),
        ({"learner": {"kind": "encoder", "rnk": 3}}, "learner.rnk: unknown key.*did you mean 'rank'"),
        ({"learner": {"rank": 3}}, "learner.kind: is missing"),
        ({"stop": [{"kind": "kapa"}]}, r"stop\[0\].kind: 'kapa' is unknown.*did you mean 'kappa'"),
        (
            {"stop": [{"kind": "target", "metric": "micro_f1"}]},
            "metric: micro_f1 is not valid with task.kind: multiclass; expected accuracy or macro_f1",
        ),
        (
            {"task__kind": "multilabel", "audit": {"share": 0.1}},
            "audit.share: 0.1 is not valid with task.kind: multilabel; expected 0",
        ),
        (
            {"task__kind": "multilabel", "audit": {"leave_out": True}},
            "audit.leave_out: true is not valid with task.kind: multilabel; expected false",
        ),
        ({"stop": [{"kind": "rounds"}]}, r"stop\[0\].maximum: is missing"),
        (
            {"stop": [{"kind": "kappa", "thresold": 1}]},
            r"stop\[0\].thresold: unknown key.*did you mean 'threshold'",
        ),
        ({"task__labels": [{"name": "Tea"}]}, "task.labels: has 1 label.*expected at least two"),
        ({"task__labels": ["Tea", "Tea"]}, "task.labels: the label 'Tea' stands 2 times"),
        ({"task__labels": [{"nme": "Tea"}, {"name": "b"}]}, r"task.labels\[0\].nme: unknown key"),
        ({"task__kind": "binry"}, "task.kind: 'binry'.*did you mean 'binary'"),
        ({"oracle": {"kind": "replay"}}, "oracle.label: is missing"),
        (
            {"oracle__label": "text"},
            "oracle.label: the column 'text' is also corpus.text; expected two different columns",
        ),
        ({"corpus__id": "label"}, "oracle.label: the column 'label' is also corpus.id; expected two different columns"),
        ({"corpus__id": "text"}, "corpus: the column 'text' is both text and id; expected two different columns"),
        (
            {"corpus__delimiter": "ab"},
            "corpus.delimiter: 'ab' is not valid; expected one ASCII character, or one of comma",
        ),
        ({"corpus__quote": "x"}, "corpus.quote: 'x' is not valid; expected none"),
        ({"corpus__encoding": "cp9999"}, "corpus.encoding: 'cp9999' is not valid; expected an encoding such as utf-8"),
        ({"corpus__encoding": "base64"}, "corpus.encoding: 'base64' is not valid; expected an encoding"),
        (
            {"corpus__path": "postgresql://ann@db/shop"},
            "corpus: the path is the URL of a database; expected a query too, such as SELECT id, text FROM names",
        ),
        ({"corpus__query": "SELECT 1"}, "corpus: there is a query; expected a path such as postgresql://"),
        (
            {"corpus__path": "sqlite:///shop.db", "corpus__query": "SELECT 1", "corpus__encoding": "cp1252"},
            "corpus: there is a query; expected no delimiter, quote or encoding",
        ),
        (
            {"corpus__path": "postgresql://ann:hidden@db/shop", "corpus__query": "SELECT 1"},
            r"corpus.path: 'postgresql://\*\*\*@db/shop' holds a user and password; expected a URL without "
            "credentials, which belong in PGPASSWORD",
        ),
        ({"oracle__noise": 1.5}, "oracle.noise: 1.5"),
        (
            {"query__mix": {"margin": 0.5, "random": 0.5}},
            "mix: is not used with strategy: margin; expected strategy: mix",
        ),
        (
            {"query__mix": {"margin": 0.5, "rando": 0.5}},
            "query.mix: 'rando' is not valid in a mix; expected one of.*did you mean 'random'",
        ),
        (
            {"zero_shot__template": "nothing"},
            "zero_shot.template: 'nothing' is not valid; expected a text that contains {label}",
        ),
        ({"query__mix": {"margin": float("inf")}}, "query.mix.margin: inf is not valid; expected a finite number"),
        ({"query__mix": {"margin": 0}}, "query.mix.margin: 0 is not valid; expected a number greater than 0"),
        ({"query__mix": {}}, "query.mix: is empty; expected at least one strategy with its weight"),
        ({"query__diversity": "k"}, "query.diversity: 'k' is not valid; expected 'kmeans', 'core_set' or 'badge'"),
        (
            {"query__strategy": "random", "query__diversity": "badge"},
            "query: diversity: 'badge' is not valid with strategy 'random'; expected strategy to be one of entropy, ",
        ),
        (
            {"stop": [{"kind": "rounds", "maximum": 0}]},
            r"stop\[0\].maximum: 0 is not valid; expected a number greater than or equal to 1",
        ),
        (
            {"stop": [{"kind": "kappa", "threshold": 1.2}]},
            r"stop\[0\].threshold: 1.2 is not valid; expected a number less than or equal to 1",
        ),
        (
            {"stop": [{"kind": "kappa", "window": 0}]},
            r"stop\[0\].window: 0 is not valid; expected a number greater than or equal to 1",
        ),
        (
            {"stop": [{"kind": "delta_f", "epsilon": float("nan")}]},
            r"stop\[0\].epsilon: nan is not valid; expected a finite number",
        ),
        (
            {"stop": [{"kind": "plateau", "gain": -0.1}]},
            r"stop\[0\].gain: -0.1 is not valid; expected a number greater than or equal to 0",
        ),
        (
            {"stop": [{"kind": "gain", "cost_per_annotation": 0, "value_per_point": 1}]},
            r"stop\[0\].cost_per_annotation: 0 is not valid; expected a number greater than 0",
        ),
        (
            {"task__labels": "nowhere.csv"},
            "task.labels: 'nowhere.csv': no such file; expected a YAML, JSON, CSV, TSV or",
        ),
        (
            {"evaluation": {"stratify": True}},
            "^food.yaml: evaluation.stratify: true is not valid with task.kind: multiclass; expected task.kind: binary",
        ),
        ({"budget": 500}, "budget: 500 is not valid; expected keys"),
        ({"stop": {"kind": "budget"}}, "stop: a mapping is not valid; expected a list"),
        (
            {"task__labels": [[1], 2]},
            r"task.labels\[0\]: a list is not valid; expected a name or {name: ..., description: ...}$",
        ),
        ({"task__labels": ["Tea", " Tea\u200b"]}, "task.labels: the label 'Tea' stands 2 times"),
        (
            {"task__labels": ["Tea", " \ufeff"]},
            r"task.labels\[1\].name: ' \\ufeff' is not valid; expected a name of vis",
        ),
        ({"task__labels": ["Tea", "a\x1bb"]}, r"task.labels\[1\].name: 'a\\x1bb' is not valid; expected a name of vis"),
        (
            {"task__labels": [{"name": "Tea", "also": ["tea"]}, {"name": "tea"}]},
            "task.labels: 'tea' is a spelling of 'Tea' and of 'tea'; expected it under one label",
        ),
        (
            {"task__labels": ["Unsure", "b"], "oracle": {"kind": "llm", "engine": "openai", "model": "m"}},
            "task.labels: the label 'Unsure' is not valid: the language model of `oracle` abstains with this",
        ),
        (
            {
                "task__labels": ["unsure", "b"],
                "evaluation": {
                    "oracle": {
                        "kind": "cascade",
                        "oracles": [{"kind": "llm", "engine": "openai", "model": "m"}, GOOD["oracle"]],
                    }
                },
            },
            "the language model of `evaluation.oracle` abstains with this word",
        ),
        (
            {"task__labels": ["None fits", "b"], "oracle": {"kind": "people"}},
            "task.labels: the label 'None fits' is not valid: the people of `oracle` abstain with this word; expected",
        ),
        ({"oracle": {"kind": "people", "per_document": 2}}, "oracle: per_document: 2 with team: 1; expected at most"),
        ({"oracle": {"kind": "people", "hidden": 2}}, "oracle.hidden: 2 is not valid; expected a number less than or"),
        ({"oracle": {"kind": "people", "max_dollars": 2}}, "oracle: max_dollars: 2 without a price; expected hourly"),
        (
            {"oracle": {"kind": "cascade", "oracles": [{"kind": "people"}, GOOD["oracle"]]}},
            "oracle.oracles: has people before another oracle; expected people as the last oracle",
        ),
        (
            {"oracle": {"kind": "people"}, "audit": {"share": 0.1}},
            "audit.share: would ask people again, and `oracle` has team: 1, so nobody else could answer; expected team",
        ),
        (
            {"oracle": {"kind": "people", "team": 3}, "evaluation": {"oracle": {"kind": "people", "team": 2}}},
            "evaluation.oracle: asks people with team: 2, and `oracle` with team: 3; expected the same settings",
        ),
        (
            {
                "oracle": {"kind": "cascade", "oracles": [GOOD["oracle"], {"kind": "people"}]},
                "evaluation": {"oracle": {"kind": "people"}, "trusted": 20},
            },
            "evaluation.trusted: would ask people again, and `oracle` has team: 1",
        ),
        ({"storage": "${HOME}/runs"}, r"storage: '\$\{HOME\}/runs' is not valid, because variables are not expanded"),
        ({"storage": "$HOMES/runs"}, r"variables are not expanded; expected the path itself$"),
        ({"storage": "~/runs"}, r"storage: '~/runs' is not valid, because `~` is not expanded; .*, such as '/.*/runs'"),
        ({"corpus__path": "~"}, "corpus.path: '~' is not valid, because `~` is not expanded"),
        ({"task__labels": "~/labels.csv"}, "task.labels: '~/labels.csv' is not valid, because `~` is not expanded"),
        ({"learner": {"kind": "linear", "model": "$M/e5"}}, r"learner.model: '\$M/e5' is not valid, because variables"),
        ({"zero_shot__model": "~ann/e5"}, "zero_shot.model: '~ann/e5' is not valid, because `~` is not expanded"),
        ({"task__kind": "binary", "task__labels": ["Other", "b"]}, "task: the positive label is called 'Other', which"),
    ],
)
def test_mistakes(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.parse(changed(**values), "food.yaml")
    lines = str(raised.value).splitlines()
    assert any(re.search(message, line) and line.startswith("food.yaml: ") for line in lines), lines


def test_a_path_with_signs_that_no_shell_expands_is_a_path_and_an_old_run_keeps_its_own(tmp_path: Path) -> None:
    for path in ("data/5$.csv", "a/~b.csv", "US$ 5/x.csv", "s3://bucket/~x"):
        assert config.parse(changed(corpus__path=path)).corpus.path == path
    (tmp_path / "config.yaml").write_text(changed(storage="${HOME}/runs"))
    assert config.load_stored(str(tmp_path / "config.yaml")).storage == "${HOME}/runs"


def test_missing_section_and_bad_yaml() -> None:
    with pytest.raises(ConfigError, match=r"food.yaml: oracle: is missing"):
        config.parse(yaml.safe_dump({k: v for k, v in GOOD.items() if k != "oracle"}), "food.yaml")
    with pytest.raises(ConfigError, match="food.yaml line 2: is not valid YAML"):
        config.parse("task: [\n}", "food.yaml")
    for text, found in (("- 1", "holds a list"), ("", "is empty"), ("food", "holds a text"), ("3", "holds 3")):
        with pytest.raises(ConfigError, match=f"food.yaml: {found}; expected a mapping"):
            config.parse(text, "food.yaml")
    with pytest.raises(ConfigError, match="/nowhere/food.yaml: no such file; expected a YAML file"):
        config.load("/nowhere/food.yaml")


def test_a_key_that_is_given_twice_is_refused() -> None:
    text = changed() + "seed: 1\nquery:\n  batch: 3\nseed: 2\n"
    line = text.splitlines().index("seed: 2") + 1
    with pytest.raises(ConfigError, match=f"^food.yaml line {line}: the key 'seed' is a duplicate of line {line - 3}"):
        config.parse(text, "food.yaml")
    with pytest.raises(ConfigError, match="line 2: the key 'batch' is a duplicate of line 2"):
        config.parse("a: &a {batch: 1}\nquery: {<<: *a, batch: 2, batch: 3}", "food.yaml")
    merged = config.parse(changed().replace("seed: 0", "") + "query: {<<: {batch: 1}, batch: 2}\n")
    assert merged.query.batch == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.yaml", "- Tea\n- {name: Coffee, description: beans}\n"),
        ("labels.yml", "Tea:\nCoffee: beans\n"),
        ("labels.csv", "name,description\nTea,\nCoffee,beans\n"),
        ("other.csv", "label,description\nTea,\nCoffee,beans\n"),
        ("labels.txt", "Tea\n\nCoffee\n"),
    ],
)
def test_labels_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    task = config.parse(changed(task__labels=str(tmp_path / name))).task.to_task()
    assert task.names == ("Tea", "Coffee")
    assert task.labels[1].description == (None if name.endswith("txt") else "beans")


def test_binary_task_is_the_positive_label_against_the_rest() -> None:
    labels = [{"name": "Tea"}, {"name": "Coffee", "positive": True}, {"name": "Juice"}]
    task = config.parse(changed(task__kind="binary", task__labels=labels)).task.to_task()
    assert task.names == ("Coffee", "other")
    assert [label.name for label in task.labels[1].rest] == ["Tea", "Juice"]
    with pytest.raises(ConfigError, match="expected it only with kind: binary"):
        config.parse(changed(task__labels=labels))


def test_labels_that_yaml_takes_for_something_else_are_their_text() -> None:
    plain = "[no, true, null, ~, 1, 1.10, 2020-01-01, nan, {name: off, description: 5, also: [yes, 0x1F]}]"
    task = config.parse(
        f"task: {{name: t, labels: {plain}}}\n" + yaml.safe_dump({k: v for k, v in GOOD.items() if k != "task"})
    ).task
    assert [label.name for label in task.labels] == ["no", "true", "null", "~", "1", "1.10", "2020-01-01", "nan", "off"]
    assert (task.labels[-1].description, task.labels[-1].also) == ("5", ("yes", "0x1F"))
    again = config.parse(config.parse(changed(task__labels=["no", "1", "null"])).dump())
    assert [label.name for label in again.task.labels] == ["no", "1", "null"]


def test_labels_are_normalised_as_texts_are() -> None:
    labels = ["\ufeffBread ", "Cre\u0301me  fraiche", {"name": "Milk", "also": ["MILK\u00a0", "Milk ", "MILK"]}]
    task = config.parse(changed(task__labels=labels)).task.to_task()
    assert task.names == ("Bread", "Cr\u00e9me fraiche", "Milk")
    assert task.labels[2].also == ("MILK",)


def test_a_run_of_an_earlier_version_keeps_its_names(tmp_path: Path) -> None:
    labels = [{"name": "other"}, {"name": "Milk "}, {"name": "Milk"}]
    (tmp_path / "config.yaml").write_text(changed(task__kind="binary", task__labels=labels))
    stored = config.load_stored(str(tmp_path / "config.yaml"))
    assert [label.name for label in stored.task.labels] == ["other", "Milk ", "Milk"]
    with pytest.raises(ConfigError):
        config.load(str(tmp_path / "config.yaml"))


def test_differences_are_those_that_change_results() -> None:
    old = config.parse(changed())
    assert config.differences(old, config.parse(changed(resources={"workers": 2}, storage="elsewhere"))) == []
    assert config.differences(old, config.parse(changed(budget={"annotations": 9}))) == ["budget.annotations: 500 -> 9"]


def test_the_default_of_epochs_is_that_of_the_kind_of_task_and_is_the_same_written_out() -> None:
    plain, written = (changed(learner={"kind": "encoder", **more}) for more in ({}, {"epochs": 10}))
    old, new = config.parse(written), config.parse(plain)
    assert config.differences(old, new) == []
    assert config.differences(old, config.parse(changed(learner={"kind": "encoder", "epochs": 3}))) == [
        "learner.epochs: 10 -> 3"
    ]
    learner = new.learner
    assert isinstance(learner, EncoderConfig)
    assert [learner.epochs_for(kind) for kind in ("binary", "multiclass", "taxonomy")] == [10, 10, 3]


@pytest.mark.parametrize("name", ["demo/demo.yaml", "llm-cpu.yaml", "vllm.yaml", "vllm-cpu.yaml"])
def test_every_example_is_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert len(config.load(f"examples/{name}").task.labels) >= 12


def test_labels_are_written_with_the_keys_that_they_have() -> None:
    labels = ["no", {"name": "Tea", "description": ""}, {"name": "Milk", "also": ["1.10"]}, {"name": "a: b"}]
    parsed = config.parse(changed(task__labels=labels))
    written = yaml.safe_load(parsed.dump())["task"]["labels"]
    assert written == ["no", {"name": "Tea", "description": ""}, {"name": "Milk", "also": ["1.10"]}, "a: b"]
    assert config.parse(parsed.dump()) == parsed
    binary = config.parse(changed(task__kind="binary", task__labels=["Tea", {"name": "Milk", "positive": True}]))
    assert yaml.safe_load(binary.dump())["task"]["labels"] == ["Tea", {"name": "Milk", "positive": True}]
    assert config.parse(binary.dump()) == binary
    earlier = yaml.safe_dump(parsed.model_dump(mode="json"))
    assert config.parse(earlier) == parsed, "an earlier version wrote all keys"
