"""Which oracles a run has: each member of a cascade, and each cascade as a whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from laud_ray.config import CascadeConfig, LlmConfig, OracleConfig, ReplayConfig, RunConfig

CASCADE = "cascade"
# The place of the oracle whose answers count as right, if it answers a part of the evaluation sample again.
TRUSTED = "evaluation.oracle"


@dataclass(frozen=True, slots=True)
class Member:
    """An oracle of a run. An oracle with the same settings in several places of the configuration is one.

    Attributes:
        key: its first place in the configuration, such as `oracle.oracles[0]`.
        name: as in the database: `llm:MODEL`, `replay` or `people`; `cascade` for a whole one.
        places: all its places.
        config: its settings.
        first: whether it answers about random documents whatever another oracle answered. If not, it is asked about
            documents of the evaluation sample only where another one abstained.
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
        return config.name
    return CASCADE if isinstance(config, CascadeConfig) else "replay" if isinstance(config, ReplayConfig) else "people"


def members(config: RunConfig) -> tuple[Member, ...]:
    """Return the oracles of a run in the order of the configuration, a cascade before its members."""
    places: dict[str, list[str]] = {}
    configs: dict[str, OracleConfig] = {}
    for where, oracle in config.possible_oracles().items():
        for place, one in _flat(oracle, where):
            configs.setdefault(_identity(one), one)
            known = places.setdefault(_identity(one), [])
            known += [place] if place not in known else []
    sampled = config.evaluation_oracle()[0]
    return tuple(
        Member(some[0], name_of(configs[key]), tuple(some), configs[key], _is_first(some, sampled))
        for key, some in places.items()
    )


def _identity(config: OracleConfig) -> str:
    """Return all that makes an oracle: its settings, without those that may change during a run."""
    changing: frozenset[str] = getattr(config, "OPERATIONAL", frozenset())
    if isinstance(config, CascadeConfig):
        return f"cascade {[_identity(one) for one in config.oracles]}"
    return config.model_dump_json(exclude=set(changing))


def _is_first(places: Sequence[str], sampled: str) -> bool:
    """Whether an oracle is asked about all documents of the evaluation sample that anything is asked of it about.

    Args:
        sampled: the place of the oracle that answers for the whole sample.
    """
    later = [place for place in places if within(place, sampled) and place not in (sampled, f"{sampled}.oracles[0]")]
    return not later or any(place in (sampled, f"{sampled}.oracles[0]", TRUSTED) for place in places)


def at(listed: tuple[Member, ...], where: str, name: str) -> Member | None:
    """Return the oracle of this name that is asked at a place: the oracle itself there, or a member of its cascade."""
    fits = [one for one in listed if one.name == name and any(within(place, where) for place in one.places)]
    return fits[0] if fits else None


def within(place: str, where: str) -> bool:
    """Whether a place is that of an oracle, or of a member of its cascade."""
    return place == where or place.startswith(f"{where}.oracles[")


def _flat(config: OracleConfig, where: str) -> Iterator[tuple[str, OracleConfig]]:
    yield where, config
    if isinstance(config, CascadeConfig):
        yield from ((f"{where}.oracles[{i}]", one) for i, one in enumerate(config.oracles))


def priced(config: OracleConfig) -> bool:
    """Whether the settings say what an answer costs."""
    if isinstance(config, LlmConfig):
        return config.priced
    if isinstance(config, CascadeConfig):
        return all(priced(one) for one in config.oracles)
    return not isinstance(config, ReplayConfig) and config.hourly > 0
