"""Record which names were begun and have not ended. The actor needs no Ray Data, so it starts quickly."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import ray

from laud_ray.cluster.retry_limits import BrokenEngines

Key = tuple[str, str]  # the key of a pass, and the name of one of its ranges


@dataclass(slots=True)
class _Attempts:
    """The state of a name.

    Attributes:
        nodes: ids of the nodes on which attempts began and did not end.
        cause: the error of the last engine that ended its worker; None if there was none.
        value: the pickled result, kept until the name's block has been returned to the driver; None before.
    """

    nodes: list[str] = field(default_factory=list)
    cause: str | None = None
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """The state of a name at the moment when a worker asks to begin it.

    Attributes:
        deaths: workers that died during this name while their node stayed alive.
        accidents: workers that died together with their node.
        cause: the error of the last engine that ended its worker; None if there was none.
        value: the pickled result of an earlier attempt; None if there is none.
        stopped: whether the pass has been stopped, so that no name may begin.
        hopeless: the error with which engine after engine ended, so that no further one is tried; None otherwise.
    """

    deaths: int
    accidents: int
    cause: str | None
    value: bytes | None
    stopped: bool
    hopeless: str | None


class Account:
    """For all passes of one driver: on which nodes each name was begun and has not ended."""

    def __init__(self) -> None:
        self._names: dict[Key, _Attempts] = {}
        self._stopped: set[str] = set()
        self._broken: defaultdict[str, BrokenEngines] = defaultdict(BrokenEngines)
        self._hopeless: dict[str, str] = {}

    def begin(self, key: Key, node: str, again: bool, ended: tuple[Key, bytes | None] | None) -> Record:
        """Return the record of a name; record an attempt if it is the first one or if `again` is set.

        Which nodes are alive is looked up at each call, so the count is right even if Ray notices a dead node late.

        Args:
            ended: the name that the caller finished before this one, with its result. Sending both in one call
                saves a message for each name.
        """
        if ended is not None:
            self.end(*ended)
        attempts = self._names.setdefault(key, _Attempts())
        before, stopped = list(attempts.nodes), key[0] in self._stopped
        if attempts.value is None and (again or not before) and not stopped:
            attempts.nodes.append(node)
        alive = {one["NodeID"] for one in ray.nodes() if one["Alive"]} if before else ()
        deaths = sum(one in alive for one in before)
        return Record(deaths, len(before) - deaths, attempts.cause, attempts.value, stopped, self._hopeless.get(key[0]))

    def end(self, key: Key, value: bytes | None) -> None:
        """Record that an attempt ended; keep its result until the name's block has been returned to the driver."""
        self._names.pop(key, None)
        self._broken[key[0]].done()
        if value is not None:
            self._names[key] = _Attempts(value=value)

    def leave(self, key: Key, cause: str, workers: int) -> None:
        """Record the error with which an engine ended. The caller then ends its process.

        Args:
            workers: the number of workers. Each may have an engine that fails for a local reason, so that many
                failures in a row are needed before the pass is given up.
        """
        self._names.setdefault(key, _Attempts()).cause = cause
        if self._broken[key[0]].add(key[1], cause, workers=workers):
            self._hopeless[key[0]] = cause

    def stop(self, one_pass: str) -> None:
        """Refuse all names of a pass that have not begun."""
        self._stopped.add(one_pass)

    def forget(self, one_pass: str) -> None:
        """Drop the records of a pass and refuse all its names from now on."""
        self._stopped.add(one_pass)
        self._names = {key: value for key, value in self._names.items() if key[0] != one_pass}
        self._broken.pop(one_pass, None)
        self._hopeless.pop(one_pass, None)


def start_account(node: str) -> Any:
    """Start an account on a node; Ray ends it with the driver."""
    # Started anew it has forgotten all attempts: names that kill their workers get a few more, and no other is lost.
    again = {"max_restarts": -1, "max_task_retries": -1}
    return ray.remote(num_cpus=0, label_selector={"ray.io/node-id": node}, **again)(Account).remote()
