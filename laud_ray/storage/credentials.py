"""Find credentials in places that many people can read: in a URL, or where the name of a variable is expected.

A configuration is copied into the storage, the report and messages, so it must not hold secrets. A configuration with
a secret is rejected, and the message masks it.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
# The user and password of a URL. A password may hold slashes and @; digits followed by a slash or the end are a port.
_PASSWORD = re.compile(r"(?<=://)[^/?#@\s:]*:(?!\d+(?:[/?#\s]|$))\S+@")
# The same for a text that is one URL; its password may also hold spaces.
_PASSWORD_OF_ALL = re.compile(r"(?<=://)[^/?#@\s:]*:(?!\d+(?:[/?#\s]|$)).+@", re.DOTALL)
_ALL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"(?<=://)[^/?#@\s]+@")
# With these schemes a user without a password is a token. With others, as in postgresql://laud@db/laud, it is public.
_TOKEN_SCHEMES = ("http", "https", "s3", "s3a", "ws", "wss")
_PARAMETER = re.compile(r"([?&;#])([^=&;#\s]+)=([^&;#\s]+)")
_SECRET_NAMES = frozenset({"key", "pass", "pwd", "sig", "auth", "authorization", "jwt"})
_SECRET_PARTS = ("password", "passwd", "passphrase", "secret", "credential", "apikey", "accesskey", "accountkey")
_SECRET_ENDS = ("token", "signature", "privatekey")
# Keys that can be recognised by their form.
_KEY = re.compile(
    r"\b(?:(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}|hf_[A-Za-z0-9]{16,}|gsk_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|github_pat_\w{16,}|glpat-[\w-]{16,}|nvapi-[\w-]{16,}|xox[abeprs]-[\w-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/-]{6,}=*", re.IGNORECASE)
# Credentials outside of URLs, such as user:password@host, or password=... in the address of a database.
_BARE = re.compile(r"(?<![\w/])[^\s/:@'\"]+:[^\s/@'\"]+@(?=[\w\[])")
_WORD = re.compile(r"\b(\w*(?:password|passwd|secret)\w*\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s&'\",;}]+)", re.IGNORECASE)
MASK = "***"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def held_by(text: str) -> str | None:
    """Return which credentials the URLs of a text hold, in words; None if they hold none.

    >>> held_by("http://ann:hidden@host/v1")
    'a user and password'
    >>> held_by("https://host/data.csv?sig=abc")
    'the parameter sig'
    """
    if _ALL.match(text) and _PASSWORD_OF_ALL.search(text):
        return "a user and password"
    for url in _urls(text):
        scheme = url.partition(":")[0].lower()
        if _PASSWORD.search(url) or (scheme in _TOKEN_SCHEMES and _USER.search(url)):
            return "a user and password"
        for _, name, value in _PARAMETER.findall(url):
            if _is_secret(name):
                return f"the parameter {name}"
            if (inner := held_by(unquote(value))) is not None:
                return inner
    return None


def masked(text: str) -> str:
    """Return a text in which everything that may be a password, key or token is replaced by `***`."""
    if _ALL.match(text):
        text = _PASSWORD_OF_ALL.sub(f"{MASK}@", text)
    for pattern in (_PASSWORD, _BARE):
        text = pattern.sub(f"{MASK}@", text)
    text = _URL.sub(lambda found: _masked_url(found[0]), text)
    text = _HEADER.sub(rf"\1 {MASK}", text)
    text = _WORD.sub(rf"\1{MASK}", text)
    return _KEY.sub(MASK, text)


def is_variable(name: str) -> bool:
    """Whether a text is the name of an environment variable, and not a key that was put there by mistake.

    >>> is_variable("OPENAI_API_KEY"), is_variable("hf_AbCdEfGhIjKlMnOpQrStUv")
    (True, False)
    """
    return bool(_VARIABLE.fullmatch(name)) and not _KEY.search(name) and not any(map(_is_random, name.split("_")))


def _is_random(part: str) -> bool:
    """Whether a part of a name looks like a key: at least 16 characters, with a digit."""
    return len(part) >= 16 and any(letter.isdigit() for letter in part)


def _urls(text: str) -> Iterator[str]:
    yield from _URL.findall(text)
    if "%" in text and (decoded := unquote(text)) != text:
        yield from _URL.findall(decoded)


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z]", "", unquote(name).lower())
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDS) or any(part in plain for part in _SECRET_PARTS)


def _masked_url(url: str) -> str:
    if url.partition(":")[0].lower() in _TOKEN_SCHEMES:
        url = _USER.sub(f"{MASK}@", url)
    url = _PARAMETER.sub(lambda one: f"{one[1]}{one[2]}={MASK}" if _is_secret(one[2]) else one[0], url)
    return url if held_by(url.replace(MASK, "")) is None else f"{url.partition('://')[0]}://{MASK}"
