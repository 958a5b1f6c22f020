"""Reading a run loads no library that it does not need: `laud status` answers at once, also without a GPU."""

import subprocess
import sys


def test_status_imports_no_ray_no_torch_and_no_functions_of_scipy() -> None:
    heavy = {"ray", "torch", "transformers", "pandas", "onnxruntime", "plotext", "scipy.special", "scipy.stats"}
    code = (
        "import sys, laud_ray.report.run.read, laud_ray.report.run.terminal, laud_ray.report.run.json_form\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
