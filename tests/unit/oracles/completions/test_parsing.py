"""Answers as real models word them: what names one label is read, and nothing else is."""

import itertools
import random
import time

import pytest

from laud_ray.labels import UNSURE
from laud_ray.models.language.prompts import Option, codes
from laud_ray.oracles.completions.parsing import read_answer
from laud_ray.types import Label

DAIRY, BREAD, SKIMMED = "Dairy products", "Bread", "Bread, rolls"
OPTIONS = tuple(Option(code, Label(name)) for code, name in zip("ABCD", (DAIRY, BREAD, SKIMMED, "乳製品"), strict=True))
CODES = "E"


NAMES = (
    *(
        "Milk",
        "Bread",
        "Bread, rolls",
        "Tea",
        "Tea & herbs",
        "Coffee (ground)",
        "C++",
        "C",
        "Obst/Gemüse",
        "乳製品",
        "パン",
    ),
    *(
        "Молоко",
        "حليب",
        "Non-food",
        "No",
        "not sure",
        "Other",
        "A",
        "I",
        "1",
        "10",
        "yes",
        "Category",
        "answer",
        "unknown",
    ),
    *(
        "Dairy - fresh",
        "Ice cream",
        '"Quoted"',
        "O'Neill",
        "x_y",
        "x y z",
        "100 %",
        "Straße",
        "None of these",
        "or",
        "and B",
    ),
)


def read(answer: str, **more: bool) -> str | None:
    return read_answer(answer, OPTIONS, CODES, **more).label


