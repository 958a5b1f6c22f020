"""Labels that an update proposes, about which whoever adjudicates decides here as by `laud labels`."""

import threading
from typing import Any

from laud_ray.errors import ConfigError, RunError
from laud_ray.printable import quoted
from laud_ray.store.updates.proposals import Proposed, find
from laud_ray.store.versions import labels
from laud_ray.store.versions.proposal import documents
from serve.annotate.faults import as_faults
from serve.annotate.wire import DecisionIn
from serve.schemas import FaultError

# The run's lock is for one at a time; two people at this server wait for each other, not for another process.
_TURN = threading.Lock()


def shown(found: list[Proposed]) -> list[dict[str, Any]]:
    """The proposals as the page gets them."""
    return [
        {
            "number": one.number,
            "generation": one.generation,
            "name": one.cluster.name,
            "fits": one.cluster.fits,
            "size": {"value": one.cluster.size, "low": one.cluster.low, "high": one.cluster.high},
            "texts": list(one.cluster.texts),
        }
        for one in found
    ]


def decide(path: str, asked: DecisionIn) -> str:
    """Record a decision about a proposal of the run at a path; return in words what it means.

    Raises:
        FaultError: 422 if a name or label is not valid; 409 if somebody decided before, another process works on the
            run, or the run cannot go on with the change now.
    """
    with as_faults(), _TURN:
        try:
            with labels.changing(path) as run:
                before = find(run.store.engine, asked.proposal)
                if before.state != "open":
                    raise FaultError(409, "decided", f"proposal {before.number}: {_decided(before)}")
                if asked.decision == "accept":
                    found = labels.accept(run, asked.proposal, asked.name)
                    again = len(found.unclear(evaluation=True)) + len(found.unclear(evaluation=False))
                    more = f"; {documents(again)} that no label fitted may be asked about again" if again else ""
                    return f"{quoted(found.how.added[-1])} is a label now{more}."
                if asked.decision == "merge":
                    return f"Its documents belong to {quoted(labels.merge(run, asked.proposal, asked.label or ''))}."
                labels.refuse(run, asked.proposal)
                return f"Proposal {asked.proposal} is refused."
        except ConfigError as error:
            raise FaultError(422, "invalid", str(error)) from None
        except RunError as error:
            raise FaultError(409, "not_now", str(error)) from None


def _decided(one: Proposed) -> str:
    into = "" if one.label is None else f" ({quoted(one.label)})"
    return f"somebody has decided about it already: it is {one.state}{into}"
