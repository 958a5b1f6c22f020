"""YAML text -> plain data: mappings with text keys, lists, texts, numbers. Anything else is refused in one line.

A configuration may come from an untrusted source, and YAML is more than a tree: a node may contain itself, and ten
lines of aliases may expand to ten million nodes.
"""

import math
import re
from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from laud_ray.config.labels.yaml_nodes import label_texts
from laud_ray.config.mistakes import join, short
from laud_ray.errors import ConfigError
from laud_ray.printable import first_line

# Limits that no honest file reaches: labels of 100,000 classes have about 300,000 nodes.
DEEPEST, MOST_NODES = 50, 1_000_000
# The largest integer that databases and other JSON readers can represent.
LARGEST_INTEGER = 2**63 - 1


def read_yaml(text: str, path: str, *, labels_at: Sequence[str] = ("task", "labels")) -> object:
    """Read YAML text.

    Args:
        path: the name of the file in error messages.
        labels_at: the keys that lead to the labels, which are read as text.

    Raises:
        ConfigError: if it is not YAML, or holds anything but plain data.
    """
    try:
        data = _load(text, labels_at)
    except _RefusedError as error:
        raise ConfigError(f"{path}{error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply; expected at most {DEEPEST} levels") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or first_line(error)
        raise ConfigError(f"{path}{at}: is not valid YAML: {problem}") from None
    _Check(path).node(data, "", 0)
    return data


def _load(text: str, labels_at: Sequence[str]) -> object:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        label_texts(root, labels_at)
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


class _RefusedError(Exception):
    """A YAML construct that is refused. The message begins with " line N: "."""


class _Loader(yaml.SafeLoader):
    """Reads plain YAML, refuses duplicate keys, and leaves dates as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[object, int] = {}
        for key in (
            key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge")
        ):
            name, at = self.construct_object(key), key.start_mark.line + 1
            if name in lines:
                raise _RefusedError(
                    f" line {at}: the key {short(name)} is a duplicate of line {lines[name]}; expected each key once"
                )
            lines[name] = at
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_NODES // 10:  # nested merge keys grow exponentially
            line = node.start_mark.line + 1
            raise _RefusedError(f" line {line}: merge keys expand to {len(node.value):,} keys; expected fewer")

    def construct_number(self, node: yaml.ScalarNode) -> object:
        """Read a number. What Python cannot convert, such as an integer of 5,000 digits, stays text."""
        try:
            if node.tag.endswith(":int"):
                return self.construct_yaml_int(node)
            return self.construct_yaml_float(node)
        except (ValueError, OverflowError):
            return self.construct_scalar(node)

    def construct_date(self, node: yaml.ScalarNode) -> object:
        return self.construct_scalar(node)


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)


class _Check:
    """Walks over the data once and counts its nodes. An alias counts each time that it is used."""

    def __init__(self, path: str) -> None:
        self._path, self._nodes = path, 0

    def node(self, value: object, key: str, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._refuse("", f"aliases expand to more than {MOST_NODES:,} values; expected fewer")
        if depth > DEEPEST:
            self._refuse(
                re.split(r"[.[]", key)[0],
                f"is nested too deeply, or contains itself; expected at most {DEEPEST} levels",
            )
        if isinstance(value, dict):
            for name, child in value.items():
                self._name(name, key)
                self.node(child, join(key, name), depth + 1)
        elif isinstance(value, list):
            for i, child in enumerate(value):
                self.node(child, join(key, i), depth + 1)
        else:
            self._scalar(value, key)

    def _name(self, name: object, key: str) -> None:
        if name is not None and not isinstance(name, str | int | float):
            self._refuse(key, f"the key {short(name)} of type {type(name).__name__} is not valid; expected text")
        self._scalar(name, key)

    def _scalar(self, value: object, key: str) -> None:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                half = ascii(value[error.start])
                self._refuse(key, f"{short(value)} holds {half}, half of a surrogate pair; expected Unicode text")
        elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            self._refuse(key, f"{short(value)} is not valid; expected an integer of at most 63 bits")
        elif isinstance(value, float) and not math.isfinite(value):
            self._refuse(key, f"{value} is not valid; expected a finite number")
        elif value is not None and not isinstance(value, str | int | float):
            self._refuse(key, f"holds a YAML {type(value).__name__}; expected text, a number, a list or a mapping")

    def _refuse(self, key: str, why: str) -> None:
        raise ConfigError(f"{self._path}: {key}: {why}" if key else f"{self._path}: {why}")
