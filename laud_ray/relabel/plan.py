"""The plan of a relabel: its inputs, model and options. It is written first, and must be the same to resume."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from laud_ray.errors import RunError
from laud_ray.relabel.inputs import catalog, cutting, neighbours
from laud_ray.relabel.inputs.catalog import Catalog, Columns
from laud_ray.relabel.rule import Rule
from laud_ray.storage.checksums import dump_json, parse_json, text
from laud_ray.storage.folder import Entry, Folder
from laud_ray.storage.model_folder import DESCRIPTION
from laud_ray.storage.text_reading import AS_FOUND, Reading

WORK = "_laud"
PLAN = f"{WORK}/plan.json"
LONGEST_NAME = 255  # maximum bytes of a folder's name on all common file systems
_LATER = ("accuracy", "level", "changed", "rule")
VERSIONS = ("laud_ray", "ray", "torch", "transformers", "onnxruntime", "pyarrow")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a relabel.

    Attributes:
        columns: the columns that are read.
        range_rows: approximate number of rows in a range.
        threshold: rows with a lower confidence are marked as abstained.
        partition: the column whose values name the output's folders; None writes one file per range.
        previous: an earlier output, whose labels are written next to the new ones; None for none.
        deduplicate: whether texts that occur in several ranges are scored only once.
        cascade: let a small distilled model answer where it is verified to agree with the full model at least this
            often, e.g. 0.99; None uses the full model only.
        reading: settings that the user stated for delimited text.
        accuracy: of a taxonomy: answer each row as deep as this share of right answers can be promised.
        level: of a taxonomy: the deepest level that is answered, from 1.
        changed: carry over the scores of `previous` where id and text are the same and it was labelled by the same
            model, and score only the other rows.
        rule: of an audience: whether each row is in it is written beside its label.
    """

    columns: Columns
    range_rows: int
    threshold: float = 0.0
    partition: str | None = None
    previous: str | None = None
    deduplicate: bool = True
    cascade: float | None = None
    reading: Reading = AS_FOUND
    accuracy: float | None = None
    level: int | None = None
    changed: bool | None = None
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one relabel.

    Attributes:
        run: the run, or the folder of a model.
        data: the catalog as the user gave it.
        model: the model's name.
        checksum: of the model.
        options: the options.
        catalog: the inputs and their ranges.
        hashed: whether a hash of the text is written for each row. It is needed if ids consist of file and row, because
            an id may denote different texts in different outputs, and by `Options.changed`. Relabels of earlier
            versions are resumed without.
        promise: the promise that the rows' answers keep, with its thresholds, as JSON; None for none. It is made once,
            so that all rows are answered by the same thresholds.
    """

    run: str
    data: str
    model: str
    checksum: str
    options: Options
    catalog: Catalog
    hashed: bool = False
    promise: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """A hash of everything that determines the output; it names the folder of intermediate files."""
        data = json.dumps(_identity(self.model, self.checksum, self.options, self.catalog.inputs), sort_keys=True)
        return hashlib.blake2b(data.encode(), digest_size=8).hexdigest()


def open_plan(
    out: Folder,
    run: str,
    data: str,
    model: str,
    checksum: str,
    options: Options,
    inputs: tuple[Entry, ...],
    promised: Callable[[], Mapping[str, Any] | None] = lambda: None,
) -> Plan:
    """Return the plan in `out` if it is for the same relabel; if there is none, write a new plan.

    Args:
        out: the folder of the output.
        run: the run, or the folder of a model.
        data: the catalog as the user gave it.
        model: the model's name.
        checksum: of the model.
        options: the options.
        inputs: the catalog's files.
        promised: makes the promise of a new plan.

    Raises:
        RunError: if `out` holds a different relabel, or other files.
        CorpusError: if an input is not valid.
    """
    require_ours(out)
    if not out.exists(PLAN):
        from laud_ray.relabel.inputs import tables  # imports DuckDB, which only a new plan needs

        found = cutting.cut(inputs, options.columns, options.range_rows, out / "_laud", options.reading)
        tables.require_ids(found)
        if options.partition in options.columns.keep and out.local is not None:
            tables.require_folders(found, str(options.partition), LONGEST_NAME)
        hashed, promise = options.columns.id is None or bool(options.changed), promised()
        made = Plan(run, data, model, checksum, options, found, hashed, promise)
        out.write(PLAN, dump_json(_to_json(made)))
        return made
    written = read_plan(out)
    wanted = json.loads(json.dumps(_identity(model, checksum, options, inputs)))
    changed = list(_differences(written["identity"], wanted))
    if changed:
        raise RunError(
            f"{out.uri}: holds a different relabel ({'; '.join(changed[:5])}); "
            f"expected the same inputs, model and options, or another --out{_way_on(written, changed)}"
        )
    hashed = bool(written.get("text_hashes", False))
    return Plan(run, data, model, checksum, options, catalog.from_json(written), hashed, written.get("promise"))


def read_plan(out: Folder) -> dict[str, Any]:
    """Read the plan of an output.

    Raises:
        DamageError: if it is damaged.
    """

    def read(found: dict[str, Any]) -> dict[str, Any]:
        text(found["run"]), text(found["identity"]["model"]["name"]), dict(found["identity"]["inputs"])
        catalog.from_json(found)
        return found

    return parse_json(out.read(PLAN), f"{out.uri}/{PLAN}", read)


def work_folder(plan: Plan, out: Folder) -> Folder:
    """Return the folder of a plan's intermediate files."""
    return out / WORK / plan.key


