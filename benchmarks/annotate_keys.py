"""How long the label search of the annotators' page takes from a key press until it is drawn, in Chromium.

    python benchmarks/annotate_keys.py [--labels 1000] [--words 40]
    python benchmarks/annotate_keys.py --tree ../shared/data/onet_unspsc [--labels 30000] [--words 10]

Words of label names are typed letter by letter. The time runs from the key press, as the browser received it, until the
frame with the new list has been drawn. With --tree the labels are the leaves of a set whose labels are paths, and
copies of them with a number until there are enough. The page asks the server about such labels, so the time runs until
the list last changes before the next key. Also: how long the server takes to start, and the page to show a question.
axe-core and the tests of the page are in tests/e2e/test_annotate.py.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from taxonomy import grown, read_tree

from laud_ray.taxonomy import SEPARATOR
from tests.annotating import make_run, names
from tests.browser import DESKTOP, chromium

MEASURE = """() => {
  window.times = [];
  document.getElementById("field").addEventListener("keydown", ({timeStamp}) =>
    requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - timeStamp))), {capture: true});
}"""

# The list of a tree changes when the server has answered; keys come slowly enough for that.
PAUSE_MS = 400
MEASURE_TREE = """() => {
  window.times = [];
  let pressed = null, drawn = null;
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => { drawn = performance.now(); })))
    .observe(document.getElementById("options"), {childList: true, subtree: true, characterData: true});
  document.getElementById("field").addEventListener("keydown", ({key, timeStamp}) => {
    if (pressed !== null && drawn !== null) times.push(drawn - pressed);
    [pressed, drawn] = [key.length === 1 ? timeStamp : null, null];
  }, {capture: true});
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--tree", type=Path, help="a set whose labels are paths")
    args = parser.parse_args()
    labels, rng = names(args.labels) if args.tree is None else leaves(args.tree, args.labels), random.Random(0)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        tree = () if args.tree is None else labels
        run = make_run(Path(folder) / "run", labels=labels, tree=tree, n=4, rules="hidden: 0.0")
        began = time.monotonic()
        command = [sys.executable, "-m", "laud_ray", "annotate", str(run), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type]
            url = server.stdout.readline().strip()
            serves = time.monotonic() - began
            page.goto(url)
            page.wait_for_selector("#work:not([hidden])")
            question = time.monotonic() - began - serves
            page.evaluate(MEASURE if args.tree is None else MEASURE_TREE)
            for _ in range(args.words):
                word = rng.choice(labels).rpartition(SEPARATOR)[2]
                page.keyboard.type(
                    word[: None if args.tree is None else 12], delay=20 if args.tree is None else PAUSE_MS
                )
                page.keyboard.press("Control+A")
                page.keyboard.press("Backspace")
            page.wait_for_timeout(200)
            times = page.evaluate("times")
            server.terminate()
    p50, p95, p99 = (round(float(np.quantile(times, q)), 1) for q in (0.5, 0.95, 0.99))
    drawn = {"p50": p50, "p95": p95, "p99": p99}
    start = {"server_s": round(serves, 2), "question_s": round(question, 2)}
    print(json.dumps({"labels": args.labels, "keys": len(times), "drawn_ms": drawn, **start}))


def leaves(data: Path, n: int) -> tuple[str, ...]:
    """Return the paths of n leaves of a tree like that of a set."""
    tree = grown(read_tree(data).taxonomy, n)
    return tuple(tree.label(leaf) for leaf in tree.leaves.tolist())


if __name__ == "__main__":
    main()
