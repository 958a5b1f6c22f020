"""Run a relabel: plan -> sample -> [canary] -> [student] -> repeated texts -> every range -> check.

Steps in brackets are optional. The canary labels a sample first, and ends the relabel if too many of its labels differ
from the previous output. The student is a small model, distilled from the full one, that labels the easy texts. Texts
that occur in several rows are labelled once, before the ranges.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from laud_ray.data.seen import Seen
from laud_ray.errors import PassError, RunError
from laud_ray.events import Event, Observer
from laud_ray.relabel import rule
from laud_ray.relabel.depth import promised, require_one_label, settle
from laud_ray.relabel.finish import Totals, finish, finished
from laud_ray.relabel.inputs import cutting
from laud_ray.relabel.limits import Canary
from laud_ray.relabel.plan import WORK, Options, open_plan, require_ours
from laud_ray.relabel.ranges.records import COLUMNS, MULTILABEL_COLUMNS, TAXONOMY_COLUMNS
from laud_ray.relabel.source import Source
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import atomic, locks

if TYPE_CHECKING:
    from laud_ray.models.student.threshold import Verification

LOCK = f"{WORK}/lock"
BUSY = "another process is working on this output; expected one at a time"
# An unfinished file of a killed process: a dot, the name of an output file, and a random number.
_LEFT_BESIDE = re.compile(r"\.(part-\d{5,}\.parquet|_manifest\.json|_SUCCESS)-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a relabel.

    Attributes:
        totals: counts of the whole output.
        again: whether the output was already complete.
        seconds: duration of this attempt.
        rows: rows labelled in this attempt.
        student: how a distilled student was verified; None without a student.
        notes: remarks for people.
        promise: the promise that the answers of a taxonomy keep, as JSON; None for none.
    """

    totals: Totals
    again: bool
    seconds: float
    rows: int
    student: "Verification | None"
    notes: tuple[str, ...] = ()
    promise: Mapping[str, Any] | None = None


def relabel(source: Source, data: str, out: str, options: Options, check: Canary | None, observe: Observer) -> Outcome:
    """Label every row of `data`, or resume doing so. The output is complete when this returns.

    Args:
        source: the model.
        data: a file, folder, glob or URI.
        out: the folder of the output.
        options: the options.
        check: limits of the canary; None for no canary.
        observe: called with events on the progress.

    Raises:
        UserError: if an argument is not valid, or `out` is not the output of this relabel.
        PassError: if the canary exceeds a limit, ranges were set aside after repeated deaths of their workers, or an
            output file is damaged.
        OSError: if the disk is full or fails.
    """
    began = time.monotonic()
    if options.columns.text == options.columns.id:
        raise RunError(f"--id {options.columns.id}: is also the column of the texts; expected another column")
    options = settle(source, options)
    require_one_label(source, options)
    further = () if source.taxonomy is None else TAXONOMY_COLUMNS
    ours = (*COLUMNS, *(further if source.rules is None else MULTILABEL_COLUMNS))
    if options.rule is not None:
        ours = (*ours, rule.COLUMN)
    clash = next((name for name in options.columns.keep if name in ours), None)
    if clash is not None:
        raise RunError(
            f"--keep {clash}: is not valid, because relabel writes a column `{clash}` of its own; expected a column of "
            "another name: rename it in DATA"
        )
    if options.previous is not None:
        from laud_ray.relabel.inputs import previous

        previous.require(options.previous, sets=source.rules is not None)
    _require_apart(data, out)
    inputs = cutting.inventory(data, options.columns, options.reading, seen := Seen())
    folder = Folder(out).absolute()
    folder.require()
    require_ours(folder)
    with _held(folder):
        promise = promised(source, options)
        plan = open_plan(folder, source.run, data, source.name, source.checksum, options, inputs, promise)
        clear(folder)
        told = () if plan.promise is None else (str(plan.promise["text"]),)
        notes = (*seen.notes, *plan.catalog.notes, *told)
        for note in notes:
            observe(Event("note", "relabel", 0, note=note))
        whole = finished(plan, folder)
        if whole is not None:
            return Outcome(whole, True, time.monotonic() - began, 0, None, notes, plan.promise)
        from laud_ray.relabel.steps import Work  # imported late: a complete output needs none of its slow imports

        work = Work(source, plan, folder, observe)
        student = work.prepare(check)
        rows = work.label()
        if cutting.inventory(data, options.columns, options.reading) != inputs:
            raise PassError(f"{data}: was changed while it was being labelled; expected unchanged files")
        with work.step("verify", plan.catalog.rows) as progress:
            totals = finish(plan, folder, progress)
    return Outcome(totals, False, time.monotonic() - began, rows, student, notes, plan.promise)


def _require_apart(data: str, out: str) -> None:
    """Refuse an output folder within the data, which the next attempt would read as data."""
    place, other = (path.rstrip("/") if "://" in path else os.path.realpath(path) for path in (data, out))
    if other == place or (other.startswith(f"{place}/") and not re.search(r"/[._]", other[len(place) :])):
        raise RunError(f"--out {out}: is within the data {data}; expected a folder outside of it")


@contextmanager
def _held(out: Folder) -> Iterator[None]:
    """Lock a local output against a second process.

    In an object store there is no lock: two processes would do the same work twice, and write identical files.
    """
    if out.local is None:
        yield
        return
    (out.local / WORK).mkdir(parents=True, exist_ok=True)
    with locks.held(out.local, LOCK, BUSY):
        yield


def clear(out: Folder) -> None:
    """Delete the unfinished files of killed processes in an output of relabel, and nothing else in its folder."""
    if out.local is None:
        return
    atomic.clear([out.local / WORK])
    for file in (*out.local.glob(".*"), *out.local.glob("*=*/.*")):
        if _LEFT_BESIDE.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)
