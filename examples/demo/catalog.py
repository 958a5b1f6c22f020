"""Write the demo catalog: invented product names of a retailer, 29 categories, a long tail.

    python examples/demo/catalog.py data/demo.parquet --test data/demo-test.parquet

For `laud update`, --new and --novel write documents of a later day: such as before, or with a category that the labels
lack.

The words are in catalog.yaml beside this file. A name is brand, line, product, form and size, written as one
of three feeds would: a web shop in full, a price list with abbreviations, a till receipt in cropped capitals.
"""

import argparse
import os
import random
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

LABELS: dict[str, str] = {
    "Vegetables": "Vegetables, salad leaves, mushrooms and fresh herbs, raw, cut or frozen.",
    "Cheese": "Hard, soft, fresh and processed cheese, and its vegan stand-ins.",
    "Cookies & Biscuits": "Sweet biscuits, cookies, wafers and ice cream cones without the ice cream.",
    "Condiments & Sauces": "Table and cooking sauces, dips, dressings, oils, vinegars, olives and pickles.",
    "Bread & Bakery": "Bread, rolls, wraps, pastries, cakes and doughs.",
    "Chocolate & Candy": "Chocolate, sweets, gum, and nuts or fruit coated in them.",
    "Frozen Meals": "Whole dishes and side dishes to heat and eat, such as pizza, lasagne and fries.",
    "Meat & Deli": "Beef, pork and lamb, fresh or cured: cuts, mince, sausages, ham, salami.",
    "Soft Drinks & Water": "Sodas, water, energy drinks and ready-to-drink tea and coffee.",
    "Fruit": "Fruit, fresh, frozen or dried.",
    "Yogurt & Desserts": "Yogurt to spoon or drink, and chilled desserts.",
    "Personal Care": "Hair, skin, teeth and hygiene products for adults.",
    "Salty Snacks": "Crisps, crackers, nuts, popcorn, jerky.",
    "Milk & Cream": "Milk, flavoured milk, plant drinks, cream and creamer.",
    "Laundry & Cleaning": "Detergents, cleaners and cleaning tools for the home.",
    "Soups & Cans": "Soup and stock, and vegetables, beans, fruit or meals in cans.",
    "Breakfast Cereal": "Flakes, muesli, oats, and bars made of them.",
    "Poultry": "Chicken, turkey and duck, raw, breaded or as cold cuts and sausages.",
    "Pasta, Rice & Grains": "Dry and fresh pasta, noodles, rice, flour and pulses.",
    "Juice": "Juice, smoothies, nectar, shots and cordials.",
    "Coffee & Tea": "Coffee, tea, cocoa and mixes to prepare as a hot drink.",
    "Beer & Wine": "Beer, wine, cider and spirits, alcohol-free versions included.",
    "Ice Cream": "Ice cream, sorbet and ice lollies.",
    "Pet Food": "Food, treats and supplies for pets.",
    "Spices & Seasonings": "Salt, pepper, herbs, spice mixes, baking aromas.",
    "Butter & Spreads": "Butter, margarine, jam, honey, nut and chocolate spreads.",
    "Baby Care": "Food, milk, nappies and care for babies and toddlers.",
    "Paper Goods": "Tissue, foil, bags, filters and disposable tableware.",
    "Batteries & Bulbs": "Batteries, lamps and small electrical goods.",
}
BORDERLINE = 0.16  # share of names that could fit two categories
AISLES = 0.25  # share of plain names that also carry a word of their aisle
DUPLICATES = 0.03  # share of documents that repeat an earlier text, label included
MISFILED = 0.005  # share of documents filed under a wrong label, as in any real catalog
FEEDS = {"shop": 0.58, "list": 0.30, "receipt": 0.12}
PARTS = {"brand": 0.30, "line": 0.05, "form": 0.92, "claim": 0.04, "size": 0.45}  # share of names with each
NOVEL = 0.12  # share of the category that the labels lack, in the file of --novel
WORDS = Path(__file__).with_name("catalog.yaml")
CHOICE = re.compile(r"\(([^()]*)\)|\{(\w+)\}")


class Document(NamedTuple):
    """One row of the catalog."""

    id: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Category:
    """How the names of one label are made; the fields hold phrases."""

    share: float
    brands: Sequence[str]
    claims: Sequence[str]
    aisles: Sequence[str]
    sizes: Sequence[str]
    forms: Sequence[str]
    products: Sequence[str]
    borderline: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grammar:
    """Everything catalog.yaml says."""

    orders: Mapping[str, Sequence[str]]
    lines: Sequence[str]
    stores: Sequence[str]
    words: Mapping[str, Sequence[str]]
    abbreviations: Mapping[str, Sequence[str]]
    categories: Mapping[str, Category]
    novel: Mapping[str, Category]


