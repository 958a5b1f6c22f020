"""Samples by hash: the right share, the same everywhere, the larger one holds the smaller."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.data.sampling import chosen

IDS = pa.array([f"sku-{i}" for i in range(50_000)])
TEXTS = st.lists(st.text(max_size=30), max_size=40)


@pytest.mark.parametrize("keys", [IDS, np.arange(50_000), pa.array(range(50_000))], ids=["ids", "rows", "arrow rows"])
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_the_share_is_met(keys: pa.Array, share: float) -> None:
    taken = [chosen(keys, share, seed=seed).mean() for seed in range(10)]
    error = (share * (1 - share) / 50_000) ** 0.5
    assert np.abs(np.asarray(taken) - share).max() < 4 * error
    assert np.std(taken) > error / 3  # seeds draw different samples


def test_the_sample_is_the_same_on_every_machine() -> None:
    """Reference values: a change would make a resumed relabel draw another sample."""
    assert np.flatnonzero(chosen(IDS, 0.0002, seed=0)).tolist() == [655, 681, 14231, 18359, 18609, 22936, 42705]
    assert np.flatnonzero(chosen(np.arange(50_000), 0.0002, seed=7)).tolist() == [2112, 3788, 6867, 31038, 41315, 46682]


def test_seeds_and_neighbours_are_independent() -> None:
    one, other = chosen(IDS, 0.5, seed=1), chosen(IDS, 0.5, seed=2)
    assert abs((one & other).mean() - 0.25) < 0.01
    assert abs((one[1:] & one[:-1]).mean() - 0.25) < 0.01


def test_nothing_and_all() -> None:
    assert not chosen(IDS, 0, seed=0).any()
    assert chosen(IDS, 1, seed=0).all()
    assert chosen(pa.array([], pa.string()), 0.5, seed=0).tolist() == []
    assert chosen(pa.chunked_array([], pa.string()), 0.5, seed=0).tolist() == []


def test_a_share_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share: 1.5 is not valid; expected 0 to 1"):
        chosen(IDS, 1.5, seed=0)


@settings(deadline=None)
@given(TEXTS, st.integers(), st.floats(0, 1), st.data())
def test_a_key_is_chosen_for_itself_alone(ids: list[str], seed: int, share: float, data: st.DataObject) -> None:
    whole = chosen(pa.array(ids, pa.string()), share, seed=seed)
    alone = [bool(chosen(pa.array([key], pa.string()), share, seed=seed)[0]) for key in ids]
    assert whole.tolist() == alone
    cut = data.draw(st.integers(0, len(ids)))
    sliced = pa.array(["x", *ids], pa.string()).slice(1 + cut)
    assert chosen(sliced, share, seed=seed).tolist() == alone[cut:]
    chunks = pa.chunked_array([ids[:cut], ids[cut:]], pa.string())
    assert chosen(chunks.dictionary_encode(), share, seed=seed).tolist() == alone


@settings(deadline=None)
@given(TEXTS, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_the_smaller(ids: list[str], a: float, b: float) -> None:
    keys = pa.array(ids, pa.string())
    assert not (chosen(keys, min(a, b), seed=3) & ~chosen(keys, max(a, b), seed=3)).any()
