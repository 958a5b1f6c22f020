"""The page on a run's oracles as JSON, for `laud oracle --json`; docs/oracles.md describes the keys."""

from collections.abc import Mapping
from dataclasses import asdict

from laud_ray.quality.oracles.split import Split
from laud_ray.quality.oracles.thresholds import Calibration
from laud_ray.report.json_values import agreement_json, estimate_json, finite
from laud_ray.report.oracle.model_tests import alternative_json, probe_json, unfinished_json
from laud_ray.report.oracle.page import OraclePage, OracleShown, Price
from laud_ray.report.oracle.sections import not_tested


def oracle_json(page: OraclePage, more: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the object that `laud oracle --json` prints: JSON types only, None for what is unknown or has no bound.

    Args:
        more: further keys, such as those of a test that was made.
    """
    return {
        "run": page.run,
        "storage": page.storage,
        "classes": page.classes,
        "sample": page.sample,
        "trusted": page.trusted,
        "oracles": [_oracle(one) for one in page.oracles],
        "agreement": agreement_json(page.agreement),
        "agreement_on_selected": agreement_json(page.doubtful),
        "split": _split(page.split, page),
        "people": None if page.people is None else {"dollars_per_label": page.people, "from": page.people_from},
        "alternative_test": {name: alternative_json(one) for name, one in page.alternatives.items()},
        "probe": {name: probe_json(one) for name, one in page.probes.items()},
        "probe_unfinished": {name: unfinished_json(*one) for name, one in page.unfinished.items()},
        "not_tested": list(not_tested(page)),
        **(more or {}),
    }


def _oracle(one: OracleShown) -> dict[str, object]:
    found = one.accuracy
    return {
        "key": one.key,
        "name": one.name,
        "kind": one.kind,
        "places": list(one.places),
        "trusted": one.trusted,
        "answers": one.counts.answers,
        "labels": one.counts.labels,
        "abstained": dict(one.counts.abstained),
        "random": one.counts.random,
        "again": one.counts.again,
        "dollars": finite(one.dollars),
        "dollars_unknown": one.unpriced,
        "seconds": finite(one.seconds),
        "total_seconds": finite(one.total_seconds),
        "calls": None if one.calls is None else asdict(one.calls),
        "shares_calls_with": one.shares,
        "accuracy": None
        if found is None
        else {
            **estimate_json(found.estimate),
            "trusted": found.trusted,
            "powered": found.powered,
            "asked": one.sampled,
        },
        "not_measured": one.not_measured,
        "price": {"dollars": _price(one.dollar_price), "seconds": _price(one.second_price)},
        "confused": [{"label": pair.label, "right": pair.other, "documents": pair.count} for pair in one.confused],
        "confidence": _confidence(one.calibration),
    }


def _price(price: Price | None) -> dict[str, object] | None:
    if price is None:
        return None
    return {
        "per_label": price.per_label,
        "per_right_label": None if price.per_right is None else estimate_json(price.per_right),
        "effective": None if price.effective is None else estimate_json(price.effective),
    }


def _confidence(found: Calibration | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "n": found.n,
        "calibration_error": found.error,
        "auc": finite(found.auc),
        "curve": [asdict(one) for one in found.curve],
        "wanted": found.wanted,
        "threshold": None if found.alone is None else asdict(found.alone),
        "threshold_of_cascade": None if found.followed is None else asdict(found.followed),
    }


def _split(found: Split | None, page: OraclePage) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "rho": estimate_json(found.rho),
        "trusted_per_cheap": finite(found.ratio),
        "cost_share": finite(found.cost),
        "worth_it": found.worth,
        "of_100": None if found.of_100 is None else dict(zip(("trusted", "cheap"), found.of_100, strict=True)),
        "break_even": finite(found.break_even),
        "prices": dict(page.split_prices),
    }
