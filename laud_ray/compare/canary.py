"""Whether relabeling everything is safe: look at a sample first. Pure: pyarrow and NumPy.

A canary is a sample of the documents, labelled before the rest. Its columns, of n rows each:
    label           string or dictionary, null where the document could not be labelled
    confidence      float in [0, 1], null where there is no label
    previous_label  string or dictionary, null where the document had none
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.stats import estimate_share
from laud_ray.stats.drift import LEAST, Baseline, baseline
from laud_ray.types import Bools, Estimate, Floats, Indices

_SHOWN = 3  # changes named in a verdict


@dataclass(frozen=True, slots=True)
class Check:
    """What one limit found.

    Attributes:
        name: `change`, or `drift of labels`, or `drift of confidences`.
        passed: False also where the sample cannot tell: a check that was asked for and not made is not passed.
        value: the change rate or the stability index; None where the sample cannot tell.
        limit: the largest value that passes.
        n: documents that it was computed from.
        interval: the 95 % interval of a change rate; None for drift.
        found: what was found, in words, in one line.
    """

    name: str
    passed: bool
    value: float | None
    limit: float
    n: int
    interval: tuple[float, float] | None
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a canary says. `documents` were looked at."""

    documents: int
    checks: tuple[Check, ...]

    @property
    def stop(self) -> bool:
        return not all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """One line: what failed; what passed if nothing did."""
        failed = [check.found for check in self.checks if not check.passed]
        return "; ".join(failed or [check.found for check in self.checks])


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The distribution of labels and confidences that a canary is compared with.

    Attributes:
        names: the k labels of the sample; any other label counts among the rare ones.
        source: the sample in words, such as "the evaluation sample".
    """

    names: tuple[str, ...]
    baseline: Baseline
    source: str

    def indices(self, labels: pa.ChunkedArray, confidence: Floats) -> tuple[float, float] | None:
        """The stability indices of labels, none null, and confidences; None if there are too few to say."""
        position = pc.index_in(labels, value_set=pa.array(self.names, pa.string()))
        best = pc.fill_null(position, len(self.names)).to_numpy().astype(np.int64)
        return self.baseline.indices(best, confidence)


def expected(
    labels: pa.Array | pa.ChunkedArray, confidence: pa.Array | pa.ChunkedArray, *, source: str, weights: Floats | None
) -> Expected | None:
    """Describe n labels and confidences; None if it is fewer than 50 labels, too few to compare with.

    Args:
        labels: as in a canary; rows without a label or a confidence do not count.
        confidence: as in a canary.
        source: the sample in words.
        weights: (n,) documents that each row stands for; None weighs them alike.
    """
    names, scores, kept = _labelled(labels, confidence)
    if not len(names):
        return None
    coded = names.combine_chunks().dictionary_encode()
    known = tuple(coded.dictionary.to_pylist())
    best: Indices = coded.indices.to_numpy().astype(np.int64)
    share = np.ones(len(names)) if weights is None else weights[kept]
    # One class more, of no document: where labels go that the sample does not know.
    made = baseline(best, scores, share, k=len(known) + 1)
    return None if made is None else Expected(known, made, source)


def decide(
    canary: pa.Table,
    *,
    max_change: float | None = None,
    max_drift: float | None = None,
    expected: Expected | None = None,
) -> Verdict:
    """Check a canary against the limits that are not None.

    Args:
        canary: previous_label is needed for max_change, label and confidence for max_drift.
        max_change: the largest share, in [0, 1], of documents with a previous label that may have another one now.
        max_drift: the largest population stability index, at least 0; 0.1 is a small shift, 0.25 a large one.
        expected: what drift is measured against.

    Raises:
        ValueError: if a limit is outside its range.
    """
    if max_change is not None and not 0 <= max_change <= 1:
        raise ValueError(f"max_change is {max_change}, expected 0 to 1")
    if max_drift is not None and not max_drift >= 0:
        raise ValueError(f"max_drift is {max_drift}, expected at least 0")
    checks: list[Check] = []
    if max_change is not None:
        checks.append(check_change(canary["label"], canary["previous_label"], max_change))
    if max_drift is not None:
        checks += check_drift(canary["label"], canary["confidence"], expected, max_drift)
    return Verdict(canary.num_rows, tuple(checks))


def check_change(labels: pa.ChunkedArray, previous: pa.ChunkedArray, limit: float) -> Check:
    """Compare the share of changed labels with a limit; a label that became an error is a change.

    It is the measured share that must not exceed the limit, not an end of its interval: the limit reads as it is set.
    """
    old, new = _strings(previous), _strings(labels)
    had = pc.is_valid(old)
    old, new = old.filter(had), pc.fill_null(new.filter(had), "")
    missing = pc.is_null(_strings(labels)).filter(had)
    n, words = len(old), f"limit {100 * limit:g} %"
    if not n:
        found = f"change cannot be told: none of {len(labels):,} sampled documents has a previous label; {words}"
        return Check("change", False, None, limit, 0, None, found)
    changed = pc.or_(missing, pc.not_equal(old, new))
    hits = int(pc.sum(changed).as_py() or 0)
    share = estimate_share(hits, n)
    pairs = Counter(
        (before, None if gone else after)
        for before, after, gone in zip(
            *(column.filter(changed).to_pylist() for column in (old, new, missing)), strict=True
        )
    )
    found = f"{hits:,} of {n:,} sampled documents changed their label: {_figure(share)}, {words}{_most(pairs)}"
    return Check("change", share.value <= limit, share.value, limit, n, (share.low, share.high), found)


def check_drift(
    labels: pa.ChunkedArray, confidence: pa.ChunkedArray, expected: Expected | None, limit: float
) -> tuple[Check, ...]:
    """Compare the drift of labels and of confidences with a limit; documents without a label do not count."""
    names, scores, _ = _labelled(labels, confidence)
    kinds = ("drift of labels", "drift of confidences")
    found = None if expected is None else expected.indices(names, scores)
    if expected is None or found is None:
        why = (
            "there is no sample of at least 50 documents to compare with"
            if expected is None
            else f"{len(names):,} labelled documents in the sample, expected at least {LEAST}"
        )
        said = f"drift cannot be told: {why}; limit {limit:g}"
        return (Check("drift", False, None, limit, len(names), None, said),)
    against = f"n = {len(names):,} against {expected.baseline.n:,} of {expected.source}"
    return tuple(
        Check(kind, index <= limit, index, limit, len(names), None, f"{kind} {index:.3f}, limit {limit:g}, {against}")
        for kind, index in zip(kinds, found, strict=True)
    )


def _labelled(
    labels: pa.Array | pa.ChunkedArray, confidence: pa.Array | pa.ChunkedArray
) -> tuple[pa.ChunkedArray, Floats, Bools]:
    """Return the m labels and confidences of the rows that have both, and (n,) which these are."""
    names, scores = _strings(labels), pc.cast(confidence, pa.float64())
    kept = pc.and_(pc.is_valid(names), pc.is_valid(scores))
    return _chunked(names.filter(kept)), _chunked(scores.filter(kept)).to_numpy(), np.asarray(kept, np.bool_)


def _chunked(values: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _strings(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return pc.cast(values, pa.string())


def _most(pairs: Iterable[tuple[str, str | None]]) -> str:
    common = Counter(pairs).most_common(_SHOWN)
    if not common:
        return ""
    return "; mostly " + ", ".join(f"{old} → {new or 'no label'} ({count:,})" for (old, new), count in common)


def _figure(share: Estimate) -> str:
    return f"{_percent(share.value)} [{100 * share.low:.1f}, {100 * share.high:.1f}] (95 % interval)"


def _percent(share: float) -> str:
    return f"{100 * share:.{1 if share >= 0.01 else 2}f} %"
