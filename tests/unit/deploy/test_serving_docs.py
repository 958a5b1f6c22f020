"""docs/serving.md says what the service does: its commands, errors, metrics and examples are checked against it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from laud_ray import Client, cli
from laud_ray.config import ServingConfig
from laud_ray.stats.betting import Tolerance
from serve import proxy
from serve.arguments import Arguments, Limits
from serve.drift import ALPHA, BATCH, ENOUGH, LEAST, THRESHOLD, WINDOW
from serve.telemetry import DIRECTORY, Telemetry
from tests.served import live, serve_run

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "serving.md").read_text()


def blocks(kind: str) -> list[str]:
    """The fenced blocks of a kind; "" are commands."""
    return [body for found, body in re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S) if found == kind]


def rows(*, first: str) -> list[list[str]]:
    """The cells of the table whose first header this is."""
    body = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.M)
    assert body is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body[1].splitlines()]


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_command_exists_with_its_options() -> None:
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("laud ")]
    assert len(lines) >= 5
    for line in lines:
        name, *given = line.partition("#")[0].split()[1:]
        cli.laud.commands[name].make_context(name, given)  # raises for what it does not know


def test_all_errors_are_explained() -> None:
    explained = {code for row in rows(first="status") for code in re.findall(r"`(\w+)`", row[1])}
    sources = "".join(path.read_text() for path in (ROOT / "serve").glob("*.py"))
    raised = set(re.findall(r"FaultError\(\s*\d{3},\s*\"(\w+)\"", sources)) | {"not_found", "method_not_allowed"}
    raised |= {code for code, _ in proxy.SAID.values()}
    assert explained == raised


def test_the_limits_are_the_defaults() -> None:
    said = " ".join(row[2] for row in rows(first="status"))
    limits = Limits()
    for value in (limits.max_texts, limits.max_chars, limits.queue_texts):
        assert f"{value:,}" in said
    assert f"`deadline_s` ({limits.deadline_s:g} s)" in said
    assert f"{limits.max_body_bytes // 2**20} MiB" in said
    assert f"`poll_s` ({Arguments(run='r').poll_s:g} s)" in TEXT


def test_all_metrics_are_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    families = text_string_to_metric_families(Telemetry().page().decode())
    has = {one.name + "_total" * (one.type == "counter"): one.type for one in families if "_created" not in one.name}
    assert {row[0].strip("`"): row[1] for row in rows(first="metric")} == has


def test_drift_is_as_it_says() -> None:
    assert f"Above **{THRESHOLD}**" in TEXT
    assert f"{WINDOW:,} texts" in TEXT
    assert f"before {LEAST} texts" in " ".join(TEXT.split())
    assert f"at least {LEAST // 4} documents" in " ".join(TEXT.split())


def test_the_alarm_is_as_it_says() -> None:
    said, tolerated = " ".join(TEXT.split()), Tolerance()
    assert f"{BATCH:,} at a time" in said
    assert f"up to {ENOUGH:,} documents" in said
    assert f"may differ by {tolerated.confidence:g}" in said
    assert f"may differ by {100 * tolerated.labels:g} points" in said
    assert f"at most {ALPHA:.0%} in a year".replace("%", " %") in said


def test_the_section_of_the_run_is_valid() -> None:
    (section,) = [found["serving"] for found in map(yaml.safe_load, blocks("yaml")) if "serving" in found]
    assert ServingConfig.model_validate(section).token_env == "LAUD_TOKEN"


def test_the_example_of_the_client_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DIRECTORY, raising=False)
    monkeypatch.delenv("LAUD_TOKEN", raising=False)
    (source,) = blocks("python")
    with live(run=str(serve_run(tmp_path / "run"))) as client:
        url = str(client.base_url)
        scope: dict[str, Any] = {}
        exec(source.replace("http://127.0.0.1:8000", url), scope)
        assert Client(url).ready()
    assert "round-0001" in capsys.readouterr().out
