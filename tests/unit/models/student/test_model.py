"""Hashed features, the student that learns from them, and the cascade over it and its teacher."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from laud_ray.errors import ModelError
from laud_ray.models import kinds
from laud_ray.models.student.cascade import Cascade, CascadeScorer, Loader, build, prepare, sample_size
from laud_ray.models.student.features import features
from laud_ray.models.student.model import Recipe, Student, distil
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import version_of
from laud_ray.types import Floats

BUCKETS = 1 << 20
SMALL = Recipe(buckets=1 << 12, dimensions=16, hidden=32, epochs=6)
LABELS = ("fruit", "tool", "cloth")
NOUNS = (("apple", "pear", "plum", "fig"), ("hammer", "saw", "drill", "file"), ("shirt", "sock", "scarf", "hat"))


class Rule:
    """A teacher that knows the nouns, and is at a loss where there are two of different kinds."""

    labels = LABELS

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, texts: Sequence[str]) -> Floats:
        self.asked += texts
        votes = np.asarray([[sum(noun in text for noun in nouns) for nouns in NOUNS] for text in texts], np.float32)
        powers = np.exp(4 * votes)
        proba: Floats = powers / powers.sum(1, keepdims=True)
        return proba


def names(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    sizes, colours = ("big", "small", "2kg", "old"), ("red", "blue", "green", "grey")
    found = []
    for _ in range(n):
        words = [str(rng.choice(sizes)), str(rng.choice(colours)), str(rng.choice(NOUNS[rng.integers(3)]))]
        if rng.random() < 0.1:
            words.append(str(rng.choice(NOUNS[rng.integers(3)])))
        found.append(" ".join(words))
    return found


def sets(text: str) -> list[list[int]]:
    return [bags.ids.tolist() for bags in features([text], BUCKETS)]


def test_features_are_words_pairs_and_runs_of_four() -> None:
    words, pairs, grams = sets("Big red-hammer")
    assert (len(words), len(pairs)) == (3, 2)
    assert len(grams) == len(" big red-hammer ") - 3
    assert set(words) == set(sets("hammer, BIG;red!")[0])
    assert set(pairs) != set(sets("hammer big red")[1])
    assert sets("äpfel")[0] == sets("ÄPFEL")[0] != sets("apfel")[0]


def test_a_text_has_the_same_features_in_any_company() -> None:
    texts = ["one", "", "two words", "   ", "\x00\u202e", "𝔘nicode", "a\nb", "\ud800", "x" * 5000, "last one"]
    together = features(texts, BUCKETS)
    for i, text in enumerate(texts):
        alone = features([text], BUCKETS)
        for kind, single in zip(together, alone, strict=True):
            assert kind.ids[kind.starts[i] : kind.starts[i + 1]].tolist() == single.ids.tolist()


def test_different_words_are_different_numbers() -> None:
    words = [f"w{i}" for i in range(2000)]
    ids = features([" ".join(words[i : i + 20]) for i in range(0, 2000, 20)], 1 << 40)[0].ids
    assert len(set(ids.tolist())) == 2000


def test_bags_are_taken_and_thinned_by_text() -> None:
    bags = features(["a b c", "", "d e"], BUCKETS)[0]
    taken = bags.take(np.asarray([2, 1, 0, 2]))
    assert taken.starts.tolist() == [0, 2, 2, 5, 7]
    assert taken.ids[:2].tolist() == taken.ids[5:].tolist() == bags.ids[3:].tolist()
    assert bags.thin(1.0, np.random.default_rng(0)).ids.tolist() == bags.ids.tolist()
    assert bags.thin(0.0, np.random.default_rng(0)).starts.tolist() == [0, 0, 0, 0]


def test_a_student_learns_its_teacher_and_how_sure_it_is() -> None:
    teacher, texts, unseen = Rule(), names(1500), names(500, seed=1)
    student = distil(LABELS, texts, teacher.score(texts), seed=0, recipe=SMALL)
    proba, taught = student.score(unseen), teacher.score(unseen)
    assert proba.dtype == np.float32
    assert proba.sum(1) == pytest.approx(1, abs=1e-5)
    assert np.mean(proba.argmax(1) == taught.argmax(1)) > 0.93
    assert proba.max(1).mean() == pytest.approx(taught.max(1).mean(), abs=0.04)


def test_the_same_seed_gives_the_same_student_and_another_seed_another() -> None:
    texts = names(200)
    taught = Rule().score(texts)
    one, same, other = (distil(LABELS, texts, taught, seed=seed, recipe=SMALL).score(texts) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_student_is_a_model_folder_that_changes_are_seen_in(tmp_path: Path) -> None:
    texts = names(200)
    student = distil(LABELS, texts, Rule().score(texts), seed=0, recipe=SMALL)
    student.save(str(tmp_path / "s"))
    opened = kinds.load(str(tmp_path / "s"))
    assert opened.labels == LABELS
    assert np.array_equal(opened.score(texts), student.score(texts))
    assert opened.score([]).shape == (0, 3)
    with open(tmp_path / "s/network.safetensors", "ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="checksum differs"):
        Student.open(str(tmp_path / "s"))


def test_a_student_of_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got 3 texts, 3 labels .* expected at least 50 texts"):
        distil(LABELS, ["a", "b", "c"], np.full((3, 3), 1 / 3), seed=0)


def cascade(agreement: float = 0.97) -> Cascade:
    return build(Rule(), names(3000), agreement=agreement, seed=0, recipe=SMALL)


def test_a_cascade_asks_its_teacher_only_where_the_student_is_unsure(tmp_path: Path) -> None:
    found = cascade()
    assert found.verification.passed
    assert found.verification.coverage > 0.5
    found.save(str(tmp_path / "c"))
    teacher = Rule()
    scorer: CascadeScorer = Cascade.open(str(tmp_path / "c")).over(teacher)
    unseen = names(2000, seed=5)
    proba, by_student = scorer.answer(unseen)
    assert teacher.asked == [text for text, own in zip(unseen, by_student, strict=True) if not own]
    assert 0 < len(teacher.asked) < len(unseen) / 2
    assert scorer.health == {"seen": 2000, "answered_by_student": int(by_student.sum())}
    assert scorer.legibility(unseen).texts == 0, "the teacher has no tokenizer"
    expected = Rule().score(unseen)
    assert np.array_equal(proba[~by_student], expected[~by_student])
    # Three standard errors under what was verified.
    assert np.mean(proba.argmax(1) == expected.argmax(1)) > found.verification.low - 0.012


def test_a_cascade_that_did_not_pass_can_neither_be_used_nor_saved(tmp_path: Path) -> None:
    """Labels at random: nothing to learn, so no threshold agrees."""
    texts = names(600)
    noise = np.random.default_rng(0).dirichlet(np.full(3, 0.05), 600).astype(np.float32)
    failed = prepare(LABELS, texts, noise, agreement=0.999, seed=0, recipe=SMALL)
    assert not failed.verification.passed
    with pytest.raises(ModelError, match=r"no cascade: the student answers .* below the required 99.90%"):
        failed.over(Rule())
    with pytest.raises(ModelError, match="no cascade"):
        failed.save(str(tmp_path / "c"))
    assert not (tmp_path / "c").exists()


def test_a_cascade_needs_its_own_teacher_a_sample_and_a_threshold(tmp_path: Path) -> None:
    other = Rule()
    other.labels = ("fruit", "cloth", "tool")
    with pytest.raises(ModelError, match="3 labels are not the model's 3; expected the same labels in the same order"):
        cascade().over(other)
    with pytest.raises(ModelError, match="the sample has 20 texts; expected at least 500"):
        build(Rule(), names(20), seed=0)
    texts = names(200)
    distil(LABELS, texts, Rule().score(texts), seed=0, recipe=SMALL).save(str(tmp_path / "s"))
    with pytest.raises(ModelError, match="model.json: the key `cascade` is not valid .*; expected a verified"):
        Cascade.open(str(tmp_path / "s"))


def test_a_worker_opens_model_and_cascade_from_their_folders(tmp_path: Path) -> None:
    """The full model is a student here too: any model folder will do."""
    texts = names(3000)
    distil(LABELS, texts, Rule().score(texts), seed=3, recipe=SMALL).save(str(tmp_path / "full"))
    teacher = kinds.load(str(tmp_path / "full"))
    made = build(teacher, texts, agreement=0.97, seed=0, recipe=SMALL)
    made.save(str(tmp_path / "c"))
    folder = Folder(str(tmp_path / "c"))
    load = pickle.loads(pickle.dumps(Loader(folder, version_of(folder))))
    assert load == Loader(folder, version_of(folder))
    opened = load(str(tmp_path / "full"))
    assert np.array_equal(opened.score(texts[:100]), made.over(teacher).score(texts[:100]))


@pytest.mark.parametrize(
    ("rows", "drawn"), [(3_000, 3_000), (50_000, 5_000), (400_000, 20_000), (100_000_000, 100_000)]
)
def test_the_sample_is_a_twentieth_within_bounds(rows: int, drawn: int) -> None:
    assert sample_size(rows) == drawn
