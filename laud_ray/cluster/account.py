"""Which work was begun and has not ended: a small actor that needs no Ray Data, so that it starts quickly."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import ray

from laud_ray.cluster.deaths import Deaths

Key = tuple[str, str]  # a pass and a name of it


@dataclass(slots=True)
class _Attempts:
    """What is known of a name: the nodes of the attempts that did not end, and why the last worker left.

    Attributes:
        value: the result, kept until the block that the name is in has come back; None before.
    """

    nodes: list[str] = field(default_factory=list)
    cause: str | None = None
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """The account of a name when an attempt asks to begin.

    Attributes:
        deaths: workers that died of it while their node lived.
        accidents: workers that died with their node.
        cause: why the last worker left, where it could say.
        value: the pickled result of an earlier attempt, if there is one.
        stopped: whether the pass was stopped, so that nothing more must begin.
        hopeless: why no engine can be expected to work, where that was found; None before.
    """

    deaths: int
    accidents: int
    cause: str | None
    value: bytes | None
    stopped: bool
    hopeless: str | None


class Account:
    """On which nodes each name was begun and has not ended, of all passes of a driver."""

    def __init__(self) -> None:
        self._names: dict[Key, _Attempts] = {}
        self._stopped: set[str] = set()
        self._deaths: defaultdict[str, Deaths] = defaultdict(Deaths)
        self._hopeless: dict[str, str] = {}

    def begin(self, key: Key, node: str, again: bool, ended: tuple[Key, bytes | None] | None) -> Record:
        """Return the record of a name; note the attempt if it is the first, or told to by `again`.

        Node deaths are counted when this is asked, so a late notice of one corrects the count.

        Args:
            ended: the name that the caller did before, with its result: one message less for each name.
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
        """Note that an attempt ended; keep its result until the block that the name is in has come back."""
        self._names.pop(key, None)
        self._deaths[key[0]].done()
        if value is not None:
            self._names[key] = _Attempts(value=value)

    def leave(self, key: Key, cause: str, workers: int) -> None:
        """Note the error with which a name's engine ended: its worker's process ends now.

        Args:
            workers: how many there are: each may have an engine that is broken by its own surroundings.
        """
        self._names.setdefault(key, _Attempts()).cause = cause
        if self._deaths[key[0]].add_cause(key[1], cause, workers=workers):
            self._hopeless[key[0]] = cause

    def stop(self, one_pass: str) -> None:
        """Let no further name of a pass begin."""
        self._stopped.add(one_pass)

    def forget(self, one_pass: str) -> None:
        """Drop all that is known of the names of a pass; none of them begins after that."""
        self._stopped.add(one_pass)
        self._names = {key: value for key, value in self._names.items() if key[0] != one_pass}
        self._deaths.pop(one_pass, None)
        self._hopeless.pop(one_pass, None)


def start_account(node: str) -> Any:
    """Start an account on a node; it ends with the driver."""
    return ray.remote(num_cpus=0, label_selector={"ray.io/node-id": node})(Account).remote()