def load_grammar(path: Path = WORDS) -> Grammar:
    """Read the words of the catalog."""

    def each(lists: Mapping[str, str]) -> dict[str, list[str]]:
        return {key: phrases(text) for key, text in lists.items()}

    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    brands, claims, sizes = each(raw["brands"]), each(raw["claims"]), each(raw["sizes"])

    def category(entry: Mapping[str, str]) -> Category:
        return Category(
            share=float(entry["share"]),
            brands=brands[entry["brands"]],
            claims=claims[entry["brands"]],
            aisles=phrases(entry["aisles"]),
            sizes=[size for kind in phrases(entry["sizes"]) for size in sizes[kind]],
            forms=phrases(entry["forms"]),
            products=phrases(entry["products"]),
            borderline=phrases(entry["borderline"]),
        )

    return Grammar(
        orders=raw["orders"],
        lines=phrases(raw["lines"]),
        stores=brands["store"],
        words=each(raw["words"]),
        abbreviations=each(raw["abbreviations"]),
        categories={label: category(entry) for label, entry in raw["categories"].items()},
        novel={label: category(entry) for label, entry in raw["novel"].items()},
    )


def phrases(text: str) -> list[str]:
    """Split a comma-separated list of phrases."""
    return [" ".join(phrase.split()) for phrase in text.split(",")]


