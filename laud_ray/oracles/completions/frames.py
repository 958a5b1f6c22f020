"""The forms in which language models answer: thinking, Markdown, JSON, phrases such as "the answer is". Pure text.

Every pattern runs in linear time, since an answer may be 100 kB long.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from laud_ray.models.language.prompts import ANSWER

DECORATION = " \t\r\n\"'`´“”‘’«»「」『』【】*_#.:;,!<>()[]{}。、：．・•-–—=>→\\$"
_THINKING = r"think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|analysis"
_OPENED = re.compile(
    rf"<(?:{_THINKING})\b[^<>]{{0,40}}>|◁think▷|\[THINK\]|<\|channel\|>\s*(?:analysis|commentary)", re.IGNORECASE
)
_CLOSED = re.compile(
    rf"</(?:{_THINKING})\s*>|◁/think▷|\[/THINK\]|<\|channel\|>\s*final\b(?:\s*<\|message\|>)?", re.IGNORECASE
)
_MARKUP = re.compile(
    r"<\|[^|<>]{1,40}\|>|</?(?:s|b|i|u|p|em|br|pre|code|span|strong)\s*/?>|<(?:eos|bos|pad|start_of_turn|end_of_turn)>",
    re.IGNORECASE,
)
# The line that the prompt asks for.
ASKED_FOR = re.compile(rf"(?<![\w\"']){re.escape(ANSWER[:-1])}\s*\**\s*[:：]", re.IGNORECASE)
CODE = re.compile(r"([A-Za-z]{1,2}|[0-9]{1,4})(?![\w'’])")
SMALL_CODE = re.compile(r"([a-z])(?=\s*[)=:]|\.(?:\s|$))")
WORD_END = re.compile(r"(?<=\S)(?=\W|$)")

# Separators between a label and its explanation. A comma alone is none: "A, B", "I, as a language model".
_SET_OFF = re.compile(
    r"[\"'`*_)\]}>”’」】]*\s*(?:[:=：)(\]\[]+|\.(?=\s|$)|。|[-–—→]+(?=\s|$)|$|,?\s*(?:because|since)\b"
    r"|\s+is\s+(?:the|my)\s+(?:\w+\s+){0,2}(?:answer|category|label|class|code|choice|fit|match)\b)|[`*\"”]+(?=\s)",
    re.IGNORECASE,
)
_ENUMERATED = re.compile(r"[0-9]{1,2}\s*[.)]")
# A code that follows another answer, as an alternative or as an entry of a list.
BESIDE = re.compile(
    r"(?:\b(?:or|and|vs|versus|category|option|code|label|class|answer|maybe|perhaps|possibly|wait|actually|"
    r"rather|instead|oder|und|ou|et|o|y|u|или|и)\b|[/,;&|]|^)[\s\"'`*(\[]*([A-Z]{1,2}|[0-9]{1,4})(?![\w'’]|-\w|\s+[a-z])"
    r"|\b([A-Z]{1,2})\s*(?:[)=:]|[-–—]\s)",
    re.MULTILINE,
)
JOINED = re.compile(
    r"[\s\"'`*)\]]*(?:(?:or|and|oder|und|ou|et|o|y|или|и|または|或)\b|[/,&|、])[\s\"'`*(\[]*", re.IGNORECASE
)

_WORDS = (
    r"answer|category|label|class|code|choice|option|classification|prediction|verdict|conclusion|"
    r"result|final|"
    r"antwort|kategorie|klasse|réponse|catégorie|classe|respuesta|categoría|categoria|clase|resposta|risposta|"
    r"antwoord|categorie|odpowiedź|kategoria|kategori|svar|vastaus|luokka|ответ|категория|класс|cevap"
)
_SUBJECT = r"answer|category|label|class|code|choice"
_ASIAN = r"答え|回答|解答|カテゴリー?|分類|ラベル|答案|类别|類別|分类|标签|정답|답변?|카테고리|분류"
_IS = r"is|would\s+be|should\s+be|ist|est|es|è|é|это"
_SAYING = re.compile(
    rf"(?:\b(?:{_WORDS})\b|(?:{_ASIAN}))[\"'`*_)\]]*\s*(?:(?P<sign>(?:[:=：]|->|=>|→)+)|\b(?:{_IS})\b\s*[:：]?|は)",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"\b(?i:category|option|class|code|label|answer|choice)[\s\"'`*(\[]+([A-Z]{1,2}|[0-9]{1,4})"
    r"(?=[\s\"'`*)\]]*(?:[.,;:!(]|$|because\b|since\b))"
)
_PUT = re.compile(
    r"\b(?:classif(?:y|ied)\s+(?:(?:it|this|that|the\s+\w+)\s+)?as|belongs\s+(?:to|in|under)|falls\s+(?:under|into|in)|"
    r"I(?:'d|\s+would)?\s+(?:choose|pick|select|say|go\s+with))\b(?:\s+(?:the\s+)?(?:category|class|label|code|option)\b)?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    rf"\b(?:{_SUBJECT})\s+(?:for|of|here|that|which|I)\b[^.:;\n]{{0,80}}?\b(?:{_IS})\b", re.IGNORECASE
)
_IN_CATEGORY = re.compile(
    r"\b(?:to|in|under|into|as|is)\s+the\s+([^\n.;]{1,100}?)\s+(?:category|class|label)\b(?!\s+of)", re.IGNORECASE
)
_TAGGED = re.compile(
    r"<(answer|category|label|class|output|result|final_answer|final)>([^<]{0,300})</\1>|\\boxed\{(?:\\\w+\{)?([^{}]{0,300})\}",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|if|whether|unless|suppose|except|wrong|incorrect|unlikely|other|second|"
    r"could|might|nicht|kein\w*|pas|ne)\b|n['’]t\b|不|非|ない",
    re.IGNORECASE,
)
_JSON_KEYS = frozenset(
    (
        *("answer", "category", "label", "class", "code", "choice", "option", "classification", "prediction", "result"),
        *("output", "name", "letter", "id", "predicted_category", "predicted_label", "category_code", "category_name"),
        *("label_name", "final_answer"),
    )
)
_PAIR = re.compile(r"[\"']([\w ]{1,40})[\"']\s*:\s*(?:\"([^\"\\]{0,300})\"|'([^'\\]{0,300})'|([\w.]{1,40}))")
_LINE = 300
_BEFORE = 40


def end_of_thinking(text: str) -> int | None:
    """Return where the answer after the thinking begins; None if the thinking block was never closed."""
    start = max((m.end() for m in _CLOSED.finditer(text)), default=0)
    return None if _OPENED.search(text, start) else start


def without_markup(text: str) -> str:
    """Replace HTML tags and control tokens of chat templates with blanks; the length stays the same."""
    return _MARKUP.sub(lambda match: " " * len(match[0]), text)


def set_off(line: str, length: int) -> int | None:
    """Return where the explanation after a label begins; None if nothing separates the two.

    The number of a list item, as in "1. This is", and the pronoun I do not count as labels.

    Args:
        length: of the label at the start of the line, in characters.

    Example:
        set_off("A - it has leaves", 1) is 4.
    """
    found = _SET_OFF.match(line, length)
    if found is None or not length:
        return None
    dashed = found[0].strip()[:1] in ("-", "–", "—", ",")
    if _ENUMERATED.match(line) and line[found.end() :].strip() and found[0].strip() in (".", ")"):
        return None
    return None if line[:length] == "I" and dashed else found.end()


@dataclass(frozen=True, slots=True)
class Saying:
    """A part of a text that a phrase such as "the answer is" declares to be the answer.

    Attributes:
        phrase: where the phrase begins.
        start, end: where the declared answer begins and ends.
        exact: whether codes are matched with their case: in a sentence "a" is a word, after a colon it may be code A.
    """

    phrase: int
    start: int
    end: int
    exact: bool


def sayings(text: str, start: int) -> Iterator[Saying]:
    """Yield the parts that are declared to be the answer. Doubtful or negated phrases are left out."""
    for pattern in (_SAYING, _SENTENCE, _PUT):
        for match in pattern.finditer(text, start):
            if not _doubtful(text, match.start(), match.end()):
                near = text[match.end() : match.end() + _LINE]
                begin = match.end() + len(near) - len(near.lstrip(" \t\r\n*_"))
                end = text.find("\n", begin, begin + _LINE)
                end = min(len(text), begin + _LINE) if end < 0 else end
                yield Saying(match.start(), begin, end, not match.groupdict().get("sign"))
    for pattern in (_OPTION, _IN_CATEGORY):
        for match in pattern.finditer(text, start):
            if not _doubtful(text, match.start(), match.start(1)):
                yield Saying(match.start(), *match.span(1), True)
    for match in _TAGGED.finditer(text, start):
        yield Saying(match.start(), *match.span(2 if match[2] is not None else 3), False)


def announces(line: str) -> bool:
    """Whether a line begins with a phrase that announces the answer, such as "Answer:"."""
    found = _SAYING.match(line)
    return found is not None and bool(found["sign"])


def _doubtful(text: str, start: int, end: int) -> bool:
    """Whether the clause of a phrase negates or doubts it: "it is not category A", "if the answer is B"."""
    before = re.split(r"[.!?;:,\n]", text[max(0, start - _BEFORE) : start])[-1]
    return _DOUBT.search(before + text[start:end]) is not None


def json_values(text: str) -> list[str]:
    """Return the category of a JSON answer: the values of keys such as "category", or the value of its only key."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0:
        return []
    try:
        found = json.loads(text[begin : end + 1])
    except (ValueError, RecursionError):
        pairs = [(key, a or b or c) for key, a, b, c in _PAIR.findall(text[begin : begin + 20 * _LINE])]
        return [value for key, value in pairs if key.casefold() in _JSON_KEYS]
    return _values(found) if isinstance(found, dict) else []


def _values(found: Mapping[str, object], depth: int = 0) -> list[str]:
    named = [value for key, value in found.items() if key.strip().casefold() in _JSON_KEYS]
    values: list[str] = []
    for value in named or (list(found.values()) if len(found) == 1 else []):
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(one, dict) and depth < 2:
            values += _values(one, depth + 1)
        elif isinstance(one, list):
            values += [str(each) for each in one if isinstance(each, str)]
        elif isinstance(one, str | int):
            values.append(str(one))
    return values
