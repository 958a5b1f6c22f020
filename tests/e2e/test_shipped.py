"""Every configuration that is shipped is read, planned, and run as far as a machine without a GPU can."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from laud_ray import cli, config
from laud_ray.store.run import look_at

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.name: path for path in (ROOT / "examples").rglob("*.yaml") if "\ntask:" in path.read_text()}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What the run of a documentation's fragment has beside it.
REST = {
    "task": {"name": "food", "labels": ["Tea", "Coffee"]},
    "corpus": {"path": "data.parquet", "text": "text"},
    "storage": "runs/food",
    "oracle": {"kind": "replay", "label": "label"},
}


TREE = {"name": "food", "kind": "taxonomy", "labels": ["Food > Tea", "Food > Coffee"]}


def fragments() -> list[Any]:
    """The YAML of the documentation that is of a run's configuration."""
    found = []
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)):
            if set(yaml.safe_load(block)) <= set(config.RunConfig.model_fields):
                rest = REST | {"task": TREE} if page.name == "taxonomy.md" else REST
                found.append(pytest.param(rest | yaml.safe_load(block), id=f"{page.name} {number}"))
    return found


@pytest.mark.parametrize("settings", fragments())
def test_fragments_of_the_documentation_are_read(settings: dict[str, Any]) -> None:
    assert config.parse(yaml.safe_dump(settings))


MADE_FOR_LLM = ("data/smollm2", "data/diagnoses.parquet", "data/diagnoses-test.parquet")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the examples, a small catalog and what `make llm` made, where no process of Ray's is."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "data").mkdir()
    for name in MADE_FOR_LLM:
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    script = [sys.executable, str(ROOT / "examples/demo/catalog.py"), "data/demo.parquet", "--documents", "700"]
    subprocess.run(script, check=True, cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_is_planned(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(EXAMPLES) >= {"demo.yaml", "llm-cpu.yaml", "vllm.yaml", "vllm-cpu.yaml"}
    for name, path in EXAMPLES.items():
        if name == "llm-cpu.yaml" and not all((ROOT / made).exists() for made in MADE_FOR_LLM):
            continue  # `make llm` makes its model and its names
        cli.main(["plan", str(path.relative_to(ROOT)), "--gpu", "H100"])
        assert "Nothing was run." in capsys.readouterr().out


def test_the_demo_runs_with_training_workers(
    ray_session: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its own keys and smaller numbers; its storage is relative."""
    settings = yaml.safe_load(EXAMPLES["demo.yaml"].read_text())
    settings |= {"init": {"per_class": 1, "max_queries": 20}, "budget": {"annotations": 20}}  # one round
    settings |= {"evaluation": {"size": 40}, "resources": {"workers": 2}}
    assert not Path(settings["storage"]).is_absolute()
    Path("task.yaml").write_text(yaml.safe_dump(settings))
    cli.main(["run", "task.yaml"])
    with look_at(settings["storage"]) as run:
        assert run.store.stop_reason() is not None
        assert len(run.store.history()) >= 2
    assert {path.name for path in elsewhere.iterdir()} == {"data", "examples", "runs", "task.yaml"}
