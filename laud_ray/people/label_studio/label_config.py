"""The label config of a project: write that of a task, and read which choices a project offers.

Pure. A label config is XML: `Choices` or `Taxonomy` with a choice for each label, about a `Text`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from laud_ray.errors import UserError
from laud_ray.label_sets import LabelSet
from laud_ray.labels import NO_LABEL_APPLIES
from laud_ray.people.exchange.said import words_of
from laud_ray.printable import printable, quoted
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Task

NAME, TEXT = "label", "text"
# The most labels that are listed with a key for each, and in a list to choose from. More need a search, which in Label
# Studio only a taxonomy has.
KEYS, LISTED = 10, 25
# The most nodes of a taxonomy: with more, the page of Label Studio takes too long (docs/annotating.md).
MOST_NODES = 10_000
_SEARCHED = 'minWidth="400px" placeholder="Type to search"'
_SEARCHED_ONE = f'maxUsages="1" {_SEARCHED}'
_NAMED = 5
# Characters that XML 1.0 does not have.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def label_config(task: Task) -> str:
    """Return the label config of a task, with the descriptions of the labels as hints.

    Raises:
        UserError: if a label has a character that XML does not have, or a taxonomy has more nodes than a page of Label
            Studio can take.
    """
    if task.taxonomy is not None:
        return _tree_config(task.taxonomy)
    listed = [(one.name, one.description) for one in task.labels]
    if task.multilabel:
        # A choice of its own, so that an answer without a choice is no oversight.
        listed.append((NO_LABEL_APPLIES, None))
    choices = "\n".join(f"    {_choice(*one)}/>" for one in listed)
    if len(task.labels) > LISTED:
        return _view("Taxonomy", f'leafsOnly="true" {_SEARCHED if task.multilabel else _SEARCHED_ONE}', choices)
    if task.multilabel:
        return _view("Choices", 'choice="multiple" layout="vertical"', choices)
    return _view("Choices", f'choice="single" layout="{"select" if len(task.labels) > KEYS else "vertical"}"', choices)


def _tree_config(taxonomy: Taxonomy) -> str:
    """A branch is an answer too, so not only leaves can be chosen."""
    if len(taxonomy.nodes) > MOST_NODES:
        raise UserError(
            f"the taxonomy has {len(taxonomy.nodes):,} labels and branches, and a page of Label Studio takes at most "
            f"{MOST_NODES:,}; expected `laud annotate` or `laud questions export` for a taxonomy of this size"
        )
    lines: list[str] = []
    open_nodes: list[int] = []
    for i, node in enumerate(taxonomy.nodes):
        while len(open_nodes) >= node.depth:
            lines.append(f"{'  ' * (open_nodes.pop() + 2)}</Choice>")
        leaf = int(taxonomy.ends[i]) == i + 1
        lines.append(f"{'  ' * (node.depth + 1)}{_choice(node.name, node.description)}{'/' if leaf else ''}>")
        if not leaf:
            open_nodes.append(node.depth - 1)
    lines += [f"{'  ' * (depth + 2)}</Choice>" for depth in reversed(open_nodes)]
    separator = quoteattr(taxonomy.separator)
    return _view("Taxonomy", f'showFullPath="true" pathSeparator={separator} {_SEARCHED_ONE}', "\n".join(lines))


def _view(tag: str, how: str, choices: str) -> str:
    return (
        f'<View>\n  <Text name="{TEXT}" value="${TEXT}"/>\n'
        f'  <{tag} name="{NAME}" toName="{TEXT}" required="true" {how}>\n{choices}\n  </{tag}>\n</View>\n'
    )


@dataclass(frozen=True, slots=True)
class Control:
    """How a project asks for the label.

    Attributes:
        kind: choices or taxonomy.
        name, to: of the control, and of what it is about.
        field: of a task's data, which holds the text.
        choices: label -> the value of a result that chooses it: a text, or a path of a taxonomy. Branches of a
            taxonomy can be chosen too, and are not listed.
        several: whether several labels can be chosen.
    """

    kind: str
    name: str
    to: str
    field: str
    choices: Mapping[str, str | Sequence[str]]
    several: bool = False

    def result(self, labels: Sequence[str], id: str) -> dict[str, object]:
        """Return the result of a prediction of labels."""
        chosen = [self.choices[label] for label in labels]
        value = [list(one) if self.kind == "taxonomy" else one for one in chosen]
        return {"id": id, "from_name": self.name, "to_name": self.to, "type": self.kind, "value": {self.kind: value}}


def read_control(xml: str, task: Task) -> Control:
    """Read how a project asks for the label, and check that it offers the labels of a task.

    Raises:
        UserError: in one line without a place: what is wrong with the label config.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise UserError(f"the label config is not XML ({error}); expected one of Label Studio") from None
    found = [one for one in root.iter() if one.tag in ("Choices", "Taxonomy")]
    if len(found) != 1:
        raise UserError(f"the label config has {len(found)} Choices and Taxonomy; expected one, with the task's labels")
    tag = found[0]
    expected = ("multiple",) if task.multilabel else ("single", "single-radio")
    if tag.tag == "Choices" and tag.get("choice", "single") not in expected:
        choice = tag.get("choice", "single")
        raise UserError(f'the label config\'s {tag.tag} has choice={quoted(choice)}; expected "{expected[0]}"')
    if task.multilabel and tag.get("maxUsages") == "1":
        raise UserError(f'the label config\'s {tag.tag} has maxUsages="1"; expected several choices')
    to = tag.get("toName", "")
    about = next((one for one in root.iter() if one.get("name") == to), None)
    field = (about.get("value", "") if about is not None else "").strip()
    if about is None or about.tag != "Text" or not re.fullmatch(r"\$\w+", field):
        raise UserError(f"the label config's {tag.tag} is not about a Text with a value such as $text; expected one")
    return Control(tag.tag.lower(), tag.get("name", ""), to, field[1:], _choices(tag, task), task.multilabel)