def begun_with(out: Folder, run: str) -> str | None:
    """Return the model of an unfinished relabel in `out` with this run; None if there is none.

    So a resumed relabel uses the same model, even if another one has become current. It is None if `run` is the folder
    of a model, which is always the same model.
    """
    if not out.exists(PLAN) or out.exists("_SUCCESS") or Folder(run).exists(DESCRIPTION):
        return None
    written = read_plan(out)
    return str(written["identity"]["model"]["name"]) if written["run"] == run else None


def previous_of(out: Folder, given: str | None) -> str | None:
    """Return the earlier output of a relabel of what has changed; None if there is none.

    It is the one that `out` was started with; or the one that the user gave; or the finished output beside `out` with
    the last name before that of `out`.
    """
    if given is not None:
        return given
    if out.exists(PLAN):
        found = read_plan(out)["identity"]["options"].get("previous")
        return None if found is None else str(found)
    return neighbours.before(out)


def _way_on(written: Mapping[str, Any], changed: list[str]) -> str:
    """Return an option that resumes the old relabel, if the only difference is the run's current model; else ""."""
    if not all(line.startswith("model: ") for line in changed):
        return ""
    return f", or --model {written['identity']['model']['name']}"


def checksum_in(folder: Path) -> str:
    """Return a checksum of a model: of its description, which holds the checksums of all its files."""
    return hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()[:16]


def _identity(model: str, checksum: str, options: Options, inputs: tuple[Entry, ...]) -> dict[str, Any]:
    return {
        "model": {"name": model, "checksum": checksum},
        "options": _stated(options),
        "inputs": {entry.path: [entry.size, entry.modified] for entry in inputs},
    }


def _stated(options: Options) -> dict[str, Any]:
    """Return the options, without those of later versions if they state nothing, as in plans of earlier versions."""
    said = asdict(options)
    if not options.reading.stated:
        del said["reading"]
    return {key: value for key, value in said.items() if key not in _LATER or value is not None}


def _to_json(plan: Plan) -> dict[str, Any]:
    return {
        "run": plan.run,
        "data": plan.data,
        "identity": _identity(plan.model, plan.checksum, plan.options, plan.catalog.inputs),
        "ids": "the column of --id" if plan.catalog.columns.id else "file and row",
        "text_hashes": plan.hashed,
        **({} if plan.promise is None else {"promise": dict(plan.promise)}),
        "versions": {name: version(name) for name in VERSIONS},
        **catalog.to_json(plan.catalog),
    }


def require_ours(out: Folder) -> None:
    """Check, before anything is written, that a folder is empty, does not exist, or holds a relabel.

    Raises:
        RunError: if it holds anything else, or is a file.
    """
    if out.local is not None and out.local.exists() and not out.local.is_dir():
        raise RunError(f"--out {out.uri}: is a file; expected an empty folder, or one that does not exist")
    if out.exists(PLAN):
        return
    there = [entry.path for entry in out.entries(recursive=True) if not entry.path.startswith("_laud/")]
    if there:
        raise RunError(
            f"{out.uri}: holds {there[0]!r} but no relabel; expected an empty folder, or one that does not exist"
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield each difference in words, such as "threshold 0.5, now 0.6"."""
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{at}{key}: " if at == "inputs: " else f"{key}: ")
        elif before != after:
            yield f"{at}{key} {_shown(before)}, now {_shown(after)}"


def _shown(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], int):  # an input
        size, modified = value
        return f"{size:,} bytes, modified at {modified}"
    return "missing" if value is None else str(value)
