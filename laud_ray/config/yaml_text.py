"""YAML text -> plain data: mappings with text keys, lists, texts, numbers. Anything else is refused in one line.

A configuration may come from anybody, and YAML can be more than a tree: a node may hold itself, and ten lines of
aliases may stand for ten million nodes.
"""

import math
import re
from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from laud_ray.config.label_nodes import label_texts
from laud_ray.config.mistakes import join, short
from laud_ray.errors import ConfigError

# Of a tree that is no attack: labels of 100,000 classes have about 300,000 nodes.
DEEPEST, MOST_NODES = 50, 1_000_000
# What a database and JSON readers elsewhere can hold.
LARGEST_INTEGER = 2**63 - 1


def read_yaml(text: str, path: str, *, labels_at: Sequence[str] = ("task", "labels")) -> object:
    """Read YAML text; `path` is what errors call it, and labels stand under the keys `labels_at`.

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
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or type(error).__name__
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
    """A construct of YAML that is refused, with its line."""


class _Loader(yaml.SafeLoader):
    """Reads plain YAML and refuses a key that is given twice. Dates stay the texts that they are written as."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[object, int] = {}
        for key in (
            key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge")
        ):
            name, at = self.construct_object(key), key.start_mark.line + 1
            if name in lines:
                raise _RefusedError(
                    f" line {at}: the key {short(name)} stands in line {lines[name]} already; expected it once"
                )
            lines[name] = at
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_NODES // 10:  # merge keys multiply what they merge
            line = node.start_mark.line + 1
            raise _RefusedError(f" line {line}: its merge keys make {len(node.value):,} keys; expected fewer")

    def construct_number(self, node: yaml.ScalarNode) -> object:
        """Read a number, or leave a text what Python cannot read as one, such as an integer of 5,000 digits."""
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
    """Walks over data once, and counts its nodes: an alias counts each time that it is used."""

    def __init__(self, path: str) -> None:
        self._path, self._nodes = path, 0

    def node(self, value: object, key: str, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._refuse("", f"its aliases stand for more than {MOST_NODES:,} values; expected fewer")
        if depth > DEEPEST:
            self._refuse(
                re.split(r"[.[]", key)[0], f"is nested too deeply, or holds itself; expected at most {DEEPEST} levels"
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
            self._refuse(key, f"the key {short(name)} is not valid; expected text")
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
