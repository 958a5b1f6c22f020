"""Learners on the bundled encoder: real training, in this process and in two Ray Train workers."""

import json
from pathlib import Path

import numpy as np
import pytest

from laud_ray.errors import ModelError
from laud_ray.label_sets import LabelSet
from laud_ray.models import kinds
from laud_ray.models.encoder.encoding import BUNDLED, model_path
from laud_ray.models.encoder.learner import EncoderScorer
from laud_ray.models.kinds import EncoderLearner, LinearLearner
from laud_ray.models.ray_train import Resources
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Example, Label, MultilabelScorer, Task

TASK = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee"), Label("Juice", "fruit drinks")))
WORDS = {
    "Tea": (
        "green sencha bags",
        "earl grey loose leaf",
        "chamomile infusion",
        "oolong tin",
        "rooibos",
        "matcha powder",
    ),
    "Coffee": (
        "espresso beans 1kg",
        "ground arabica",
        "instant decaf",
        "cold brew can",
        "latte pods",
        "mocha capsules",
    ),
    "Juice": (
        "orange 1l not from concentrate",
        "apple cloudy",
        "mango nectar",
        "tomato 33cl",
        "grape",
        "pear carton",
    ),
}
# Brand names that say nothing, so that only examples can teach what they stand for.
ODD = {"Tea": "Zorblax", "Coffee": "Quimby", "Juice": "Vandelay"}
EXAMPLES = [Example(f"{text}", label) for label, texts in WORDS.items() for text in texts] + [
    Example(f"{ODD[label]} {i}", label) for label in WORDS for i in range(6)
]
TEXTS = [f"{brand} {i}" for brand in ODD.values() for i in range(6, 10)]
TRUTH = [label for label in ODD for _ in range(4)]


def right(path: Path) -> float:
    scorer = kinds.load(str(path))
    proba = scorer.score(TEXTS)
    assert proba.shape == (12, 3)
    assert np.allclose(proba.sum(1), 1, atol=1e-5)
    return float(np.mean([scorer.labels[i] == truth for i, truth in zip(proba.argmax(1), TRUTH, strict=True)]))


@pytest.fixture(scope="module")
def zero_shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "zero-shot"
    EncoderLearner().fit(TASK, [], out=str(path), seed=0)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "trained"
    EncoderLearner(epochs=6).fit(TASK, EXAMPLES, out=str(path), seed=0)
    return path


def test_no_examples_are_the_zero_shot_classifier(zero_shot: Path) -> None:
    scorer = kinds.load(str(zero_shot))
    proba = scorer.score(["sencha green tea", "roasted coffee beans", "fresh orange juice"])
    assert proba.argmax(1).tolist() == [0, 1, 2]
    assert right(zero_shot) < 0.8


def test_examples_teach(trained: Path, zero_shot: Path) -> None:
    assert right(trained) >= 0.9 > right(zero_shot)


def test_training_is_deterministic(trained: Path, tmp_path: Path) -> None:
    EncoderLearner(epochs=6).fit(TASK, EXAMPLES, out=str(tmp_path / "again"), seed=0)
    one, other = (kinds.load(str(path)).score(TEXTS) for path in (trained, tmp_path / "again"))
    assert np.array_equal(one, other)


