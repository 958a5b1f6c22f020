"""Error messages for a configuration: one line with the key, the value and what was expected."""

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from laud_ray.printable import did_you_mean, quoted
from laud_ray.storage.credentials import held_by, is_variable, masked

MOST_NAMES = 30


def line(root: type, data: Mapping[str, Any], detail: Mapping[str, Any]) -> str:
    """Turn one pydantic error into one line.

    Args:
        root: the class of the whole configuration.
        data: what was read from YAML.
        detail: an item of `ValidationError.errors()`.

    Example:
        "query.batch: '50' is not valid; expected an integer"
    """
    section: Any = root
    node: Any = data
    key = ""
    for part in detail["loc"][:-1]:
        if isinstance(part, str) and isinstance(node, dict) and part not in node and part in _tags(node):
            section = _choose(section, part)
            continue
        key, node, section = join(key, part), _child(node, part), _inner(section, part)
    last = detail["loc"][-1] if detail["loc"] else ""
    kind, value = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = list(getattr(_choose(section, None), "model_fields", {}))
        return f"{join(key, last)}: unknown key; expected one of {known_names(str(last), known)}"
    if kind == "missing":
        return f"{join(key, last)}: is missing"
    key = key if isinstance(node, dict) and last in _tags(node) else join(key, last)
    if kind == "union_tag_invalid":
        tag, known = detail["ctx"]["tag"], [t.strip(" '") for t in detail["ctx"]["expected_tags"].split(",")]
        field = "engine" if "engine" in str(detail["ctx"].get("discriminator")) else "kind"
        return f"{key}.{field}: {tag!r} is unknown; expected one of {known_names(tag, known)}"
    if kind == "union_tag_not_found":
        return f"{key}.kind: is missing"
    if kind == "value_error":
        return f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
    message = re.sub(r"^\w+ should (?:be|have) ", "expected ", detail["msg"])
    message = re.sub(r"\ba valid (?=[aeiou])", "an ", message).replace("a valid ", "a ")
    message = message.replace("expected greater", "expected a number greater").replace(
        "expected less", "expected a number less"
    )
    message = message.replace("expected an array", "expected a list").replace("expected an object", "expected keys")
    known = re.findall("'([^']+)'", detail.get("ctx", {}).get("expected", ""))
    return f"{key}: {short(value)} is not valid; {message}{did_you_mean(str(value), known)}"


def _inner(section: Any, part: str | int) -> Any:
    """The type of a section's field, or of the items of a sequence."""
    if isinstance(part, int):
        return typing.get_args(section)[0]
    fields = getattr(section, "model_fields", {})
    return fields[part].annotation if part in fields else section


def _choose(section: Any, tag: str | None) -> Any:
    """Return the member of a union of sections with that kind or engine; without a tag the first member.

    A type that is no such union is returned unchanged.
    """
    section = _bare(section)
    for choice in map(_bare, typing.get_args(section)):
        fields = getattr(choice, "model_fields", {})
        if any(tag in typing.get_args(fields[name].annotation) for name in ("kind", "engine") if name in fields):
            return choice
        if fields and tag is None:
            return choice
    return section


def _tags(node: Mapping[str, Any]) -> tuple[Any, Any]:
    """The values that choose a member of a union. Pydantic adds the chosen one to the location of an error."""
    return node.get("kind"), node.get("engine", "encoder")


def _bare(section: Any) -> Any:
    """The type inside of Annotated."""
    while typing.get_origin(section) is Annotated:
        section = typing.get_args(section)[0]
    return section


def known_names(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """List the known names, at most MOST_NAMES of them, with a suggestion if one is close to `name`.

    Example:
        known_names("marign", ["margin", "random"]) is "margin, random - did you mean 'margin'?"
    """
    listed = ", ".join(list(known)[:MOST_NAMES]) + (f", ... ({len(known)} in all)" if len(known) > MOST_NAMES else "")
    return listed + did_you_mean(name, known)


def _child(node: Any, part: str | int) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):
        return None


def join(key: str, part: str | int) -> str:
    """Append a key or an index to a key: join("query", "batch") is query.batch, join("stop", 0) is stop[0]."""
    if isinstance(part, int):
        return f"{key}[{part}]"
    name = str(part) if str(part).isprintable() else ascii(str(part))
    name = masked(name) if "://" in name else name
    return f"{key}.{name}" if key and name else key or name


def short(value: object) -> str:
    """Quote a value for a message, without the credentials that a URL in it may hold."""
    return quoted(masked(value[:1000]) if isinstance(value, str) else value)


def require_url(url: str, example: str) -> str:
    """Return the URL of a service unchanged.

    Raises:
        ValueError: if it begins neither with http:// nor with https://.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{short(url)} is not valid; expected a URL such as {example}")
    return url


def require_variable(name: str, example: str) -> str:
    """Return the name of an environment variable unchanged.

    Raises:
        ValueError: if the name is invalid. The message does not show it: it may be the secret itself.
    """
    if not is_variable(name):
        raise ValueError(
            f"is not the name of an environment variable; expected a name such as {example}, and the secret in that "
            "variable"
        )
    return name


def refuse_credentials(data: object, key: str = "") -> None:
    """Refuse data that holds a URL with a password or key, at any depth. Labels are not checked.

    Raises:
        ValueError: with the key and the place where the secret belongs, without the secret itself.
    """
    if isinstance(data, dict):
        for name, child in data.items():
            refuse_credentials(child, join(key, name))
    elif isinstance(data, list | tuple) and key != "task.labels":
        for i, child in enumerate(data):
            refuse_credentials(child, join(key, i))
    elif isinstance(data, str) and (found := held_by(data)) is not None:
        place = next(
            (place for start, place in _PLACES.items() if start in key or data.startswith(start)), "the environment"
        )
        raise ValueError(
            f"{key}: {short(data)} holds {found}; expected a URL without credentials, which belong in {place}"
        )


# Where the secret of a URL belongs, by a part of its key or by its scheme.
_PLACES = {
    "base_url": "the environment variable that key_variable names",
    "serving": "the environment variable that serving.token_env names",
    "store": "PGPASSWORD or ~/.pgpass",
    "postgres": "PGPASSWORD or ~/.pgpass",
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}
