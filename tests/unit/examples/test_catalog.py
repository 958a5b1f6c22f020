"""The demo catalog: deterministic, long-tailed, consistent."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[3] / "examples" / "demo" / "catalog.py"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_catalog", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def parts(demo):
    return demo.catalog(6000, test_size=1500, seed=0)


def test_a_seed_gives_one_catalog_and_another_seed_another(demo):
    assert demo.catalog(300, test_size=50, seed=1) == demo.catalog(300, test_size=50, seed=1)
    first, second = ({row.text for row in demo.catalog(300, seed=seed)[0]} for seed in (1, 2))
    assert len(first & second) < 30


def test_the_test_set_does_not_change_the_catalog(demo):
    assert demo.catalog(200, seed=3)[0] == demo.catalog(200, test_size=100, seed=3)[0]


def test_sizes_are_as_asked_and_ids_are_unique(parts):
    train, test = parts
    assert (len(train), len(test)) == (6000, 1500)
    assert len({row.id for row in train + test}) == 7500


def test_the_labels_are_long_tailed(parts):
    counts = Counter(row.label for row in parts[0])
    assert len(counts) >= 24
    assert 0.10 <= max(counts.values()) / 6000 <= 0.16
    assert 0.003 <= min(counts.values()) / 6000 <= 0.009


def test_a_text_has_one_label_and_few_texts_repeat(parts):
    for rows in parts:
        pairs = {(row.text, row.label) for row in rows}
        texts = {row.text for row in rows}
        assert len(pairs) == len(texts)
        assert 0.01 <= 1 - len(texts) / len(rows) <= 0.06


def test_no_test_text_is_in_the_catalog(parts):
    train, test = ({row.text for row in rows} for rows in parts)
    assert not train & test


def test_documents_of_a_later_day_are_new_and_some_have_a_further_label(demo, parts):
    taken = {row.text for rows in parts for row in rows}
    assert demo.later(300, taken=taken) == demo.later(300, taken=taken)
    for novel in (0.0, demo.NOVEL):
        rows = demo.later(1000, taken=taken, novel=novel)
        assert not {row.text for row in rows} & taken
        share = sum(row.label not in demo.LABELS for row in rows) / len(rows)
        assert share == pytest.approx(novel, abs=0.03)
        assert {row.label for row in rows} - set(demo.LABELS) == ({"Garden & Plants"} if novel else set())


def test_every_label_has_a_description_and_a_grammar(demo, parts):
    assert {row.label for row in parts[0]} == set(demo.LABELS) == set(demo.load_grammar().categories)
    assert all(text and "\n" not in text for text in demo.LABELS.values())


def test_every_label_has_a_rich_grammar(demo):
    for label, category in demo.load_grammar().categories.items():
        assert len(set(category.products)) >= 24, label
        assert len(set(category.borderline)) >= 12, label


def test_every_phrase_expands_to_plain_words(demo):
    grammar, rng = demo.load_grammar(), demo.random.Random(0)
    for category in grammar.categories.values():
        for phrase in [*category.products, *category.borderline, *category.forms, *category.sizes]:
            name = demo.expand(phrase, grammar.words, rng)
            assert name
            assert not set(name) & set("(){}|,")


def test_a_receipt_holds_at_most_24_capitals(demo):
    rng = demo.random.Random(0)
    names = [demo.receipt_name("greenlatch organic cucumber sliced 500g", rng) for _ in range(50)]
    assert all(len(name) <= 24 and name == name.upper() for name in names)


def test_the_script_writes_both_files_and_leaves_no_other(demo, tmp_path, monkeypatch):
    train, test = tmp_path / "new" / "demo.parquet", tmp_path / "new" / "test.parquet"
    arguments = ["catalog.py", str(train), "--test", str(test), "--documents", "80", "--seed", "4"]
    monkeypatch.setattr(sys, "argv", arguments)
    demo.main()
    assert sorted(path.name for path in train.parent.iterdir()) == ["demo.parquet", "test.parquet"]
    table = pq.read_table(train)
    assert table.column_names == ["id", "text", "label"]
    assert [demo.Document(**row) for row in table.to_pylist()] == demo.catalog(80, seed=4)[0]
    assert pq.read_metadata(test).num_rows == 20


def test_the_script_refuses_an_empty_catalog(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["catalog.py", str(tmp_path / "x.parquet"), "--documents", "0"])
    with pytest.raises(SystemExit):
        demo.main()
