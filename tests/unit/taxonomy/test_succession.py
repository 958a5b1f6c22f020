"""Answers of one version of a taxonomy in the next one."""

from hypothesis import given, settings

from laud_ray.taxonomy import differences
from laud_ray.taxonomy.succession import Carried, Succession, succession
from tests.trees import Path, every_path, grown
from tests.unit.taxonomy.test_versions import OLD, coded


def change(*replaced: tuple[str, str]) -> Succession:
    text = OLD
    for before, after in replaced:
        assert before in text
        text = text.replace(before, after)
    return succession(differences(coded(OLD), coded(text)))


def test_what_was_renamed_moved_or_merged_keeps_its_answers() -> None:
    how = change(
        ("11 : Food > Tea", "11 : Food > Hot tea"),
        ("21 : Tools > Saws", "21 : Food > Saws"),
        ("221 : Tools > Files > Rasps\n222 : Tools > Files > Needle files\n", ""),
    )
    carried = {
        "Food > Tea": "Food > Hot tea",
        "Tools > Saws": "Food > Saws",
        "Tools > Files > Rasps": "Tools > Files",
        "Food > Milk": "Food > Milk",
        "Tools > Files": "Tools > Files",
    }
    assert {was: how.carry(Carried(was)) for was in carried} == {was: Carried(now) for was, now in carried.items()}
    assert (how.added, how.moved, how.wider) == ((), ("Food > Saws",), False)


def test_an_answer_at_a_split_leaf_stands_above_the_new_leaves_and_is_unclear() -> None:
    how = change(("11 : Food > Tea", "11 : Food > Drinks\n111 : Food > Drinks > Green\n112 : Food > Drinks > Black"))
    assert how.carry(Carried("Food > Tea")) == Carried("Food > Drinks", unclear=True)
    assert how.added == ("Food > Drinks > Green", "Food > Drinks > Black")
    assert not how.wider, "what no label fitted was not tea"


def test_an_answer_at_a_removed_node_is_lost() -> None:
    how = change(("21 : Tools > Saws\n", ""), ("12 : Food > Milk", "12 : Food > Milk\n13 : Food > Rice"))
    assert how.carry(Carried("Tools > Saws")) == Carried(None, unclear=True)
    assert how.carry_label("Tools > Saws") is None
    assert how.wider, "a document that no label fitted may be rice"


def test_an_abstention_stays_one() -> None:
    assert change(("11 : Food > Tea", "11 : Food > Hot tea")).carry(Carried(None)) == Carried(None)


@settings(deadline=None, max_examples=50)
@given(every_path())
def test_no_change_carries_every_label_to_itself(paths: list[Path]) -> None:
    tree = grown(paths)
    assert succession(differences(tree, tree)) == Succession()


@settings(deadline=None, max_examples=50)
@given(every_path(), every_path())
def test_every_label_is_carried_to_a_node_or_is_unclear(old: list[Path], new: list[Path]) -> None:
    before, after = grown(old), grown(new)
    how = succession(differences(before, after))
    nodes = {after.label(node) for node in range(len(new))}
    leaves = {after.label(int(node)) for node in after.leaves}
    for leaf in before.leaves:
        carried = how.carry(Carried(before.label(int(leaf))))
        assert carried.label in nodes or (carried.label is None and carried.unclear)
        assert carried.unclear or carried.label in leaves or carried.label in nodes
        assert not (carried.unclear and carried.label in leaves)
    assert {*how.added, *how.moved} <= leaves
    assert not {*how.added} & {*how.moved}
