"""Write the names of diagnoses with their chapters of ICD-10-CM, real names for examples: `make llm` calls it.

    python examples/diagnoses/catalog.py PACKAGES data/diagnoses.parquet --test data/diagnoses-test.parquet

PACKAGES is the folder into which the packages of requirements/llm.txt were unpacked. `simple-icd-10-cm` carries the
classification of the U.S. National Center for Health Statistics (April 2026), which is in the public domain: 98,000
codes in 22 chapters. The names of codes of at most five characters are used, without those of chapter 22, which has
five. A name in several chapters is left out. Columns: id (the code), text (its name), label (the title of its chapter).
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LONGEST = 5  # characters of a code
LEAST = 50  # names in a chapter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path, help="folder with the unpacked packages")
    parser.add_argument("out", type=Path, help="the Parquet file to write")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--test", type=Path, help="a second file with other names")
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not (args.packages / "simple_icd_10_cm").is_dir():
        raise SystemExit(f"{args.packages}: no simple_icd_10_cm; expected the packages of requirements/llm.txt")
    sys.path.insert(0, str(args.packages))
    rows = _names()
    order = np.random.default_rng(args.seed).permutation(len(rows))
    cut = [args.rows, args.rows + args.test_rows]
    for path, places in zip((args.out, args.test), np.split(order, cut), strict=False):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist([rows[i] for i in places]), path)
            print(f"{len(places):,} names in {path}")


def _names() -> list[dict[str, str]]:
    """Return a row for each distinct name, in the order of the codes."""
    import simple_icd_10_cm as icd

    found: dict[str, dict[str, str]] = {}
    ambiguous: set[str] = set()
    chapter = ""
    for code in icd.get_all_codes(with_dots=True):
        if icd.is_chapter(code):
            chapter = re.sub(r"\s*\([A-Z].*\)$", "", icd.get_description(code))
        elif not icd.is_block(code) and len(code.replace(".", "")) <= LONGEST:
            text = " ".join(icd.get_description(code).split())
            row = found.setdefault(text.casefold(), {"id": code, "text": text, "label": chapter})
            if row["label"] != chapter:
                ambiguous.add(text.casefold())
    rows = [row for key, row in found.items() if key not in ambiguous]
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["label"]] = sizes.get(row["label"], 0) + 1
    return [row for row in rows if sizes[row["label"]] >= LEAST]


if __name__ == "__main__":
    main()
