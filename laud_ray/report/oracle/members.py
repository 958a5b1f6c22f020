"""Which oracles a run has: each member of a cascade, and each cascade as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass

from laud_ray.config import CascadeConfig, LlmConfig, OracleConfig, ReplayConfig, RunConfig

CASCADE = "cascade"


@dataclass(frozen=True, slots=True)
class Member:
    """An oracle of a run. An oracle with the same settings in several places of the configuration is one.

    Attributes:
        key: its first place in the configuration, such as `oracle.oracles[0]`.
        name: as in the database: `llm:MODEL`, `replay` or `people`; `cascade` for a whole one.
        places: all its places.
        config: its settings.
        first: whether it is asked about every document, not only where another oracle abstained.
    """

    key: str
    name: str
    places: tuple[str, ...]
    config: OracleConfig
    first: bool

    @property
    def whole(self) -> bool:
        """Whether it is a cascade as a whole."""
        return isinstance(self.config, CascadeConfig)


def name_of(config: OracleConfig) -> str:
    """Return the name under which an oracle's answers are recorded; a cascade's members have their own."""
    if isinstance(config, LlmConfig):
        return f"llm:{config.model}"
    return CASCADE if isinstance(config, CascadeConfig) else "replay" if isinstance(config, ReplayConfig) else "people"


def oracles_of(config: RunConfig) -> dict[str, OracleConfig]:
    """Return the oracles of a run by their keys, those of audits included, whether or not there was an audit."""
    return {**config.asked_oracles(), **dict(config.second_oracles())}


def members(config: RunConfig) -> tuple[Member, ...]:
    """Return the oracles of a run in the order of the configuration, a cascade before its members."""
    found: list[Member] = []
    for where, oracle in oracles_of(config).items():
        for place, one, first in _flat(oracle, where):
            same = next((i for i, known in enumerate(found) if known.config == one), None)
            if same is None:
                found.append(Member(place, name_of(one), (place,), one, first))
            elif place not in found[same].places:
                known = found[same]
                places = (*known.places, place)
                found[same] = Member(known.key, known.name, places, known.config, known.first or first)
    return tuple(found)


def at(listed: tuple[Member, ...], where: str, name: str) -> Member | None:
    """Return the oracle of this name that is asked at a place: the oracle itself there, or a member of its cascade."""
    fits = [one for one in listed if one.name == name and any(within(place, where) for place in one.places)]
    return fits[0] if fits else None


def within(place: str, where: str) -> bool:
    """Whether a place is that of an oracle, or of a member of its cascade."""
    return place == where or place.startswith(f"{where}.oracles[")


def _flat(config: OracleConfig, where: str) -> Iterator[tuple[str, OracleConfig, bool]]:
    yield where, config, True
    if isinstance(config, CascadeConfig):
        for i, one in enumerate(config.oracles):
            yield f"{where}.oracles[{i}]", one, i == 0


def priced(config: OracleConfig) -> bool:
    """Whether the settings say what an answer costs."""
    if isinstance(config, LlmConfig):
        return config.input_price > 0 or config.output_price > 0
    if isinstance(config, CascadeConfig):
        return all(priced(one) for one in config.oracles)
    return not isinstance(config, ReplayConfig) and config.hourly > 0
