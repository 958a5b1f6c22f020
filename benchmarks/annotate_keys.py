"""How long the label search of the annotators' page takes from a key press until it is drawn, in Chromium.

    python benchmarks/annotate_keys.py [--labels 1000] [--words 40]

Words of label names are typed letter by letter. The time runs from the key press, as the browser received it, until the
frame with the new list has been drawn. axe-core and the tests of the page are in tests/e2e/test_annotate.py.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.annotating import make_run, names
from tests.browser import DESKTOP, chromium

MEASURE = """() => {
  window.times = [];
  document.getElementById("field").addEventListener("keydown", ({timeStamp}) =>
    requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - timeStamp))), {capture: true});
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--words", type=int, default=40)
    args = parser.parse_args()
    labels, rng = names(args.labels), random.Random(0)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        run = make_run(Path(folder) / "run", labels=labels, n=4, rules="hidden: 0.0")
        command = [sys.executable, "-m", "laud_ray", "annotate", str(run), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
            page.goto(server.stdout.readline().strip())
            page.wait_for_selector("#work:not([hidden])")
            page.evaluate(MEASURE)
            for _ in range(args.words):
                page.keyboard.type(rng.choice(labels), delay=20)
                page.keyboard.press("Control+A")
                page.keyboard.press("Backspace")
            page.wait_for_timeout(200)
            times = page.evaluate("times")
            server.terminate()
    p50, p95, p99 = (round(float(np.quantile(times, q)), 1) for q in (0.5, 0.95, 0.99))
    print(json.dumps({"labels": args.labels, "keys": len(times), "drawn_ms": {"p50": p50, "p95": p95, "p99": p99}}))


if __name__ == "__main__":
    main()