def is_empty(xml: str) -> bool:
    """Whether a project has no label config yet."""
    return re.fullmatch(r"\s*(<View\s*/>|<View>\s*</View>)?\s*", xml) is not None


def _choices(tag: ElementTree.Element, task: Task) -> dict[str, str | Sequence[str]]:
    words, labels = words_of(task), dict[str, str | Sequence[str]]()
    tree = tag.tag == "Taxonomy"
    offered: list[str | Sequence[str]] = (
        list(_leaves(tag, ())) if tree else [_value(one) for one in tag.findall("Choice")]
    )
    for chosen in offered:
        text = chosen if isinstance(chosen, str) else words.text_of(chosen)
        said = words.read(text)
        if said is None:
            raise UserError(f"the label config has the choice {quoted(text)}, which {words.expected(text)}")
        for label in () if said[1] is None else LabelSet.parse(said[1]).yes if task.multilabel else (said[1],):
            labels.setdefault(label, chosen)
    if lacking := [name for name in task.names if name not in labels]:
        more = f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else ""
        named = ", ".join(map(quoted, lacking[:_NAMED]))
        raise UserError(f"the label config lacks the labels {named}{more}; expected all labels of the task")
    return labels


def _leaves(tag: ElementTree.Element, path: tuple[str, ...]) -> Iterator[Sequence[str]]:
    for one in tag.findall("Choice"):
        inner = (*path, _value(one))
        if one.find("Choice") is None:
            yield inner
        else:
            yield from _leaves(one, inner)


def _value(choice: ElementTree.Element) -> str:
    """Return how results refer to a choice: by its alias, or its value."""
    return choice.get("alias") or choice.get("value") or ""


def _choice(name: str, description: str | None) -> str:
    if _NOT_XML.search(name):
        raise UserError(f"the label {printable(quoted(name))} has a character that XML lacks; expected another name")
    hint = f" hint={quoteattr(_NOT_XML.sub(' ', description))}" if description else ""
    return f"<Choice value={quoteattr(name)}{hint}"