def expand(phrase: str, words: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Resolve (a|b) and {word} in a phrase, from the inside out."""
    while match := CHOICE.search(phrase):
        options = words[match[2]] if match[2] else match[1].split("|")
        phrase = phrase[: match.start()] + rng.choice(options) + phrase[match.end() :]
    return " ".join(phrase.split())


def product_name(grammar: Grammar, label: str, rng: random.Random) -> str:
    """Return one name of the label, as one of the feeds would write it."""
    category = grammar.categories[label]
    feed = rng.choices(list(FEEDS), weights=list(FEEDS.values()))[0]

    def perhaps(part: str, options: Sequence[str], times: float = 1) -> str:
        return expand(rng.choice(options), grammar.words, rng) if rng.random() < PARTS[part] * times else ""

    borderline = rng.random() < BORDERLINE
    product = popular(category.borderline if borderline else category.products, rng)
    product = expand(product, grammar.words, rng)
    aisle = rng.choice(category.aisles)
    if not borderline and rng.random() < AISLES and not repeats(aisle, product):
        product = f"{product} {aisle}"
    makers = rng.choice([grammar.stores, category.brands])
    form = perhaps("form", category.forms)
    name = rng.choice(grammar.orders[feed]).format(
        brand=perhaps("brand", makers, times=1 / 3 if feed == "receipt" else 1),
        line=perhaps("line", grammar.lines),
        product=product,
        form="" if repeats(form, product) else form,
        claim=perhaps("claim", category.claims),
        size=perhaps("size", category.sizes),
    )
    name = " ".join(name.split()).removesuffix(" -").removesuffix(",")
    if feed == "shop":
        return shop_name(name, rng)
    name = abbreviate(name, grammar.abbreviations, rng)
    return receipt_name(name, rng) if feed == "receipt" else list_name(name, rng)


def popular(options: Sequence[str], rng: random.Random) -> str:
    """Choose one phrase; the first few are the shop's fast movers."""
    return rng.choices(options, weights=[1 / (rank + 4) for rank in range(len(options))])[0]


def repeats(addition: str, name: str) -> bool:
    """Tell whether the addition says a word the name has already, singular or plural."""
    return not {word[:5] for word in addition.split()}.isdisjoint(word[:5] for word in name.split())


def shop_name(name: str, rng: random.Random) -> str:
    """Write the name out with capital initials."""
    words = (word if any(map(str.isdigit, word)) else word[:1].upper() + word[1:] for word in name.split())
    name = " ".join(words)
    return misspell(name, rng) if rng.random() < 0.05 else name


def list_name(name: str, rng: random.Random) -> str:
    """Write the name as a hurried buyer types it: lower case, stray punctuation, a typo."""
    words = name.split()
    if len(words) > 3 and rng.random() < 0.06:
        del words[rng.randrange(len(words))]
    joint = rng.choices([" ", "  ", "-", ".", "/", ", "], weights=[90, 2, 2, 2, 2, 2])[0]
    split = rng.randrange(len(words))
    name = joint.join(part for part in (" ".join(words[:split]), " ".join(words[split:])) if part)
    name = misspell(name, rng) if rng.random() < 0.12 else name
    return name if rng.random() < 0.4 else name.lower()


def receipt_name(name: str, rng: random.Random) -> str:
    """Squeeze the name into the 18 to 24 capitals of a till receipt."""
    words = [squeeze(word) if len(word) > 6 and rng.random() < 0.2 else word for word in name.split()]
    return " ".join(words).upper()[: rng.randint(18, 24)].strip()


def squeeze(word: str) -> str:
    """Drop the inner vowels of a word's second half: cucumber -> cucumbr."""
    half = len(word) // 2
    return word[:half] + re.sub("[aeiou]", "", word[half:-1]) + word[-1]


def abbreviate(name: str, abbreviations: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Shorten some of the words that have a usual short form."""
    for word, short in abbreviations.items():
        if word in name and rng.random() < 0.4:
            name = re.sub(rf"\b{word}\b", rng.choice(short), name)
    return name


def misspell(name: str, rng: random.Random) -> str:
    """Swap, drop or double one letter inside a word; a word's first letter is rarely mistyped."""
    inside = [match.start() for match in re.finditer(r"(?<=[a-z])[a-z](?=[a-z])", name)]
    if not inside:
        return name
    at = rng.choice(inside)
    one, two = name[at], name[at + 1]
    return name[:at] + rng.choice([two + one, two, one + one + two]) + name[at + 2 :]


def documents(grammar: Grammar, rng: random.Random, *, taken: Container[str] = ()) -> Iterator[Document]:
    """Yield documents without end; a text keeps its label, and none is in taken."""
    labels = list(grammar.categories)
    shares = [category.share for category in grammar.categories.values()]
    filed: dict[str, str] = {}
    texts: list[str] = []
    while True:
        if texts and rng.random() < DUPLICATES:
            text = rng.choice(texts)
        else:
            label, wrong = rng.choices(labels, weights=shares, k=2)
            text = product_name(grammar, label, rng)
            while text in filed or text in taken:
                text = product_name(grammar, label, rng)
            filed[text] = wrong if rng.random() < MISFILED else label
            texts.append(text)
        yield Document(f"SKU-{rng.getrandbits(64):016x}", text, filed[text])


def catalog(size: int, *, test_size: int = 0, seed: int = 0) -> tuple[list[Document], list[Document]]:
    """Return size documents and test_size others that share no text with them."""
    grammar, rng = load_grammar(), random.Random(seed)
    train = list(islice(documents(grammar, rng), size))
    taken = {document.text for document in train}
    return train, list(islice(documents(grammar, rng, taken=taken), test_size))


def later(size: int, *, taken: Container[str], seed: int = 0, novel: float = 0.0) -> list[Document]:
    """Return documents of a later day without the taken texts; a share of them has a label that is not in LABELS."""
    grammar = load_grammar()
    total = sum(category.share for category in grammar.categories.values())
    if novel:
        extra = total * novel / (1 - novel) / len(grammar.novel)
        added = {label: replace(category, share=extra) for label, category in grammar.novel.items()}
        grammar = replace(grammar, categories={**grammar.categories, **added})
    rng = random.Random(f"{seed} {'novel' if novel else 'new'}")
    return list(islice(documents(grammar, rng, taken=taken), size))


def write(rows: Sequence[Document], path: Path) -> None:
    """Write a Parquet file; a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([(name, pa.string()) for name in Document._fields])
    table = pa.Table.from_pylist([row._asdict() for row in rows], schema=schema)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, unfinished)
    unfinished.replace(path)


def main() -> None:
    """Write the catalog and, if asked, a test set a quarter its size, and documents of later days."""
    parser = argparse.ArgumentParser(description="Write the demo catalog.")
    parser.add_argument("path", type=Path, help="the Parquet file to write")
    parser.add_argument("--test", type=Path, help="also write a test set, a quarter of the size, here")
    parser.add_argument("--new", type=Path, help="also write documents of a later day, a sixth of the size, here")
    parser.add_argument("--novel", type=Path, help="also write such documents here that have a further category")
    parser.add_argument("--documents", type=int, default=6000, help="documents in the catalog")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another catalog")
    options = parser.parse_args()
    if options.documents < 1:
        parser.error(f"--documents must be at least 1, not {options.documents}")
    train, test = catalog(options.documents, test_size=options.documents // 4, seed=options.seed)
    write(train, options.path)
    print(f"{len(train)} documents in {options.path}")
    if options.test:
        write(test, options.test)
        print(f"{len(test)} documents in {options.test}")
    taken = {row.text for row in [*train, *test]}
    for path, novel in ((options.new, 0.0), (options.novel, NOVEL)):
        if path:
            rows = later(max(1, options.documents // 6), taken=taken, seed=options.seed, novel=novel)
            write(rows, path)
            print(f"{len(rows)} documents in {path}")


if __name__ == "__main__":
    main()
