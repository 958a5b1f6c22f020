"""Changes of a flat list of labels: what becomes of each label, and of the answers that name it. Pure.

A flat list is a tree of depth one, but a change of it is stated and not found by comparison, so nothing is guessed.
Names of labels that are gone become other spellings, so that data with the old names still name the right label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.config.task import LabelConfig
from laud_ray.errors import ConfigError
from laud_ray.labels import SHOWN, fold, nearest, read_name
from laud_ray.printable import listed, quoted
from laud_ray.taxonomy.succession import Succession


@dataclass(frozen=True, slots=True)
class Edited:
    """A changed list of labels.

    Attributes:
        labels: the new list.
        succession: how the labels of the earlier list continue in it.
        text: the change in words.
    """

    labels: tuple[LabelConfig, ...]
    succession: Succession
    text: str

    def lines(self, most: int = SHOWN) -> list[str]:  # noqa: ARG002 - there are few
        """Return the change for a person, in one line."""
        return [self.text]


def find(labels: Sequence[LabelConfig], text: str) -> LabelConfig:
    """Return the label that a text names, by its name or another spelling, whatever its case if that is clear.

    Raises:
        ConfigError: if it names none.
    """
    for said in (lambda one: one, fold):
        wanted = said(text.strip())
        for names in (lambda label: (label.name,), lambda label: label.spellings):
            found = [label for label in labels if wanted in map(said, names(label))]
            if len(found) == 1:
                return found[0]
    near = nearest(text, [spelling for label in labels for spelling in label.spellings])
    hint = "" if near is None else f" - did you mean {quoted(near)}?"
    some = listed([label.name for label in labels], SHOWN)
    raise ConfigError(f"{quoted(text)} is not a label; expected one of {some}{hint}")


def add(labels: Sequence[LabelConfig], name: str, description: str | None = None) -> Edited:
    """Add a label, as the last one. Documents that no label fitted may have one now.

    Raises:
        ConfigError: if the name is not valid, or is another label's.
    """
    new = _new(labels, name, description)
    found = Succession(added=(new.name,), wider=True)
    return Edited((*labels, new), found, f"added: {quoted(new.name, 200)}")


def rename(labels: Sequence[LabelConfig], old: str, name: str) -> Edited:
    """Give a label another name. Its answers belong to the new name.

    Raises:
        ConfigError: if there is no such label, or the name is not valid, or is another label's.
    """
    was = find(labels, old)
    new = _new([label for label in labels if label is not was], name, was.description)
    if new.name == was.name:
        raise ConfigError(f"{quoted(name)} is the name of this label already; expected another name")
    also = tuple(one for one in was.spellings if one != new.name)
    renamed = new.model_copy(update={"also": also})
    said = f"renamed: {quoted(was.name, 200)} -> {quoted(new.name, 200)}"
    return Edited(_replaced(labels, was, [renamed]), Succession({was.name: new.name}), said)


def join(labels: Sequence[LabelConfig], label: str, into: str) -> Edited:
    """Make a label a part of another one. Its answers belong to that.

    Raises:
        ConfigError: if there is no such label, both are the same, or there are only two labels.
    """
    was, other = find(labels, label), find(labels, into)
    if was is other:
        raise ConfigError(f"{quoted(label)} and {quoted(into)} are the same label; expected two labels")
    if len(labels) < 3:
        raise ConfigError("the task has only two labels; expected at least two after the change")
    whole = other.model_copy(update={"also": (*other.also, *was.spellings)})
    rest = _replaced([one for one in labels if one is not was], other, [whole])
    said = f"joined: {quoted(was.name, 200)} -> {quoted(other.name, 200)}"
    return Edited(rest, Succession({was.name: other.name}), said)


def split(labels: Sequence[LabelConfig], label: str, names: Sequence[str]) -> Edited:
    """Divide a label into two or more. One of these may keep its name. Its answers are asked about again.

    Raises:
        ConfigError: if there is no such label, there are fewer than two names, or one is not valid or another label's.
    """
    was = find(labels, label)
    others = [one for one in labels if one is not was]
    if len(names) < 2:
        raise ConfigError(f"{quoted(was.name)} would become {len(names)} label(s); expected at least two names")
    parts: list[LabelConfig] = []
    for name in names:
        kept = was.description if name.strip() == was.name else None
        parts.append(_new([*others, *parts], name, kept))
    new = tuple(part.name for part in parts)
    found = Succession({was.name: None}, frozenset([was.name]), added=new)
    said = f"split: {quoted(was.name, 200)} -> {', '.join(quoted(name, 200) for name in new)}"
    return Edited(_replaced(labels, was, parts), found, said)


def _new(labels: Sequence[LabelConfig], name: str, description: str | None) -> LabelConfig:
    """Return a label that is none of some others.

    Raises:
        ConfigError: if the name is not valid, or one of them has it, whatever its case.
    """
    try:
        new = LabelConfig(name=read_name(name), description=description or None)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for label in labels:
        for spelling in label.spellings:
            if fold(spelling) == fold(new.name):
                of = "" if spelling == label.name else f", another spelling of {quoted(label.name)}"
                raise ConfigError(
                    f"{quoted(name)} is not valid: there is {quoted(spelling)} already{of}; expected another name"
                )
    return new


def _replaced(labels: Sequence[LabelConfig], label: LabelConfig, new: Sequence[LabelConfig]) -> tuple[LabelConfig, ...]:
    return tuple(part for one in labels for part in (new if one is label else [one]))