def test_two_workers_learn_the_same(
    ray_session: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Relative folders, as most configurations have: Ray Train takes none, and works in another directory.
    monkeypatch.chdir(tmp_path)
    resources = Resources(workers=2, storage="training")
    (tmp_path / "base").symlink_to(model_path(BUNDLED))
    learner = EncoderLearner(model="base", epochs=6, resources=resources)
    learner.fit(TASK, EXAMPLES, out=str(tmp_path / "two"), seed=0)
    assert right(tmp_path / "two") >= 0.9
    one, other = (json.loads((path / "model.json").read_text()) for path in (trained, tmp_path / "two"))
    assert other["examples"] == len(EXAMPLES) == one["examples"]
    assert other["scale"] == pytest.approx(one["scale"], rel=0.05)


def test_long_and_odd_texts_are_scored(trained: Path) -> None:
    texts = ["word " * 5000, "x", "\u0000\ud7ff", "日本茶", "a" * 100_000]
    assert np.isfinite(kinds.load(str(trained)).score(texts)).all()
    # Order and company do not change a text's score.
    alone = [kinds.load(str(trained)).score([text])[0] for text in texts[:2]]
    assert np.allclose(kinds.load(str(trained)).score(texts)[:2], alone, atol=1e-5)


def test_a_memory_is_saved_and_has_its_say(tmp_path: Path) -> None:
    for name, texts in (("without", ()), ("with", tuple(TEXTS))):
        EncoderLearner(epochs=1, texts=texts).fit(TASK, EXAMPLES, out=str(tmp_path / name), seed=0)
    one, other = (kinds.load(str(tmp_path / name)) for name in ("without", "with"))
    assert isinstance(one, EncoderScorer)
    assert isinstance(other, EncoderScorer)
    assert one.memory is None
    assert other.memory is not None
    alone = one.score(TEXTS)
    assert np.allclose(other.memory.proba, alone, atol=1e-4)
    assert np.allclose(other.score(TEXTS), other.memory.mix(other.memory.vectors, alone), atol=1e-4)
    assert not np.allclose(other.score(TEXTS), alone, atol=1e-3)


def test_the_zero_shot_classifier_remembers_nothing(tmp_path: Path) -> None:
    EncoderLearner(texts=tuple(TEXTS)).fit(TASK, [], out=str(tmp_path / "none"), seed=0)
    scorer = kinds.load(str(tmp_path / "none"))
    assert isinstance(scorer, EncoderScorer)
    assert scorer.memory is None


def test_held_back_examples_set_the_temperature(tmp_path: Path) -> None:
    many = EXAMPLES * 7
    EncoderLearner(epochs=5, holdout=0.1).fit(TASK, many, out=str(tmp_path / "m"), seed=0)
    assert json.loads((tmp_path / "m" / "model.json").read_text())["temperature"] != 1.0


def test_linear_learns_and_starts_as_zero_shot(tmp_path: Path, zero_shot: Path) -> None:
    LinearLearner().fit(TASK, [], out=str(tmp_path / "none"), seed=0)
    one, other = (kinds.load(str(path)).score(TEXTS) for path in (zero_shot, tmp_path / "none"))
    assert np.allclose(one, other, atol=1e-4)
    LinearLearner().fit(TASK, EXAMPLES, out=str(tmp_path / "some"), seed=0)
    assert right(tmp_path / "some") >= 0.9


def test_binary_rest_is_as_good_as_many_classes(tmp_path: Path) -> None:
    task = Task("tea", "binary", (Label("Tea"), Label("other", rest=(Label("Coffee"), Label("Juice")))))
    EncoderLearner().fit(task, [], out=str(tmp_path / "two"), seed=0)
    two = kinds.load(str(tmp_path / "two")).score(["sencha green tea", "roasted coffee", "apple juice"])
    assert two.argmax(1).tolist() == [0, 1, 1]
    EncoderLearner().fit(TASK, [], out=str(tmp_path / "three"), seed=0)
    examples = [Example(e.text, e.label if e.label == "Tea" else "other") for e in EXAMPLES]
    EncoderLearner(epochs=4).fit(task, examples, out=str(tmp_path / "fitted"), seed=0)
    proba = kinds.load(str(tmp_path / "fitted")).score(TEXTS)
    assert np.mean((proba.argmax(1) == 0) == np.asarray([t == "Tea" for t in TRUTH])) >= 0.9


def test_broken_models_are_refused(trained: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(ModelError, match="is not a model"):
        kinds.load(str(tmp_path / "none"))
    broken = tmp_path / "broken"
    shutil.copytree(trained, broken)
    head = broken / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match=r"head\.safetensors: was changed: its checksum differs"):
        kinds.load(str(broken))
    head.unlink()
    with pytest.raises(ModelError, match="is not a complete model"):
        kinds.load(str(broken))


def test_unknown_base_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model: 'no/such-model' cannot be loaded") as raised:
        EncoderLearner(model="no/such-model").fit(TASK, [], out=str(tmp_path / "m"), seed=0)
    assert "\n" not in str(raised.value)


@pytest.mark.gpu
def test_a_gpu_gives_the_scores_of_the_cpu(trained: Path) -> None:
    """bf16 on the device against float32 on the host: probabilities agree to 0.05, likeliest labels in full."""
    from copy import deepcopy
    from dataclasses import replace

    scorer = kinds.load(str(trained))
    assert isinstance(scorer, EncoderScorer)
    assert next(scorer.encoder.parameters()).device.type == "cuda"
    host = replace(scorer, encoder=deepcopy(scorer.encoder).cpu())
    one, other = scorer.score(TEXTS), host.score(TEXTS)
    assert np.abs(one - other).max() < 0.05
    assert one.argmax(1).tolist() == other.argmax(1).tolist()


TREE = read_table({"path": [f"Shop > {leaf}" for leaf in ("Tea", "Coffee", "Juice")] + ["Other > Soap"]}, "labels")
SHELVES = task_of("shelves", TREE)
SHELVED = [Example(example.text, f"Shop > {example.label}") for example in EXAMPLES]


def test_a_taxonomy_learns_from_leaves_and_from_inner_nodes(tmp_path: Path) -> None:
    inner = [Example(f"Frobozz {i}", "Shop") for i in range(6)]
    EncoderLearner(epochs=4).fit(SHELVES, [*SHELVED, *inner], out=str(tmp_path / "m"), seed=0)
    scorer = kinds.load(str(tmp_path / "m"))
    proba = scorer.score(TEXTS)
    assert proba.shape == (12, 4)
    assert np.allclose(proba.sum(1), 1, atol=1e-5)
    found = [SHELVES.names[i] for i in proba.argmax(1)]
    assert np.mean([one == f"Shop > {truth}" for one, truth in zip(found, TRUTH, strict=True)]) >= 0.9
    # Of the texts that are only known to be in the shop, one leaf is as good as the other.
    shop = [i for i, name in enumerate(SHELVES.names) if name.startswith("Shop")]
    assert (scorer.score([f"Frobozz {i}" for i in range(6, 10)])[:, shop].sum(1) > 0.8).all()
    # Each leaf has a row, and so has each annotated text that belongs to a leaf.
    assert isinstance(scorer, EncoderScorer)
    assert len(scorer.head.weight) == 4 + len(SHELVED)


def test_the_linear_baseline_learns_from_inner_nodes(tmp_path: Path) -> None:
    inner = [Example(f"Frobozz {i}", "Shop") for i in range(6)]
    LinearLearner().fit(SHELVES, [*SHELVED, *inner], out=str(tmp_path / "m"), seed=0)
    shop = [i for i, name in enumerate(SHELVES.names) if name.startswith("Shop")]
    assert (kinds.load(str(tmp_path / "m")).score(["Frobozz 7", "Frobozz 8"])[:, shop].sum(1) > 0.8).all()


def test_training_on_a_taxonomy_is_deterministic(tmp_path: Path) -> None:
    for name in ("one", "other"):
        EncoderLearner(epochs=2).fit(SHELVES, SHELVED, out=str(tmp_path / name), seed=0)
    one, other = (kinds.load(str(tmp_path / name)).score(TEXTS) for name in ("one", "other"))
    assert np.array_equal(one, other)


SEVERAL = Task("drinks", "multilabel", TASK.labels, at_most=2, exclusive=(("Tea", "Coffee"),))
SETS = [Example(one.text, LabelSet.of([one.label]).text) for one in EXAMPLES]
SETS += [Example(f"{ODD['Tea']} {ODD['Juice']} {i}", LabelSet.of(["Tea", "Juice"]).text) for i in range(6)]
SETS += [Example(f"plumber {i}", LabelSet.of([]).text) for i in range(6)]


@pytest.mark.parametrize("learner", [EncoderLearner(epochs=8, holdout=0.35), LinearLearner()])
def test_a_multilabel_model_finds_sets(learner: EncoderLearner | LinearLearner, tmp_path: Path) -> None:
    learner.fit(SEVERAL, SETS, out=str(tmp_path / "m"), seed=0)
    scorer = kinds.load(str(tmp_path / "m"))
    assert isinstance(scorer, MultilabelScorer)
    proba = scorer.score([*TEXTS, "plumber 9", f"{ODD['Tea']} {ODD['Juice']} 9"])
    assert proba.shape == (14, 3)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert np.mean([scorer.labels[i] == truth for i, truth in zip(proba[:12].argmax(1), TRUTH, strict=True)]) > 0.7
    assert proba[12].max() < proba[:12].max(1).mean()
    rules = Rules.of(json.loads((tmp_path / "m" / "model.json").read_text()))
    assert rules is not None
    assert (rules.at_most, rules.exclusive) == (2, ((0, 1),))
    np.testing.assert_allclose(rules.thresholds, scorer.thresholds)
    learner.fit(SEVERAL, [], out=str(tmp_path / "none"), seed=0)
    untrained = kinds.load(str(tmp_path / "none"))
    assert isinstance(untrained, MultilabelScorer)
    np.testing.assert_allclose(untrained.score(TEXTS).sum(1), 1, rtol=1e-4)
