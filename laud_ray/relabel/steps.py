"""The steps of an unfinished relabel."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from laud_ray.compare import canary
from laud_ray.errors import SetAsideError
from laud_ray.events import Event, Observer
from laud_ray.models.student.threshold import Verification
from laud_ray.passes.missing import Missing, find_missing, map_missing
from laud_ray.relabel.depth import depth_of
from laud_ray.relabel.inputs import carried, previous
from laud_ray.relabel.limits import Canary, CanaryError
from laud_ray.relabel.plan import Plan, work_folder
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.records import RANGES, Record, record_name
from laud_ray.relabel.ranges.rows import Job
from laud_ray.relabel.ranges.work import label_range, score_repeats
from laud_ray.relabel.sample import STUDENT, SampleJob, label_sample, make_student, read_sample, require_room
from laud_ray.relabel.source import Source
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import version_of

J = TypeVar("J")

FEW = 64  # with fewer repeated texts, scoring them separately costs more than it saves


class Work:
    """The steps of a relabel. Each one resumes where an earlier attempt was interrupted."""

    def __init__(self, source: Source, plan: Plan, out: Folder, observe: Observer) -> None:
        self._source, self._plan, self._out, self._observe = source, plan, out, observe
        self._place, self._depth = work_folder(plan, out), depth_of(plan)
        self._job = Job(
            catalog=plan.catalog,
            model=source.folder,
            name=plan.model,
            out=out,
            max_chars=source.max_chars,
            threshold=plan.options.threshold,
            partition=plan.options.partition,
            repeats=None,
            previous=None,
            load=source.load,
            hashed=plan.hashed,
            depth=self._depth,
            rule=plan.options.rule,
        )

    @contextmanager
    def step(self, name: str, total: int = 0) -> Iterator[Callable[[int, int], None]]:
        """Report the begin and end of a step to the observer; yield a function that reports (done, total)."""
        began = time.monotonic()
        self._observe(Event("begin", name, 0, total=total))
        aside = None
        try:
            yield lambda done, total: self._observe(Event("progress", name, 0, done, total))
        except SetAsideError as error:  # all other ranges are done, so the step has ended
            aside = error
        self._observe(Event("end", name, 0, total=total, seconds=time.monotonic() - began))
        if aside is not None:
            raise aside

    def _note(self, text: str) -> None:
        self._observe(Event("note", "relabel", 0, note=text))

    def prepare(self, check: Canary | None) -> Verification | None:
        """Do the steps before the first range: previous labels, sample, canary, student, repeated texts.

        Returns:
            How the student was verified; None without a student.

        Raises:
            CanaryError: if the sample exceeds a limit.
        """
        options, rows = self._plan.options, self._plan.catalog.rows
        if options.cascade is not None:
            from laud_ray.models.student import cascade
        if options.previous is not None:
            with self.step("previous", rows):
                place = self._place / previous.FOLDER
                texts = self._source.max_chars if options.columns.id is None and self._plan.hashed else None
                previous.align(self._plan.catalog, options.previous, place, texts)
            for line in previous.remarks(place, options.previous, by_row=options.columns.id is None):
                self._note(line)
            self._job = replace(self._job, previous=place)
        if options.changed:
            self._carry()
        student = None
        if check is not None or options.cascade is not None:
            wanted = 0.0
            if options.cascade is not None:
                require_room(cascade.sample_size(rows), len(self._source.labels))
                wanted = cascade.sample_size(rows) / rows
            share = min(1.0, max(wanted, check.share if check is not None else 0.0))
            sample = self._sample(share, with_probabilities=options.cascade is not None)
            if check is not None:
                self._check(check, sample)
            if options.cascade is not None:
                with self.step("student", sample.num_rows):
                    student = make_student(sample, self._source.labels, options.cascade, self._place)
                self._note(str(student))
                folder = self._place / STUDENT
                self._job = replace(self._job, load=cascade.Loader(folder, version_of(folder)))
        if options.deduplicate:
            self._score_repeats()
        return student

    def label(self) -> int:
        """Label the ranges that are not committed; return the number of their rows."""
        sizes = {part.name: part.rows for part in self._plan.catalog.ranges}
        missing = find_missing(sizes, self._out / RANGES, record_name)
        return self._map("relabel", missing, label_range, self._job)

    def _sample(self, share: float, *, with_probabilities: bool) -> pa.Table:
        to = self._place / f"sample-{share:.6f}"
        sizes = {part.name: round(share * part.rows) for part in self._plan.catalog.ranges}
        sample = SampleJob(self._job, share, to, with_probabilities)
        self._map("canary", find_missing(sizes, to, "{}.parquet".format), label_sample, sample)
        return read_sample(to)

    def _check(self, check: Canary, sample: pa.Table) -> None:
        """Raise CanaryError if the sample exceeds a limit; nothing but the sample has been written then."""
        verdict = canary.decide(
            sample,
            max_change=check.max_change,
            max_drift=check.max_drift,
            expected=self._source.expected(self._depth) if check.max_drift is not None else None,
        )
        if verdict.stop:
            raise CanaryError(verdict)
        self._note(f"a sample of {verdict.documents:,} rows: {verdict.reason}")

    def _carry(self) -> None:
        """Carry over the scores of the previous output, or say why all rows are scored."""
        earlier, rows = self._plan.options.previous, self._plan.catalog.rows
        if earlier is None:
            self._note("--changed: there is no earlier output, so that all rows are scored")
            return
        source, place = self._source, self._place / carried.FOLDER
        why = carried.obstacle(earlier, source.checksum)
        if why is not None:
            self._note(f"--changed: nothing is carried over from {earlier}, because {why}; all rows are scored")
            return
        with self.step("carry", rows):
            kept = carried.carry(self._plan.catalog, earlier, place, source.max_chars, source.labels)
        self._note(f"--changed: {kept:,} rows are carried over from {earlier}; {rows - kept:,} are new or changed")
        self._job = replace(self._job, carried=place)

    def _score_repeats(self) -> None:
        place = self._place / repeats.REPEATS
        with self.step("duplicates", self._plan.catalog.rows):
            size = max(part.rows for part in self._plan.catalog.ranges)
            sizes = repeats.find(self._plan.catalog, place, size, self._job.carried)
        if sum(sizes.values()) < FEW:
            return
        self._job = replace(self._job, repeats=place)
        missing = find_missing(sizes, place / repeats.ANSWERS, repeats.answer_name)
        try:
            self._map("repeats", missing, score_repeats, self._job, what="files of repeated texts")
        except SetAsideError as error:
            # No row is lost: each range scores texts without an answer itself.
            self._note(str(error))

    def _map(
        self, step: str, missing: Missing, work: Callable[[str, J], object], job: J, *, what: str = "ranges"
    ) -> int:
        """Let the workers do the missing ranges; return the number of rows done.

        Raises:
            SetAsideError: if ranges were set aside; all others are done then.
        """
        rows = before = missing.done
        with self.step(step) as progress:
            progress(before, missing.total)
            if missing.names:
                from laud_ray.cluster.connect import connect  # here and not before: what is all done needs no Ray

                connect()
            for rows, result in map_missing(missing, work, job, self._source.workers, what=what):
                errors = result.value.errors if isinstance(result.value, Record) else 0
                self._observe(Event("progress", step, 0, rows, missing.total, errors=errors))
        return rows - before