@pytest.mark.parametrize(
    "answer",
    [
        "A",
        " A\n",
        "A.",
        "(A)",
        "[A]",
        "**A**",
        "`A`",
        '"A"',
        "“A”",
        "Ａ",
        "a",
        "a)",
        "A</s>",
        "A<|im_end|>",
        "A) Dairy products",
        "A = Dairy products",
        "A: Dairy products",
        "A (Dairy products)",
        "A - Dairy products",
        "A. Dairy products",
        "**A = Dairy products**",
        "A - because it is made of milk",
        "A – it is a drink made of milk.",
        "A because it is milk",
        "A, because it is milk",
        "A\n\nExplanation: yogurt is made of milk.",
        "**A** is what I would choose",
        "A - it contains vitamin C and is a T-shirt size M",
        "Dairy products",
        "dairy products",
        "DAIRY   PRODUCTS.",
        "'Dairy\u00a0products'",
        "dairy_products",
        "Dairy products (A)",
        "Dairy products - made of milk",
        "Dairy products: it is yogurt, not bread.",
        "Answer: A",
        "answer: a",
        "Final answer: A",
        "**Answer:** A",
        "**Answer**: **A**",
        "Answer:\n\nA",
        "The answer is A.",
        "The category is A.",
        "The correct category is: A",
        "The category is A because yogurt is made of milk.",
        "The category is Dairy products.",
        "This text belongs to category A.",
        "This belongs to the Dairy products category.",
        "I would classify this as Dairy products.",
        "The text is classified as A.",
        "I would choose option A.",
        "My answer is (A).",
        "Category: A",
        "Category: A - Dairy products",
        "Category: Dairy products",
        "Category: B\nNo, wait.\nCategory: A",
        "It could be category B, but it is made of milk.\nCategory: A",
        "**Category:** A",
        "Yogurt is made of milk.\n\nA",
        "Yogurt is made of milk.\n\n**Dairy products**",
        '{"category": "A"}',
        '{"label": "Dairy products"}',
        '{"category": "A", "label": "dairy products", "reason": "not B"}',
        '```json\n{"category": "A"}\n```',
        '```json\n{\n  "Category": "A",\n  "confidence": 0.9\n}\n```',
        'Here it is:\n```\n{"answer": "A"}\n```',
        "{'category': 'A'}",
        '{"category": "A"',
        '{"result": {"code": "A", "name": "Dairy products"}}',
        '{"category": ["A"]}',
        '{"classification": "A - Dairy products"}',
        '{"x": "A"}',
        '["A"]',
        "<answer>A</answer>",
        "<b>A</b>",
        "The best category for this product is **A**.",
        "A is the best category for it.",
        "The category that fits best is A.",
        "This is category A (Dairy products)",
        "Category: A\nReason: made of milk, not B",
        "A - because it is milk, not Bread",
        "This belongs to the category Dairy products.",
        "<think>Is it bread, B? No.</think>A",
        "<think>\n\n</think>\n\nA",
        "<THINKING>B or C</THINKING> **A**",
        "It may be B.</think>\n\nA",
        "[THINK]B?[/THINK]A",
        "◁think▷B◁/think▷A",
        "<|channel|>analysis<|message|>B or so<|end|><|start|>assistant<|channel|>final<|message|>A",
        "\\boxed{A}",
        "The answer is $\\boxed{\\text{A}}$.",
        "Antwort: A",
        "Kategorie: Dairy products",
        "答案：A",
        "カテゴリ：A",
        "Категория: A",
        "Respuesta: A",
    ],
)
def test_what_names_one_label_is_read(answer: str) -> None:
    assert read(answer) == DAIRY


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("Bread, rolls", SKIMMED),
        ("bread, Rolls - soft ones", SKIMMED),
        ("Bread", BREAD),
        ("Bread: a loaf", BREAD),
        ("乳製品", "乳製品"),
        ("乳製品。牛乳です", "乳製品"),
        ("答えは乳製品", "乳製品"),
        ('{"category": "\\u4e73\\u88fd\\u54c1"}', "乳製品"),
        ("E", UNSURE),
        ("unsure", UNSURE),
        ("Unsure - the text says too little", UNSURE),
        ("Answer: E", UNSURE),
    ],
)
def test_other_labels(answer: str, label: str) -> None:
    assert read(answer) == label


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n\t ",
        "\u200b",
        "F",
        "AA",
        "7",
        "Category:",
        "A or B",
        "A/B",
        "A, B",
        "A and B",
        "A\nB",
        "A; B",
        "A) Bread",
        "A - Bread",
        "A = Dairy products or Bread",
        "A = Dairy products\nB = Bread\nC = Bread, rolls",
        "A - no wait, B",
        "A. Dairy products B. Bread",
        "Dairy products or Bread",
        "Dairy products, Bread",
        "Dairy products and Bread",
        "Answer: A or B",
        "Answer: A\nCategory code: B",
        "Code: B\nCategory: A",
        "A. No, rather B.",
        "Category A does not fit.",
        "Category A is wrong",
        "The category is A. The label is B.",
        "The category is not A.",
        "It is not category A.",
        "If the answer is A, it is milk.",
        "The category might be A.",
        "The answer could be category A",
        "A dairy product",
        "A dairy product made of milk",
        "I cannot tell what this is",
        "It is a dairy product of class",
        "The category is a",
        "The category is a dairy product",
        "The category is A dairy product",
        "The text says A lot of things",
        "Bread, rolls and buns of all kinds",
        "I'd need more context: A is likely, B too",
        "Apples and dairy products",
        "Well, hard to say",
        "I am sorry, but I cannot help with that.",
        "<think>it is A",
        "<think>The answer is A. Category: A",
        "<think>B</think>",
        "A\n<think>surely A",
        '{"category": "A", "label": "Bread"}',
        '{"category": "A or B"}',
        '{"categories": ["A", "B"], "category": ["A", "B"]}',
        '{"category": null}',
        '{"reason": "A", "x": "B"}',
        "{}",
        "[" * 5000,
        '{"a":' * 5000,
    ],
)
def test_what_names_no_label_or_two_is_unread(answer: str) -> None:
    found = read_answer(answer, OPTIONS, CODES)
    assert found.label is None
    assert found.why.startswith("it ")


def test_where_a_code_is_the_name_of_another_label_it_is_unread() -> None:
    crossed = (Option("A", Label("B")), Option("B", Label("Tea")), Option("C", Label("c")))
    assert read_answer("B", crossed, "D").label is None
    assert read_answer("Answer: B", crossed, "D").label is None
    assert read_answer("Tea", crossed, "D").label == "Tea"
    assert read_answer("A", crossed, "D").label == "B"
    assert read_answer("C", crossed, "D").label == "c", "both mean the same label"
    assert read_answer("unsure", (Option("A", Label("unsure")), Option("B", Label("Tea"))), "C").label is None
    near = (Option("A", Label("a b")), Option("B", Label("A_B")))
    assert read_answer("a b", near, "C").label is None


def test_labels_that_are_called_as_answers_are_announced() -> None:
    named = tuple(Option(code, Label(name)) for code, name in zip("XYZ", ("Answer", "Category", "Tea"), strict=True))
    given = ("Answer: Z", "Category: Z", '{"category": "Z"}', "Z", "Tea", "Answer: tea")
    assert [read_answer(one, named, "W").label for one in given] == ["Tea"] * 6
    assert [read_answer(one, named, "W").label for one in ("Answer", "X", "Answer: X")] == ["Answer"] * 3
    assert read_answer("Answer: X or Z", named, "W").label is None


