"""docs/cluster.md says what is: its commands, costs, metrics and links are checked."""

import re
from pathlib import Path

from laud_ray import cli
from laud_ray.cluster.metrics import COUNTERS, GAUGES
from laud_ray.planning.speed.devices import GPU_SHARE, GPUS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "cluster.md").read_text()
DOCUMENTS = (1e6, 1e7, 1e8)
# Documents a second and core, of docs/LOG.md; a rate on two.
MEASURED = 1439 / 2
PARAMETERS = {"bundled encoder": (22.7e6, 12), "decoder of 1.5 B": (1.5e9, 25), "decoder of 7 B": (7e9, 25)}


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose first header this is."""
    body = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.M)
    assert body is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body[1].splitlines()]


def written(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def rate(row: str) -> float:
    """Documents a second of a row: measured, or the formula's."""
    model, device = row.split(", ", 1)
    if "core" in device:
        assert f"{MEASURED:g} a second" in device
        return MEASURED
    parameters, tokens = PARAMETERS[model]
    return GPU_SHARE * GPUS[device].flops / (2 * parameters * tokens)


def test_the_costs_are_those_of_the_formula() -> None:
    for first, passes in (("a pass over", 1), ("the loop, 10 rounds", 11)):
        table = rows(first)
        assert len(table) == 5
        for name, *hours, unit in table:
            assert hours == [written(passes * n / rate(name) / 3600) for n in DOCUMENTS], name
            assert ("measured" in unit) == ("core" in name)
    assert f"{GPU_SHARE:.2f} * peak" in TEXT
    assert "1,439 rows/s" in (ROOT / "docs" / "LOG.md").read_text()


def test_every_command_exists_with_its_options() -> None:
    lines = [line.strip() for line in TEXT.splitlines() if line.strip().startswith("laud ")]
    assert len(lines) >= 4
    for line in lines:
        name, *given = line.partition("#")[0].split()[1:]
        context = cli.laud.commands[name].make_context(name, given)
        if name == "submit":
            assert (ROOT / context.params["script"]).is_file()


def test_the_metrics_are_those_of_a_job() -> None:
    said = {name for row in rows("metric") for name in re.findall(r"`(\w+)`", row[0])}
    assert said == {f"ray_{name}" for name in GAUGES} | {f"ray_{name}_total" for name in COUNTERS}


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_versions_are_those_of_the_files() -> None:
    import ray

    assert set(re.findall(r"rayproject/ray:([\d.]+)", TEXT)) == {ray.__version__}
    image = re.findall(r"laud:[\d.]+(?:-gpu)?", TEXT)
    assert set(image) <= set(re.findall(r"laud:[\d.]+(?:-gpu)?", (ROOT / "cluster.yaml").read_text()))
