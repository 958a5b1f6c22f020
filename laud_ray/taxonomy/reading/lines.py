"""Read a taxonomy from text with a path in each line, with or without an id before it.

Google: "166 - Apparel & Accessories > Jewelry". Shopify: "gid://shopify/TaxonomyCategory/aa-1 : Apparel > Clothing".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from laud_ray.errors import ConfigError
from laud_ray.labels import read_name
from laud_ray.printable import quoted
from laud_ray.taxonomy.path_text import SEPARATOR, occurs, split_path
from laud_ray.taxonomy.reading.building import Listed, build, placed
from laud_ray.taxonomy.reading.detection import looks_like_paths
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.texts import normalise_text

# An id and the path after it, by an example of the id: each form that is known.
_FORMS = {
    "gid://shopify/TaxonomyCategory/aa : ": re.compile(r"\s*(gid://\S+?)\s*:\s+(.*)", re.DOTALL),
    "aa-1 : ": re.compile(r"\s*(\S+)\s+:\s+(.*)", re.DOTALL),
    "166 - ": re.compile(r"\s*(\d+)\s+-\s+(.*)", re.DOTALL),
}


@dataclass(frozen=True, slots=True)
class _Line:
    where: str
    text: str


def read_lines(text: str, name: str, *, separator: str = SEPARATOR) -> Taxonomy:
    """Read a path in each line; blank lines and lines that begin with # are skipped.

    Ids are recognised where one line begins with gid://, or at least half of the lines begin with a different one; all
    lines need one then. The file may list leaves alone, or every node above them too.

    Args:
        text: the content of the file.
        name: the file, for messages.
        separator: between the names of a path.

    Raises:
        ConfigError: if a line is not valid, no line has the separator, or the tree is not valid (see `building.build`).
    """
    lines = [
        _Line(f"{name} line {number}", line)
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")), 1)
        if normalise_text(line) and not normalise_text(line).startswith("#")
    ]
    listed = list(_listed(lines, _form(lines), separator))
    if listed and not any(occurs(line.text, separator) for line in lines):
        guess = looks_like_paths(" ".join(one.path) for one in listed)
        example = f"such as {quoted(guess)}" if guess else f"unlike in {quoted(lines[0].text.strip())}"
        raise ConfigError(
            f"{name}: the separator {quoted(separator)} is not valid; expected one that occurs in the lines, {example}"
        )
    return build(listed, name, separator)


def _listed(lines: Sequence[_Line], form: str | None, separator: str) -> Iterator[Listed]:
    for line in lines:
        with placed(line.where):
            code, path = (None, line.text) if form is None else _with_id(line.text, form)
            yield Listed(line.where, split_path(path, separator), code)


def _with_id(text: str, form: str) -> tuple[str, str]:
    """Split a line into its id and its path."""
    found = _FORMS[form].fullmatch(text)
    if found is None:
        expected = f"an id before the path, as in other lines, such as {quoted(form)}"
        raise ValueError(f"{quoted(text.strip())} is not valid; expected {expected}")
    return read_name(found[1]), found[2]


def _form(lines: Sequence[_Line]) -> str | None:
    """Return the form of the ids; None if there are none.

    The number in "01 - Animals > 012 - Goats" belongs to a name: it is the same in all lines about animals.
    """
    for form, pattern in _FORMS.items():
        ids = [found[1] for line in lines if (found := pattern.match(line.text)) is not None]
        certain = bool(ids) and form.startswith("gid://")
        if certain or (2 * len(ids) >= len(lines) > 0 and 2 * len(set(ids)) > len(ids)):
            return form
    return None
