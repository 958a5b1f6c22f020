"""Check a labelled sample before the whole catalog is relabelled. Pure: pyarrow and NumPy.

A canary is a sample of the documents that is labelled before the rest. Its columns, of n rows each:
    label           string or dictionary, null where the document could not be labelled
    confidence      float in [0, 1], null where there is no label
    previous_label  string or dictionary, null where the document had none
Of a multilabel task, labels are the texts of label sets, and a further column `likeliest` has the likeliest label of
each document, whose distribution is compared.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.label_sets import shown
from laud_ray.stats import estimate_share
from laud_ray.stats.drift import LEAST, Baseline, baseline
from laud_ray.types import Bools, Estimate, Floats, Indices

_SHOWN = 3  # changes named in a verdict
LIKELIEST = "likeliest"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of checking one limit.

    Attributes:
        name: `change`, `drift of labels` or `drift of confidences`; `drift` if drift could not be measured.
        passed: whether the value is within the limit; False also if the sample is too small to measure it.
        value: the change rate or the population stability index; None if it could not be measured.
        limit: the largest value that passes.
        n: documents that the value was computed from.
        interval: the 95 % interval of a change rate; None for drift.
        found: the result in one line of words.
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
    """The results of all checks on a canary of `documents` documents."""

    documents: int
    checks: tuple[Check, ...]

    @property
    def stop(self) -> bool:
        """Whether a check failed, so that the relabel must not go on."""
        return not all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """One line with the results of the failed checks, or of all checks if none failed."""
        failed = [check.found for check in self.checks if not check.passed]
        return "; ".join(failed or [check.found for check in self.checks])


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The distribution of labels and confidences that a canary is compared with.

    Attributes:
        names: the k labels of the reference sample; all other labels are counted as one more class.
        baseline: the distributions.
        source: the reference sample in words, such as "the evaluation sample".
    """

    names: tuple[str, ...]
    baseline: Baseline
    source: str

    def indices(self, labels: pa.ChunkedArray, confidence: Floats) -> tuple[float, float] | None:
        """Return the population stability indices of labels and of confidences; None if there are too few.

        Args:
            labels: (n,) strings, none null.
            confidence: (n,) in [0, 1].
        """
        position = pc.index_in(labels, value_set=pa.array(self.names, pa.string()))
        best = pc.fill_null(position, len(self.names)).to_numpy().astype(np.int64)
        return self.baseline.indices(best, confidence)


def expected(
    labels: pa.Array | pa.ChunkedArray, confidence: pa.Array | pa.ChunkedArray, *, source: str, weights: Floats | None
) -> Expected | None:
    """Describe a reference sample; return None if it has fewer than 50 labels, which are too few to compare with.

    Args:
        labels: (n,) as in a canary; rows without a label or a confidence do not count.
        confidence: (n,) as in a canary.
        source: the sample in words.
        weights: (n,) the number of documents that each row stands for; None weighs all rows equally.
    """
    names, scores, kept = _labelled(labels, confidence)
    if not len(names):
        return None
    coded = names.combine_chunks().dictionary_encode()
    known = tuple(coded.dictionary.to_pylist())
    best: Indices = coded.indices.to_numpy().astype(np.int64)
    share = np.ones(len(names)) if weights is None else weights[kept]
    # An extra, empty class takes the labels that the reference sample does not have.
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
        canary: the columns label and previous_label are needed for max_change, label and confidence for max_drift.
        max_change: of the documents with a previous label, the largest share, in [0, 1], whose label may change.
        max_drift: the largest population stability index, at least 0; 0.1 is a small shift, 0.25 a large one.
        expected: the reference that drift is measured against.

    Raises:
        ValueError: if a limit is outside its range.
    """
    if max_change is not None and not 0 <= max_change <= 1:
        raise ValueError(f"max_change: {max_change} is not valid; expected 0 to 1")
    if max_drift is not None and not max_drift >= 0:
        raise ValueError(f"max_drift: {max_drift} is not valid; expected at least 0")
    checks: list[Check] = []
    if max_change is not None:
        sets = LIKELIEST in canary.column_names
        checks.append(check_change(canary["label"], canary["previous_label"], max_change, sets=sets))
    if max_drift is not None:
        labels = canary[LIKELIEST if LIKELIEST in canary.column_names else "label"]
        checks += check_drift(labels, canary["confidence"], expected, max_drift)
    return Verdict(canary.num_rows, tuple(checks))


def check_change(labels: pa.ChunkedArray, previous: pa.ChunkedArray, limit: float, *, sets: bool = False) -> Check:
    """Compare the share of changed labels with a limit. A document that lost its label counts as changed.

    The measured share itself must not exceed the limit; the ends of its interval are only reported.
    """
    old, new = _strings(previous), _strings(labels)
    had = pc.is_valid(old)
    old, new = old.filter(had), pc.fill_null(new.filter(had), "")
    missing = pc.is_null(_strings(labels)).filter(had)
    n, words = len(old), f"limit {100 * limit:g} %"
    if not n:
        found = f"change cannot be measured: none of {len(labels):,} sampled documents has a previous label; {words}"
        return Check("change", False, None, limit, 0, None, found)
    changed = pc.or_(missing, pc.not_equal(old, new))
    hits = int(pc.sum(changed).as_py() or 0)
    share = estimate_share(hits, n)
    pairs = Counter(
        (shown(before, multilabel=sets), None if gone else shown(after, multilabel=sets))
        for before, after, gone in zip(
            *(column.filter(changed).to_pylist() for column in (old, new, missing)), strict=True
        )
    )
    what = "their set of labels" if sets else "their label"
    found = f"{hits:,} of {n:,} sampled documents changed {what}: {_figure(share)}, {words}{_most(pairs)}"
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
            else f"the sample has {len(names):,} labelled documents; expected at least {LEAST}"
        )
        text = f"drift cannot be measured: {why}; limit {limit:g}"
        return (Check("drift", False, None, limit, len(names), None, text),)
    against = f"n = {len(names):,} against {expected.baseline.n:,} of {expected.source}"
    return tuple(
        Check(kind, index <= limit, index, limit, len(names), None, f"{kind} {index:.3f}, limit {limit:g}, {against}")
        for kind, index in zip(kinds, found, strict=True)
    )


def _labelled(
    labels: pa.Array | pa.ChunkedArray, confidence: pa.Array | pa.ChunkedArray
) -> tuple[pa.ChunkedArray, Floats, Bools]:
    """Return the (m,) labels and confidences of the rows that have both, and the (n,) mask of these rows."""
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
