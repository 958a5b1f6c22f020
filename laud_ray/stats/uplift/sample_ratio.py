"""The sample-ratio mismatch test: whether users came into the arms as they were meant to."""

from math import isfinite


def sample_ratio_p(control: int, treatment: int, share: float) -> float:
    """Return the p-value of an exact binomial test that each user came into the treatment with the same probability.

    A small value says that the assignment, the logging or a filter treated the arms differently; then the arms do not
    hold comparable people. Usual cuts are 0.01 to 0.001.

    Fabijan et al. (2019), "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD.

    Args:
        control, treatment: users of each arm, together at least 1.
        share: the intended share of users in the treatment, in (0, 1).

    Raises:
        ValueError: if an argument is outside of its range.
    """
    if min(control, treatment) < 0 or control + treatment < 1:
        raise ValueError(f"control = {control}, treatment = {treatment}; expected at least 0, and at least 1 together")
    if not isfinite(share) or not 0 < share < 1:
        raise ValueError(f"share = {share}; expected a share above 0 and below 1")
    from scipy.stats import binomtest  # slow to import: 1.2 s

    return float(binomtest(treatment, control + treatment, share).pvalue)
