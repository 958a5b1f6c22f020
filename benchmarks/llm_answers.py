"""Answers of a language model for the rows of a set's pool, from the product's own oracle and ledger.

    python benchmarks/llm_answers.py --data ../shared/data/usda_sr28 --model data/smollm2 --seconds 450

asks a model in a folder once about a random part of the pool, for studies that replay its answers. Each prompt shows
the --shown nearest of --known annotated documents, which are drawn at random from the rest of the pool and have their
true labels. Prompts are plain text, without the model's chat template, unless --chat is given. The ledger keeps every
answer, so the same command resumes, and --seconds ends it early. Answers and confidences are written to
data/answers-SET-KNOWN-SHOWN.parquet, or to a file of its own with --chat.
"""

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from labelled_sets import LabelledSet, read_set
from local_model import local_oracle
from simulation import ABSTAINED

from laud_ray import oracles
from laud_ray.config import LlmConfig
from laud_ray.errors import LaudError
from laud_ray.oracles import LlmOracle
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Annotation, Document, Example, Floats, Indices

AT_ONCE = 128
META = b"laud_study"


class LlmAnswers:
    """Asks an OpenAI-compatible endpoint, or loads a model folder in this process, whose prompts are plain text.

    Answers are stored in a database, and none is bought twice. A document always gets the same answer, because the
    temperature is 0 and the ledger keeps answers.
    """

    def __init__(self, model: str, data: LabelledSet, database: Path, url: str | None = None) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(Store(f"sqlite:///{database}"))
        self._oracle: LlmOracle
        if url is None:
            self._oracle = local_oracle(local_config(model), data.task, ledger)
        else:
            config = LlmConfig(kind="llm", engine="openai", model=model, base_url=url)
            self._oracle = oracles.build_llm(config, data.task, 0, ledger)
        self._texts, self._classes = data.texts, {name: c for c, name in enumerate(data.task.names)}
        self._said: dict[int, int] = {}

    def __call__(self, rows: Indices) -> Indices:
        """Map (n,) rows to (n,) classes, ABSTAINED where the model is unsure or its answer cannot be parsed.

        Raises:
            LaudError: if the endpoint leaves a document pending.
        """
        self._ask([row for row in dict.fromkeys(rows.tolist()) if row not in self._said])
        return np.asarray([self._said[row] for row in rows.tolist()], np.int64)

    def _ask(self, rows: Sequence[int]) -> None:
        if not rows:
            return
        found = self._oracle.annotate([Document(str(row), self._texts[row]) for row in rows])
        if len(found) < len(rows):
            raise LaudError(f"{len(found)} of {len(rows)} questions were answered: {self._oracle.waiting}")
        for one in found:
            self._said[int(one.document_id)] = ABSTAINED if one.label is None else self._classes[one.label]


@dataclass(frozen=True, slots=True, eq=False)
class KeptAnswers:
    """The answers of a model about n rows of a set's pool, and the rows of the examples that its prompts show.

    Attributes:
        rows: (n,) rows of the pool.
        said: (n,) classes; ABSTAINED where the model is unsure, or its answer cannot be parsed.
        confidence: (n,) the probability that the model gave to its answer; 0 where it is not known.
        tokens: mean prompt tokens of a question, of which `shared` are the same in all prompts.
        known: the rows of the annotated documents from which the examples are taken.
    """

    rows: Indices
    said: Indices
    confidence: Floats
    tokens: float
    shared: int
    known: Indices


def local_config(model: str, shown: int = 0, *, chat: bool = False) -> LlmConfig:
    """A model folder as an oracle; a price of 1 for input counts the prompt tokens in millions."""
    return LlmConfig(
        kind="llm",
        engine="vllm",
        model=model,
        examples=shown,
        chat_template=chat,
        dtype="bfloat16",
        input_price=1.0,
    )


def drawn(data: LabelledSet, known: int, rows: int) -> tuple[Indices, Indices]:
    """Draw the rows of the annotated documents, and those that the model is asked about, at random."""
    order = np.random.default_rng(0).permutation(len(data.texts))
    return order[:known], order[known : known + rows]


def kept(path: Path) -> KeptAnswers:
    """Read the answers of a file that this script wrote."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[META])
    row, said, confidence = (table.column(name).to_numpy() for name in ("row", "said", "confidence"))
    return KeptAnswers(row, said, confidence, about["tokens"], about["shared"], np.asarray(about["known"], np.int64))


def ask(data: LabelledSet, args: argparse.Namespace, stem: Path) -> KeptAnswers:
    """Ask the model about the drawn rows until the time is over; return the answers that there are."""
    names = data.task.names
    known, rows = drawn(data, args.known, args.rows)
    examples = [Example(data.texts[i], names[data.gold[i]]) for i in known]
    ledger = Ledger(Store(f"sqlite:///{stem.with_suffix('.db')}"))
    oracle = local_oracle(local_config(args.model, args.shown, chat=args.chat), data.task, ledger, examples=examples)
    began, found = time.monotonic(), list[Annotation]()
    for start in range(0, len(rows), AT_ONCE):
        found += oracle.annotate([Document(str(i), data.texts[i]) for i in rows[start : start + AT_ONCE]])
        right = np.mean([one.label == names[data.gold[int(one.document_id)]] for one in found])
        print(f"{len(found)} answers, {right:.1%} right, {time.monotonic() - began:.0f} s", flush=True)
        if time.monotonic() - began > args.seconds:
            break
    index = {name: c for c, name in enumerate(names)}
    return KeptAnswers(
        np.asarray([int(one.document_id) for one in found], np.int64),
        np.asarray([ABSTAINED if one.label is None else index[one.label] for one in found], np.int64),
        np.asarray([one.confidence or 0.0 for one in found]),
        1e6 * float(np.mean([one.cost for one in found])),
        oracle.shared_tokens,
        known,
    )


def keep(found: KeptAnswers, path: Path) -> None:
    about = {"tokens": found.tokens, "shared": found.shared, "known": found.known.tolist()}
    table = pa.table({"row": found.rows, "said": found.said, "confidence": found.confidence})
    pq.write_table(table.replace_schema_metadata({META: json.dumps(about).encode()}), path)


def main() -> None:
    args = arguments()
    logging.disable(logging.WARNING)
    data = read_set(args.data)
    stem = args.out / f"answers-{data.name}-{args.known}-{args.shown}{'-chat' * args.chat}"
    args.out.mkdir(parents=True, exist_ok=True)
    keep(ask(data, args, stem), stem.with_suffix(".parquet"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True, help="a model folder")
    parser.add_argument("--known", type=int, default=100, help="annotated documents from which examples are taken")
    parser.add_argument("--chat", action="store_true", help="put prompts into the model's chat template")
    parser.add_argument("--shown", type=int, default=4, help="examples in each prompt")
    parser.add_argument("--rows", type=int, default=1200, help="documents to ask about")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--out", type=Path, default=Path("data"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
