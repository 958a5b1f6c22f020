"""Keep labels in YAML as the text that is written, where YAML would read a boolean, a number or a date."""

from collections.abc import Sequence

import yaml


def label_texts(root: yaml.Node | None, at: Sequence[str]) -> None:
    """Retag the labels under the path of keys `at` as text, so that no, 1.10 and 2020-01-01 stay names.

    The tree is changed in place, before it is constructed.
    """
    node = root
    for key in at:
        node = _child(node, key)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _as_text(item)
            if isinstance(item, yaml.MappingNode):
                _label_mapping(item)
    elif isinstance(node, yaml.MappingNode):
        for name, description in node.value:
            _as_text(name)
            _as_text(description, but_null=True)
            if isinstance(description, yaml.SequenceNode):  # the columns of a table with a column for each level
                for one in description.value:
                    _as_text(one)


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key in a mapping; None if the node is no mapping or does not have the key."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _label_mapping(node: yaml.MappingNode) -> None:
    for key, value in node.value:
        if key.value in ("name", "description", "path", "code", "parent"):
            _as_text(value, but_null=key.value in ("description", "parent"))
        elif key.value == "also" and isinstance(value, yaml.SequenceNode):
            for one in value.value:
                _as_text(one)


def _as_text(node: yaml.Node, *, but_null: bool = False) -> None:
    kept = (":merge", ":null") if but_null else (":merge",)
    if isinstance(node, yaml.ScalarNode) and not node.tag.endswith(kept):
        node.tag = "tag:yaml.org,2002:str"
