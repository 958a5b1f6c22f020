"""Bodies of hostile requests to classify and feedback: unusual JSON, and bodies that are not JSON."""

import json
from collections.abc import Iterator

VALUES = (
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "NaN",
    "-Infinity",
    '""',
    '"a"',
    "[]",
    "{}",
    "[[]]",
    '[{"a": 1}]',
    "1" * 5000,
)


def classify_bodies() -> Iterator[tuple[str, bytes]]:
    for key in ("texts", "top_k", "threshold"):
        for value in VALUES:
            rest = "" if key == "texts" else ', "texts": ["milk", "bread"]'
            yield f"{key} {value[:12]}", f'{{"{key}": {value}{rest}}}'.encode()
    for name, text in {
        "control": "a\x00b",
        "escape": "a\x1b[31m",
        "half a pair": "\ud800",
        "right to left": "\u202eabc",
        "zalgo": "a" + "\u0301" * 9000,
        "emoji": "\U0001f469\u200d\U0001f52c" * 500,
        "white": "\u3000\u2003 ",
        "zero width": "\u200b" * 5000,
        "template": "{{7*7}} ${7*7}",
        "markup": "<script>alert(1)</script>",
        "sql": "'; DROP TABLE feedback;--",
        "words": "a " * 4999,
        "one word": "a" * 10_000,
        "too long": "a" * 10_001,
        "ideographs": "\u9f98" * 10_000,
        "noncharacter": "\uffff\ufdd0",
    }.items():
        yield f"a text: {name}", json.dumps({"texts": text}).encode()
        yield f"texts: {name}", json.dumps({"texts": ["milk", text] * 8}).encode()
    million = 2_000_000
    for name, item in {
        "numbers": "1",
        "strings": '""',
        "lists": "[]",
        "objects": "{}",
        "nulls": "null",
        "floats": "1e-9",
    }.items():
        items = ",".join([item] * (million // len(item)))
        yield f"4 MB of {name}", f'{{"texts":[{items[:4_190_000].rpartition(",")[0]}]}}'.encode()
    for name, body in {
        "nothing": b"",
        "white space": b" " * 100_000,
        "mark": b'\xef\xbb\xbf{"texts": "a"}',
        "UTF-16": '{"texts": "a"}'.encode("utf-16"),
        "latin-1": b'{"texts": "\xe4"}',
        "cut off": b'{"texts": ["a',
        "twice": b'{"texts": "a", "texts": 7}',
        "deep list": b"[" * 100_000,
        "deep text": b'{"texts":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
        "deep object": b'{"a":' * 90_000,
        "two": b'{"texts": "a"}{}',
        "prototype": b'{"__proto__": {}, "texts": "a"}',
        "comment": b'{/* */"texts": "a"}',
        "quote": b"{'texts': 'a'}",
        "XML": b"<a/>",
        "1,025 texts": json.dumps({"texts": ["a"] * 1025}).encode(),
        "all labels": json.dumps({"texts": ["a"] * 1024, "top_k": 10**9}).encode(),
        "400 long texts": json.dumps({"texts": ["word " * 2000] * 400}).encode(),
        "one text of 4 MB": b'{"texts": "' + b"a" * 4_190_000 + b'"}',
        "5 MB": b'{"texts": "' + b"a" * 5_000_000 + b'"}',
        "gzip": bytes.fromhex("1f8b0800000000000003") + bytes(1000),
        "unknown keys": json.dumps({f"k{i}": i for i in range(300_000)}).encode(),
        "a key of 1 MB": b'{"' + b"k" * 10**6 + b'": 1}',
        "escapes": b'{"texts": "' + b"\\u0061" * 690_000 + b'"}',
        "number of 4 MB": b'{"texts": ' + b"9" * 4_190_000 + b"}",
    }.items():
        yield f"body: {name}", body


def feedback_bodies() -> Iterator[tuple[str, bytes]]:
    good = {"text": "choc milk 1l", "wrong": True}
    for key in ("text", "label", "wrong", "who", "predicted", "model"):
        for value in ("null", "0", "false", '""', "[]", '"\\u0000"', '"\\u001b]0;x"', '"\\ud800"', '"a\\nb"'):
            said = {name: one for name, one in good.items() if name not in (key, "wrong" if key == "label" else "")}
            yield f"{key} {value}", (json.dumps(said)[:-1] + f'{", " if said else ""}"{key}": {value}}}').encode()
        yield f"{key} of 4 MB", json.dumps({**good, key: "a" * 4_190_000}).encode()
        yield f"{key} of 201", json.dumps({**good, key: "a" * 201}).encode()
    yield "label and wrong", json.dumps({**good, "label": "x"}).encode()
    yield "unknown keys", json.dumps({**good, **{f"k{i}": i for i in range(300_000)}}).encode()
    yield "deep", b'{"text":' + b"[" * 90_000
