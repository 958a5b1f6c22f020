"""The Grafana dashboard shows what the service counts: all of it, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serve.drift import THRESHOLD
from serve.telemetry import DIRECTORY, Telemetry

DASHBOARD = Path(__file__).parents[3] / "serve" / "grafana.json"
SUFFIXES = ("_bucket", "_sum", "_count", "_total")


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())


@pytest.fixture(scope="module")
def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The names of the series that Prometheus gets of each metric of a fresh telemetry."""
    monkeypatch.delenv(DIRECTORY, raising=False)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(Telemetry().page().decode()):
        ends = {
            "counter": ["_total"],
            "gauge": [""],
            "summary": ["_sum", "_count"],
            "histogram": ["_bucket", "_sum", "_count"],
        }
        if not family.name.endswith("_created"):
            found[family.name] = {family.name + end for end in ends[family.type]}
    return found


def test_every_series_in_it_is_one_that_the_service_has(expressions: list[str], series: dict[str, set[str]]) -> None:
    shown = {name for one in expressions for name in re.findall(r"\blaud_\w+", one)}
    assert shown <= set().union(*series.values())


def test_every_metric_of_the_service_is_shown(expressions: list[str], series: dict[str, set[str]]) -> None:
    text = " ".join(expressions)
    hidden = [name for name, ones in series.items() if not any(re.search(rf"\b{one}\b", text) for one in ones)]
    assert hidden == []


def test_every_label_in_it_is_one_that_the_metric_has(
    expressions: list[str], dashboard: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    known: dict[str, set[str]] = {}
    for one in vars(Telemetry()).values():
        if hasattr(one, "_labelnames"):
            known[one._name] = {*one._labelnames, "le", "job"}
    for one in expressions:
        (name,) = {re.sub(rf"({'|'.join(SUFFIXES)})$", "", found) for found in re.findall(r"\blaud_\w+", one)[:1]}
        used = [label for group in re.findall(r" by \(([^)]*)\)", one) for label in group.split(", ")]
        used += re.findall(r"(\w+)=~?\"", one)
        assert set(used) <= known[name], one


def test_quantiles_are_of_buckets_and_brackets_close(expressions: list[str]) -> None:
    for one in expressions:
        assert one.count("(") == one.count(")")
        assert ("histogram_quantile" in one) == ("_bucket" in one)
        assert "_bucket" not in one or "by (le)" in one


def test_drift_is_marked_where_it_is_to_be_acted_on(dashboard: dict[str, Any]) -> None:
    panels = [panel for panel in dashboard["panels"] if "laud_drift" in panel["targets"][0]["expr"]]
    assert panels
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == THRESHOLD


def test_it_can_be_imported_anywhere(dashboard: dict[str, Any]) -> None:
    variables = {one["name"]: one["type"] for one in dashboard["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
