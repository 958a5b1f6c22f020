"""What a relabel is of: its inputs, model and options. Written first; the same command continues only the same."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from laud_ray.errors import RunError
from laud_ray.relabel.inputs import catalog, cutting
from laud_ray.relabel.inputs.catalog import Catalog, Columns
from laud_ray.storage.checksums import dump_json, parse_json, text
from laud_ray.storage.folder import Entry, Folder
from laud_ray.storage.model_folder import DESCRIPTION
from laud_ray.storage.text_reading import AS_FOUND, Reading

WORK = "_laud"
PLAN = f"{WORK}/plan.json"
LONGEST_NAME = 255  # bytes of a folder's name, on all common file systems
VERSIONS = ("laud_ray", "ray", "torch", "transformers", "onnxruntime", "pyarrow")


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked for.

    Attributes:
        range_rows: rows of a range, about.
        partition: the column whose values name the output's folders.
        previous: an earlier output, to put its labels beside the new ones.
        deduplicate: score texts that stand in several ranges once.
        cascade: the agreement with the model at which a distilled student may answer in its place; None: no student.
        reading: what is stated of how delimited text is written.
    """

    columns: Columns
    range_rows: int
    threshold: float = 0.0
    partition: str | None = None
    previous: str | None = None
    deduplicate: bool = True
    cascade: float | None = None
    reading: Reading = AS_FOUND


@dataclass(frozen=True, slots=True)
class Plan:
    """One relabel. `key` names what is made on the way, and changes with everything that changes results.

    Attributes:
        hashed: whether rows get a hash of their text: where ids are file and row, those of outputs before and after
            may be of different texts. Relabels that an earlier version began go on without.
    """

    run: str
    data: str
    model: str
    checksum: str
    options: Options
    catalog: Catalog
    hashed: bool = False

    @property
    def key(self) -> str:
        """A digest of all that determines the output."""
        data = json.dumps(_identity(self.model, self.checksum, self.options, self.catalog.inputs), sort_keys=True)
        return hashlib.blake2b(data.encode(), digest_size=8).hexdigest()


def open_plan(
    out: Folder, run: str, data: str, model: str, checksum: str, options: Options, inputs: tuple[Entry, ...]
) -> Plan:
    """Read the plan that is in `out`, if it is of the same; else cut the inputs into ranges, and write one.

    Raises:
        RunError: if `out` holds a relabel of something else, or files that are none of ours.
    """
    require_ours(out)
    if not out.exists(PLAN):
        from laud_ray.relabel.inputs import tables  # with DuckDB, which only a new plan needs

        found = cutting.cut(inputs, options.columns, options.range_rows, out / "_laud", options.reading)
        tables.require_ids(found)
        if options.partition in options.columns.keep and out.local is not None:
            tables.require_folders(found, str(options.partition), LONGEST_NAME)
        made = Plan(run, data, model, checksum, options, found, hashed=options.columns.id is None)
        out.write(PLAN, dump_json(_to_json(made)))
        return made
    written = read_plan(out)
    wanted = json.loads(json.dumps(_identity(model, checksum, options, inputs)))
    changed = list(_differences(written["identity"], wanted))
    if changed:
        raise RunError(
            f"{out.uri}: holds a relabel of something else ({'; '.join(changed[:5])}); "
            f"expected the same inputs, model and options, or another --out{_way_on(written, changed)}"
        )
    hashed = bool(written.get("text_hashes", False))
    return Plan(run, data, model, checksum, options, catalog.from_json(written), hashed)


def read_plan(out: Folder) -> dict[str, Any]:
    """Read the plan of an output.

    Raises:
        DamageError: if it is not what was written.
    """

    def read(found: dict[str, Any]) -> dict[str, Any]:
        text(found["run"]), text(found["identity"]["model"]["name"]), dict(found["identity"]["inputs"])
        catalog.from_json(found)
        return found

    return parse_json(out.read(PLAN), f"{out.uri}/{PLAN}", read)


def work_folder(plan: Plan, out: Folder) -> Folder:
    """Where what is made on the way lies."""
    return out / WORK / plan.key


def begun_with(out: Folder, run: str) -> str | None:
    """The name of the model that a relabel with this run, not finished yet, began with; None if there is none.

    The folder of a model alone is always the same model.
    """
    if not out.exists(PLAN) or out.exists("_SUCCESS") or Folder(run).exists(DESCRIPTION):
        return None
    written = read_plan(out)
    return str(written["identity"]["model"]["name"]) if written["run"] == run else None


def _way_on(written: Mapping[str, Any], changed: list[str]) -> str:
    """What to add to the command where only the run's current model is another one now."""
    if not all(line.startswith("model: ") for line in changed):
        return ""
    return f", or --model {written['identity']['model']['name']}"


def checksum_in(folder: Path) -> str:
    """The checksum of a model's description, which holds those of all its files."""
    return hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()[:16]


def _identity(model: str, checksum: str, options: Options, inputs: tuple[Entry, ...]) -> dict[str, Any]:
    return {
        "model": {"name": model, "checksum": checksum},
        "options": _stated(options),
        "inputs": {entry.path: [entry.size, entry.modified] for entry in inputs},
    }


def _stated(options: Options) -> dict[str, Any]:
    """The options, without a reading that states nothing: plans of earlier versions have none."""
    said = asdict(options)
    if not options.reading.stated:
        del said["reading"]
    return said


def _to_json(plan: Plan) -> dict[str, Any]:
    return {
        "run": plan.run,
        "data": plan.data,
        "identity": _identity(plan.model, plan.checksum, plan.options, plan.catalog.inputs),
        "ids": "the column of --id" if plan.catalog.columns.id else "file and row",
        "text_hashes": plan.hashed,
        "versions": {name: version(name) for name in VERSIONS},
        **catalog.to_json(plan.catalog),
    }


def require_ours(out: Folder) -> None:
    """Refuse a folder that holds anything but a relabel, before anything in it is touched.

    Raises:
        RunError: if it does, or is a file.
    """
    if out.local is not None and out.local.exists() and not out.local.is_dir():
        raise RunError(f"--out {out.uri}: is a file; expected an empty folder, or none")
    if out.exists(PLAN):
        return
    there = [entry.path for entry in out.entries(recursive=True) if not entry.path.startswith("_laud/")]
    if there:
        raise RunError(f"{out.uri}: holds {there[0]!r} and no relabel; expected an empty folder, or none")


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Say what differs, key by key."""
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{at}{key}: " if at == "inputs: " else f"{key}: ")
        elif before != after:
            yield f"{at}{key} {_shown(before)}, now {_shown(after)}"


def _shown(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], int):  # an input
        size, modified = value
        return f"{size:,} bytes of time {modified}"
    return "missing" if value is None else str(value)
