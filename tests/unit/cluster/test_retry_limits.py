"""When the work of a pass ends for broken engines, and how ranges that were set aside are named."""

from laud_ray.cluster.retry_limits import BrokenEngines, Lost, set_aside


def test_engines_that_all_end_in_the_same_way_end_the_work() -> None:
    broken = BrokenEngines()
    assert not broken.add("a", "OSError: no weights of 3", workers=1)
    assert not broken.add("a", "OSError: no weights of 4", workers=1)
    assert not broken.add("b", "OSError: no weights of 5", workers=1)
    assert broken.add("c", "OSError: no weights of 6", workers=1)
    assert not broken.add("d", "MemoryError", workers=1)  # another error: from the beginning
    broken.done()
    assert not any(broken.add(name, "MemoryError", workers=5) for name in "abcd")
    assert broken.add("e", "MemoryError", workers=5)


def test_names_that_were_set_aside_are_named_with_their_reason() -> None:
    lost = [
        Lost("a", 3, "its engine ended: MemoryError"),
        *(Lost(f"n{i:02d}", 3, "its worker process died") for i in range(12)),
    ]
    assert set_aside(lost, 40) == (
        "13 of 40 ranges were set aside: a (its engine ended: MemoryError, 3 times); n00, n01, n02, n03, n04, n05, "
        "n06, n07, n08, n09 and 2 more (its worker process died, 3 times); the others are committed, "
        "run the same command again to retry these"
    )


def test_what_keeps_nothing_is_run_again_as_a_whole() -> None:
    said = set_aside([Lost("unit-000001", 20, "its node died")], 3, what="parts of the corpus", committed=False)
    assert said == (
        "1 of 3 parts of the corpus were set aside: unit-000001 (its node died, 20 times); "
        "run the same command again to retry"
    )
