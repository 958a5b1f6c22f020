"""The alternative annotator test: the authors' printed results, and the definition written out on random tables."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from laud_ray.quality.alternative import DISCOVERY, Contest, alternative_test, compared, judge

# Documents on which (both do equally well, the machine does better, the person does better), for each person: counted
# from the authors' data (120 comparisons of MT-Bench with 3 people, 500 judgements of skin lesions with 6 students).
# With epsilon, and the winning rate and advantage probability that the authors' program prints.
PRINTED = {
    ("mtbench", "gemini_flash"): (0.2, [(39, 13, 22), (56, 6, 22), (52, 11, 25)], "0.00 0.72"),
    ("mtbench", "gemini_pro"): (0.2, [(46, 11, 17), (60, 4, 20), (54, 13, 21)], "0.00 0.76"),
    ("mtbench", "gpt-4o"): (0.2, [(43, 14, 17), (59, 9, 16), (57, 8, 23)], "0.00 0.77"),
    ("mtbench", "gpt-4o-mini"): (0.2, [(42, 12, 20), (57, 5, 22), (56, 9, 23)], "0.00 0.74"),
    ("mtbench", "llama-31"): (0.2, [(43, 8, 23), (49, 9, 26), (50, 10, 28)], "0.00 0.69"),
    ("mtbench", "mistral-v03"): (0.2, [(44, 7, 23), (43, 14, 27), (51, 9, 28)], "0.00 0.68"),
    ("lesion", "gemini_flash"): (
        0.15,
        [(230, 139, 131), (243, 108, 149), (286, 67, 135), (265, 69, 165), (268, 86, 146), (264, 93, 136)],
        "0.17 0.71",
    ),
    ("lesion", "gemini_pro"): (
        0.15,
        [(263, 153, 84), (287, 118, 95), (318, 84, 86), (339, 61, 99), (290, 108, 102), (251, 141, 101)],
        "1.00 0.81",
    ),
    ("lesion", "gpt-4o"): (
        0.15,
        [(213, 109, 178), (240, 82, 178), (218, 76, 194), (252, 44, 203), (217, 87, 196), (198, 103, 192)],
        "0.00 0.62",
    ),
    ("lesion", "gpt-4o-mini"): (
        0.15,
        [(249, 134, 117), (271, 102, 127), (275, 82, 131), (296, 59, 144), (264, 100, 136), (229, 129, 135)],
        "0.67 0.73",
    ),
}


@pytest.mark.parametrize(("of", "machine"), PRINTED)
def test_the_authors_printed_results(of: str, machine: str) -> None:
    epsilon, counts, printed = PRINTED[of, machine]
    found = judge({f"p{i}": Contest(*one) for i, one in enumerate(counts)}, epsilon)
    assert found is not None
    assert f"{found.winning_rate:.2f} {found.advantage:.2f}" == printed
    assert found.replaces == (found.winning_rate >= 0.5)


def test_the_definition_written_out_gives_the_same_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    passed = 0
    for trial in range(200):
        people, machine = table(rng, people=int(rng.integers(2, 6)), documents=60, labels=int(rng.integers(2, 5)))
        epsilon = float(rng.choice([0.1, 0.15, 0.2]))
        found = alternative_test(people, machine, epsilon=epsilon)
        expected = by_definition(people, machine, epsilon)
        if expected is None:
            assert found is None, trial
            continue
        assert found is not None, trial
        winning, advantage, p_values = expected
        assert found.winning_rate == pytest.approx(winning)
        assert found.advantage == pytest.approx(advantage)
        assert {one.person: one.p for one in found.verdicts} == pytest.approx(p_values, abs=1e-12)
        passed += found.replaces
    assert 20 < passed < 180


def test_a_person_with_too_few_documents_is_left_out_but_counts_for_the_others() -> None:
    documents = [f"d{i}" for i in range(40)]
    people = {
        "a": dict.fromkeys(documents, "x"),
        "b": dict.fromkeys(documents, "x"),
        "c": {"d0": "y", "elsewhere": "x"},
    }
    found = alternative_test(people, dict.fromkeys(documents, "x"))
    assert found is not None
    assert found.left_out == {"c": 1}
    assert [(one.person, one.contest.n, one.beaten) for one in found.verdicts] == [("a", 40, True), ("b", 40, True)]
    assert (found.winning_rate, found.advantage, found.replaces) == (1.0, 1.0, True)
    assert compared(people, dict.fromkeys(documents, "y"))["c"] == Contest(1, 0, 0)


def test_a_machine_that_is_always_worse_beats_nobody() -> None:
    documents = [f"d{i}" for i in range(40)]
    found = alternative_test({name: dict.fromkeys(documents, "x") for name in "ab"}, dict.fromkeys(documents, "y"))
    assert found is not None
    assert (found.winning_rate, found.advantage) == (0.0, 0.0)
    assert all(one.p == 1.0 for one in found.verdicts)


def test_one_person_or_few_documents_are_no_test() -> None:
    documents = [f"d{i}" for i in range(40)]
    assert alternative_test({"a": dict.fromkeys(documents, "x")}, dict.fromkeys(documents, "x")) is None
    few = {name: dict.fromkeys(documents[:29], "x") for name in "ab"}
    assert alternative_test(few, dict.fromkeys(documents, "x")) is None
    assert alternative_test({}, {}) is None


def table(
    rng: np.random.Generator, people: int, documents: int, labels: int
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Random answers: everybody is right with a probability of their own, and answers some of the documents."""
    truth = rng.integers(labels, size=documents)

    def answers(right: float, share: float) -> dict[str, str]:
        said = np.where(rng.random(documents) < right, truth, rng.integers(labels, size=documents))
        return {f"d{i}": f"l{said[i]}" for i in range(documents) if rng.random() < share}

    return (
        {f"p{j}": answers(rng.uniform(0.4, 0.95), rng.uniform(0.3, 1.0)) for j in range(people)},
        answers(rng.uniform(0.4, 1.0), 0.95),
    )


def by_definition(
    people: Mapping[str, Mapping[str, str]], machine: Mapping[str, str], epsilon: float
) -> tuple[float, float, dict[str, float]] | None:
    """The winning rate, the advantage probability and the p-values, from the paper's definition, by loops."""
    differences: dict[str, list[int]] = {}
    wins: dict[str, list[int]] = {}
    for who, labels in people.items():
        for document, label in labels.items():
            others = [one[document] for name, one in people.items() if name != who and document in one]
            if document not in machine or not others:
                continue
            person = float(np.mean([one == label for one in others]))
            other = float(np.mean([one == machine[document] for one in others]))
            wins.setdefault(who, []).append(int(other >= person))
            differences.setdefault(who, []).append(int(person >= other) - int(other >= person))
    kept = {who: ones for who, ones in differences.items() if len(ones) >= 30}
    if len(kept) < 2:
        return None
    p_values = {who: float(ttest_1samp(ones, epsilon, alternative="less").pvalue) for who, ones in kept.items()}
    rejected = false_discovery_control(list(p_values.values()), method="by") <= DISCOVERY
    return float(np.mean(rejected)), float(np.mean([np.mean(wins[who]) for who in kept])), p_values
