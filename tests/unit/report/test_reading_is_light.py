"""Reading a run loads no model library: `laud status` on a machine without a GPU answers at once."""

import subprocess
import sys


def test_status_imports_no_ray_and_no_torch() -> None:
    code = (
        "import sys, laud_ray.report.run.read, laud_ray.report.run.terminal, laud_ray.report.run.json_form\n"
        "print(sorted({'ray', 'torch', 'transformers', 'pandas', 'onnxruntime'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
