"""The Prometheus metrics of the service. The replicas of a node share files, so each of them can report all."""

import hashlib
import os
from pathlib import Path

import psutil
import ray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client import multiprocess as shared

from laud_ray.storage.local import scratch

# prometheus_client reads this variable on import, so it is in the environment of replicas from the start.
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TOKENS = (16, 64, 128, 256, 512, 1024, 4096, 16_384)


def directory_of(run: str) -> str:
    """Return the folder for the metrics of a run's service in this Ray cluster. Each node creates its own.

    The path does not change when the service is deployed again, so that Ray need not restart replicas because of it.
    """
    cluster = ray.get_runtime_context().gcs_address if ray.is_initialized() else ""
    name = hashlib.sha256(f"{cluster} {run}".encode()).hexdigest()[:12]
    return str(scratch.private_folder("serve") / name)


def _hold(directory: Path) -> None:
    """Create the folder on this node, and remove folders without living replicas."""
    for folder in (directory.parent.parent, directory.parent):
        scratch.make_private(folder)
    scratch.hold(directory)
    scratch.tidy(directory.parent, days=0.0)


class Telemetry:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._directory = os.environ.get(DIRECTORY)
        if self._directory is not None:
            _hold(Path(self._directory))
        self._registry = CollectorRegistry()
        mine = None if self._directory is not None else self._registry
        self.requests = Counter("laud_requests", "Requests answered.", ["path", "status"], registry=mine)
        self.seconds = Histogram(
            "laud_request_seconds", "From request to answer.", ["path"], buckets=_SECONDS, registry=mine
        )
        self.rejected = Counter("laud_rejected", "Requests refused.", ["code"], registry=mine)
        self.texts = Counter("laud_texts", "Texts classified.", ["model"], registry=mine)
        self.labels = Counter("laud_labels", "Texts by the label they got.", ["label"], registry=mine)
        self.confidence = Summary("laud_confidence", "Confidence of the answers.", registry=mine)
        self.abstained = Counter("laud_abstained", "Answers under the threshold.", registry=mine)
        self.batch_texts = Histogram("laud_batch_texts", "Texts of a batch.", buckets=_SIZES, registry=mine)
        self.batch_tokens = Histogram("laud_batch_tokens", "Tokens of a batch.", buckets=_TOKENS, registry=mine)
        self.batch_seconds = Histogram(
            "laud_batch_seconds", "Seconds of scoring a batch.", buckets=_SECONDS, registry=mine
        )
        self.queue = Gauge("laud_queue_texts", "Texts that wait.", registry=mine, multiprocess_mode="livesum")
        self.model = Gauge(
            "laud_model_info",
            "Replicas that serve a model.",
            ["model", "version"],
            registry=mine,
            multiprocess_mode="livesum",
        )
        self.swaps = Counter("laud_swaps", "New models: taken, or failed.", ["result"], registry=mine)
        self.failures = Counter("laud_failures", "Requests that failed with an internal error.", registry=mine)
        self.feedback = Counter("laud_feedback", "Feedback on predictions.", ["kind"], registry=mine)
        self.drift = Gauge(
            "laud_drift",
            "Population stability index of recent predictions against the evaluation sample; above 0.2: act.",
            ["of"],
            registry=mine,
            multiprocess_mode="livemax",
        )
        self.drift_alarm = Gauge(
            "laud_drift_alarm",
            "1 after a test has shown that predictions differ from those for the corpus, else 0.",
            ["test"],
            registry=mine,
            multiprocess_mode="livemax",
        )

    def page(self) -> bytes:
        """All metrics of all replicas on this node, in Prometheus' text format."""
        if self._directory is None:
            return bytes(generate_latest(self._registry))
        for file in Path(self._directory).glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not psutil.pid_exists(pid):  # a killed process leaves its files behind
                shared.mark_process_dead(pid, self._directory)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        shared.MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(registry))