def test_whatever_labels_are_called_no_answer_is_taken_for_another() -> None:
    rng = random.Random(1)
    forms = [
        "{c}",
        "{n}",
        "Answer: {c}",
        "**{n}**",
        "{c}) {n}",
        "{n} ({c})",
        '{{"label": "{c}"}}',
        "Category: {n}",
        "{c}.",
    ]
    of_two = [
        "{c} or {d}",
        "{n} or {m}",
        "{c}, {d}",
        "Answer: {n} or {m}",
        "{c}) {m}",
        "{n}\n{m}",
        "{n}, {m}",
        "{n} and {m}",
    ]
    for _ in range(300):
        labels = [Label(name) for name in rng.sample(NAMES, rng.choice([2, 3, 8, 12]))]
        chosen = list(itertools.islice(codes(labels), len(labels) + 1))
        options = tuple(Option(code, label) for code, label in zip(chosen, labels, strict=False))
        one, other = rng.sample(options, 2)
        said = {"c": one.code, "n": one.label.name, "d": other.code, "m": other.label.name}
        for form in forms:
            assert read_answer(form.format(**said), options, chosen[-1]).label == one.label.name, form.format(**said)
        for form in of_two:
            assert read_answer(form.format(**said), options, chosen[-1]).label is None, form.format(**said)


def test_a_label_has_other_spellings_and_the_rest_has_names() -> None:
    rest = Label("other", rest=(Label("Bread"), Label("Tea", also=("Chai",))))
    binary = (Option("A", Label("Dairy products", also=("Milk products",))), Option("B", rest))
    given = ("milk products", "Bread", "Category: chai", "other", "B")
    assert [read_answer(one, binary, "C").label for one in given] == ["Dairy products", *["other"] * 4]


def test_codes_of_two_letters_and_of_digits() -> None:
    names = [f"class {i}" for i in range(200)]
    codes = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"]
    codes += [a + b for a in "ABCDEF" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"][:138]
    options = tuple(Option(code, Label(name)) for code, name in zip(codes, names, strict=True))

    def one(answer: str, **more: bool) -> str | None:
        return read_answer(answer, options, "ZZ", **more).label

    assert all(one(code) == name for code, name in zip(codes, names, strict=True))
    assert all(one(f"Answer: {code} - because") == name for code, name in zip(codes, names, strict=True) if code != "I")
    assert [one(answer) for answer in ("class 17", "Category: CLASS 117.", "BC) class 90")] == [
        "class 17",
        "class 117",
        "class 90",
    ]
    assert [one(answer) for answer in ("1. This is about bread", "no", "I, as a model, cannot", "is", "1) Bread")] == [
        None
    ] * 5
    assert one("A", cut=True) is None, "it may be the beginning of AB"
    assert one("AB", cut=True) == names[63]


def test_the_pronoun_is_no_code() -> None:
    nine = tuple(Option(code, Label(name)) for code, name in zip("ABCDEFGHI", "qrstuvwxy", strict=True))
    given = ("The category I would choose is B.", "I", "I.", "I) y", "Answer: I")
    assert [read_answer(one, nine, "J").label for one in given] == ["r", *["y"] * 4]
    unread = ("I cannot say", "I, as a model", "I - as a model - cannot", "The category I cannot tell", "I'd say none")
    assert [read_answer(one, nine, "J").label for one in unread] == [None] * 5


def test_what_was_cut_is_read_only_where_it_could_not_have_gone_on() -> None:
    assert read("A", cut=True) == DAIRY, "as with max_answer_tokens: 1"
    assert read("A - because it is made of", cut=True) == DAIRY
    assert read("Category: A\n\nIt is", cut=True) == DAIRY
    assert read("The category is A", cut=True) is None, "it may go on: dairy product"
    assert read("", cut=True) is None


@pytest.mark.parametrize(
    "filler",
    ["word ", "A B ", "category is ", "{", '{"a": ', "<think>", "(", "*", "\n", " ", "<answer>", "class: A or ", "'"],
)
def test_a_reply_of_100_kb_is_read_in_no_time(filler: str) -> None:
    began = time.process_time()
    for answer in (filler * (100_000 // len(filler)), filler * (50_000 // len(filler)) + "</think>A"):
        read_answer(answer, OPTIONS, CODES)
    assert time.process_time() - began < 5


def test_it_says_where_the_label_is_named() -> None:
    for answer, said in [
        ("<think>A B</think>\n**A** - because", "A"),
        ("The category is A.", "A"),
        ('{"label": "Bread"}', "Bread"),
        ("Made of A.\nCategory: B", "B"),
        ("dairy   products: yes", "dairy   products"),
    ]:
        found = read_answer(answer, OPTIONS, CODES)
        assert answer[found.start : found.end] == said
