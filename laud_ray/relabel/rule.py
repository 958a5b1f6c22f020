"""A rule for an audience: the rows that a model labels with one label, with at least some confidence."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from laud_ray.errors import RunError
from laud_ray.printable import first_line, quoted
from laud_ray.storage.checksums import dump_json, parse_json, text
from laud_ray.storage.folder import Folder
from laud_ray.types import Estimate

if TYPE_CHECKING:
    from laud_ray.relabel.source import Source

COLUMN = "in_audience"
KIND = "laud audience rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        model, checksum: of the model whose confidences it is about.
        label: the label; in a taxonomy any node, whose leaves all belong to it.
        threshold: the least confidence, that of the label.
    """

    model: str
    checksum: str
    label: str
    threshold: float


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule, and what was measured of it.

    Attributes:
        rule: the rule.
        target: the precision that was asked for.
        low: the one-sided 95 % lower bound of the precision.
        precision: with its 95 % interval.
        facts: further figures, for people.
    """

    rule: Rule
    target: float
    low: float
    precision: Estimate
    facts: dict[str, Any]


def write_rule(path: str, file: RuleFile) -> None:
    """Write a rule as JSON, whole or not at all."""
    folder, name = Folder.of_file(path)
    found = {"kind": KIND, "rule": asdict(file.rule), "target": file.target, "low": file.low}
    folder.write(name, dump_json({**found, "precision": asdict(file.precision), **file.facts}))


def read_rule(path: str) -> RuleFile:
    """Read a rule.

    Raises:
        RunError: if the file does not exist, or is not a rule.
    """
    folder, name = Folder.of_file(path)
    try:
        data = folder.read(name)
    except FileNotFoundError:
        raise RunError(f"{path}: does not exist; expected a rule that `laud audience size --out` wrote") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {first_line(error)}; expected a rule") from None
    return parse_json(data, path, _parsed)


def require_fit(rule: Rule, source: "Source") -> None:
    """Check that a rule is about a model.

    Raises:
        RunError: if it is about another model, or the model lacks the label.
    """
    if rule.checksum != source.checksum:
        raise RunError(
            f"--rule: is about the model {quoted(rule.model)}, whose confidences differ from those of {source.name}; "
            f"expected --model {rule.model}, or a new rule from `laud audience size`"
        )
    known = source.taxonomy.find(rule.label) is not None if source.taxonomy is not None else rule.label in source.labels
    if not known:
        raise RunError(f"--rule: the label {quoted(rule.label)} is not valid; expected one of {source.name}")


def _parsed(found: dict[str, Any]) -> RuleFile:
    if found["kind"] != KIND:
        raise ValueError(f"kind is {quoted(found['kind'])}")
    rule, p = found["rule"], found["precision"]
    threshold = float(rule["threshold"])
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}")
    precision = Estimate(float(p["value"]), float(p["low"]), float(p["high"]), int(p["n"]))
    if not 0 <= precision.low <= precision.value <= precision.high <= 1 or precision.value == 0:
        raise ValueError(f"precision is {precision.value}")
    known = ("kind", "rule", "target", "low", "precision")
    return RuleFile(
        Rule(text(rule["model"]), text(rule["checksum"]), text(rule["label"]), threshold),
        float(found["target"]),
        float(found["low"]),
        precision,
        {key: value for key, value in found.items() if key not in known},
    )
