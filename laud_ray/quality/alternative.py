"""May a language model's answers replace people's? The alternative annotator test. Pure.

Calderon, Reichart and Dror (2025), "The Alternative Annotator Test for LLM-as-a-Judge: How to Statistically Justify
Replacing Human Annotators with LLMs" (ACL). Each person in turn is left out: does the machine represent the other
people at least as well as the person does?
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import scipy

# People with fewer documents in common with the machine and another person are left out: the t-test needs this many.
LEAST = 30
# The false discovery rate over the people.
DISCOVERY = 0.05
# What a person's answer costs more than the machine's, as a difference of probabilities: the paper's values for
# experts, skilled annotators and crowd workers.
EXPERTS, SKILLED, CROWD = 0.2, 0.15, 0.1


@dataclass(frozen=True, slots=True)
class Contest:
    """Documents on which a person and the machine are compared by the share of the other people that agree with them.

    Attributes:
        tied: documents on which both agree with equally many.
        machine: documents on which the machine agrees with more of them.
        person: documents on which the person does.
    """

    tied: int
    machine: int
    person: int

    @property
    def n(self) -> int:
        return self.tied + self.machine + self.person

    @property
    def advantage(self) -> float:
        """The share of the n >= 1 documents on which the machine does at least as well, in [0, 1]."""
        return (self.tied + self.machine) / self.n

    def p_value(self, epsilon: float) -> float:
        """Test H0: mean(d) >= epsilon against mean(d) < epsilon, one-sided, by Student's t with n - 1 degrees.

        d is 1 where the person does better, -1 where the machine does, 0 on a tie; n >= 2.
        """
        mean = (self.person - self.machine) / self.n
        squares = self.person + self.machine - self.n * mean**2
        if squares <= 1e-12 * self.n:  # every d is the same
            return 0.0 if mean < epsilon else 1.0
        error = math.sqrt(squares / (self.n - 1) / self.n)
        return float(scipy.special.stdtr(self.n - 1, (mean - epsilon) / error))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one person.

    Attributes:
        p: of `Contest.p_value`.
        beaten: whether the machine is shown to do at least as well, less epsilon, at the false discovery rate.
    """

    person: str
    contest: Contest
    p: float
    beaten: bool


@dataclass(frozen=True, slots=True)
class AlternativeTest:
    """The outcome for all people.

    Attributes:
        verdicts: of each person with enough documents, by name.
        left_out: how many documents each of the other people has.
        winning_rate: the paper's omega, the share of the people that are beaten.
        advantage: the paper's rho, the mean over the people of `Contest.advantage`.
    """

    epsilon: float
    verdicts: tuple[Verdict, ...]
    left_out: Mapping[str, int]
    winning_rate: float
    advantage: float

    @property
    def replaces(self) -> bool:
        """Whether the machine may replace people by this test: its winning rate is at least a half."""
        return self.winning_rate >= 0.5


def alternative_test(
    people: Mapping[str, Mapping[str, str]],
    machine: Mapping[str, str],
    *,
    epsilon: float = SKILLED,
    least: int = LEAST,
) -> AlternativeTest | None:
    """Test whether a machine's labels may replace people's; None if fewer than two people have enough documents.

    With H_i the people who labelled document i, and I_j the documents that person j, another person and the machine f
    labelled: for i in I_j, S(x, i, j) is the share of the people in H_i other than j whose label equals x's label;
    W_f = [S(f) >= S(h_j)], W_h = [S(h_j) >= S(f)], d = W_h - W_f. The machine beats j if the mean of d over I_j is
    shown to be below epsilon, by a one-sided t-test with Benjamini and Yekutieli's correction over all people.
    The winning rate omega is the share of people that it beats, and rho is the mean over j of the mean of W_f.

    Args:
        people: person -> document -> label, without abstentions, and of answers given without a look at the machine's.
        machine: document -> label, without abstentions.
        epsilon: 0.2 for experts, 0.15 for skilled annotators, 0.1 for crowd workers.
        least: people with fewer documents in I_j are left out, as in the authors' program.
    """
    return judge(compared(people, machine), epsilon, least)


def judge(contests: Mapping[str, Contest], epsilon: float = SKILLED, least: int = LEAST) -> AlternativeTest | None:
    """Test on counted documents; the arguments and the result are as of `alternative_test`."""
    enough = {name: one for name, one in contests.items() if one.n >= least}
    if len(enough) < 2:
        return None
    p_values = {name: one.p_value(epsilon) for name, one in enough.items()}
    beaten = _discoveries(p_values)
    verdicts = tuple(Verdict(name, enough[name], p_values[name], name in beaten) for name in sorted(enough))
    return AlternativeTest(
        epsilon,
        verdicts,
        {name: one.n for name, one in sorted(contests.items()) if name not in enough},
        len(beaten) / len(verdicts),
        sum(one.contest.advantage for one in verdicts) / len(verdicts),
    )


def compared(people: Mapping[str, Mapping[str, str]], machine: Mapping[str, str]) -> dict[str, Contest]:
    """Return each person's contest with the machine; the arguments are those of `alternative_test`."""
    said: dict[str, Counter[str]] = {}
    for labels in people.values():
        for document, label in labels.items():
            said.setdefault(document, Counter())[label] += 1
    return {name: _contest(labels, machine, said) for name, labels in people.items()}


def _contest(labels: Mapping[str, str], machine: Mapping[str, str], said: Mapping[str, Counter[str]]) -> Contest:
    better: Counter[int] = Counter()
    for document, label in labels.items():
        if document in machine and said[document].total() >= 2:
            # The shares have one denominator, so that the numbers of the others who agree decide.
            own = said[document][label] - 1
            other = said[document][machine[document]] - (machine[document] == label)
            better[(own > other) - (own < other)] += 1
    return Contest(better[0], better[-1], better[1])


def _discoveries(p_values: Mapping[str, float]) -> set[str]:
    """Benjamini and Yekutieli (2001), "The Control of the False Discovery Rate in Multiple Testing"."""
    m = len(p_values)
    level = DISCOVERY / sum(1 / i for i in range(1, m + 1))
    ranked = sorted(p_values, key=lambda name: (p_values[name], name))
    last = max((r for r, name in enumerate(ranked, 1) if p_values[name] <= r / m * level), default=0)
    return set(ranked[:last])
