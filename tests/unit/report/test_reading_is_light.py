"""Reading a run loads no library that it does not need: `laud status` answers at once, also without a GPU."""

import subprocess
import sys

import pytest

STATUS = "laud_ray.report.run.read, laud_ray.report.run.terminal, laud_ray.report.run.json_form"
ENDED = "laud_ray.steps.stop, laud_ray.cli.console, laud_ray.cli.metrics, laud_ray.cli.paths"
HEAVY = {"ray", "torch", "transformers", "pandas", "onnxruntime", "plotext", "scipy.special", "scipy.stats"}


@pytest.mark.parametrize("what", [STATUS, f"{STATUS}, {ENDED}"], ids=["status", "run of an ended run"])
def test_imports_no_ray_no_torch_and_no_functions_of_scipy(what: str) -> None:
    code = f"import sys, {what}; print(sorted({HEAVY} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
