"""An engine that dies, at whichever call of a pass or a relabel, costs no row: the output is a healthy engine's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from laud_ray.errors import PassError
from laud_ray.types import Floats, Scorer
from tests.engines import BAD, FAULTS, RANGES, ROWS, Fault, Machine, Rows, pass_over, relabel_all, relabel_ranges
from tests.engines import one_process as one_process
from tests.relabeling import LABELS, Hashing

pytestmark = pytest.mark.usefixtures("one_process")
Work = Callable[..., Rows]
WHOLE = pytest.mark.parametrize("work", [pass_over, relabel_all])
EACH = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def hashing(_: str) -> Scorer:
    return Hashing(LABELS)


def errors(found: Rows) -> dict[object, object]:
    return {row["id"]: row["error"] for row in found if row["error"] is not None}


def each_death(work: Work, fault: Fault, place: Path, *, for_good: bool, step: int = 1) -> None:
    healthy = Machine(fault, None)
    expected = work(place / "healthy", healthy.open)
    assert errors(expected) == {"d33": "null text", **{f"d{i}": "ValueError: cannot read this" for i in BAD}}
    for death in range(0, healthy.calls, step):
        machine = Machine(fault, death, for_good=for_good)
        assert work(place / str(death), machine.open) == expected, f"a death at call {death}"
        assert machine.wasted <= 6


@pytest.mark.parametrize("work", [pass_over, relabel_ranges])
@EACH
def test_a_death_at_any_call_changes_no_row(work: Work, fault: Fault, tmp_path: Path) -> None:
    each_death(work, fault, tmp_path, for_good=True)


@pytest.mark.parametrize("work", [pass_over, relabel_ranges])
def test_one_failure_at_any_call_changes_no_row(work: Work, tmp_path: Path) -> None:
    each_death(work, FAULTS["as if of a text"], tmp_path, for_good=False)


def test_a_death_in_a_whole_relabel_changes_no_row(tmp_path: Path) -> None:
    each_death(relabel_all, FAULTS["as if of a text"], tmp_path, for_good=True, step=5)


@WHOLE
@EACH
def test_engines_that_score_nothing_end_the_work_with_their_error(work: Work, fault: Fault, tmp_path: Path) -> None:
    machine = Machine(fault, None, born_dead=True)
    with pytest.raises(PassError, match=r"CUDA error|Broken pipe|out of memory|cannot read|not finite|shape \(0, 3\)"):
        work(tmp_path, machine.open)
    assert machine.wasted <= 12
    assert not list((tmp_path / "out").glob("part-*"))
    assert not (tmp_path / "out" / "_SUCCESS").exists()


@WHOLE
def test_a_model_that_cannot_be_opened_ends_the_work(work: Work, tmp_path: Path) -> None:
    opened = 0

    def load(_: str) -> Scorer:
        nonlocal opened
        opened += 1
        raise OSError(5, "Input/output error", "model.safetensors")

    with pytest.raises(PassError, match="OSError: .* Input/output error: 'model.safetensors'"):
        work(tmp_path, load)
    assert opened == 3


@WHOLE
@pytest.mark.parametrize("bad", [1, 2, 45])
def test_texts_that_are_all_bad_are_error_rows(work: Work, bad: int, tmp_path: Path) -> None:
    found = work(tmp_path, hashing, [f"poison {i}" for i in range(bad)])
    assert errors(found) == {f"d{i}": "ValueError: cannot read this" for i in range(bad)}


@WHOLE
@pytest.mark.parametrize("last", ["poison", None])
def test_a_last_range_without_a_usable_text_is_committed(work: Work, last: str | None, tmp_path: Path) -> None:
    found = work(tmp_path, hashing, [*(f"name {i}" for i in range(2 * ROWS)), last])
    assert len(found) == 2 * ROWS + 1
    assert list(errors(found)) == [f"d{2 * ROWS}"]


@WHOLE
def test_a_range_that_its_engines_die_of_is_set_aside_with_their_error(work: Work, tmp_path: Path) -> None:
    class Deadly(Hashing):
        def score(self, texts: Sequence[str]) -> Floats:
            if "name 30" in texts:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return super().score(texts)

    with pytest.raises(PassError) as stopped:
        work(tmp_path, lambda _: Deadly(LABELS))
    assert "1 of 3 ranges were set aside: part-00001" in str(stopped.value)
    assert "RuntimeError: CUDA error: an illegal memory access was encountered, 3 times)" in str(stopped.value)
    assert {path.stem for path in (tmp_path / "out").glob("part-*")} == {"part-00000", "part-00002"}
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert len(work(tmp_path, hashing)) == RANGES * ROWS
