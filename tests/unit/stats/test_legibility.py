"""Does the encoder read a script? Texts of many languages through the bundled tokenizer, and tokenizers by hand."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from laud_ray.models.encoder.encoding import Encoder, model_path
from laud_ray.stats.legibility import LETTER, Legibility, count, kinds, load, of_file
from laud_ray.steps import legible
from laud_ray.store.store import Store

CASES = Path(__file__).parents[3].parent / "shared" / "cases" / "scripts"
FOREIGN = {
    "Japanese": ["ヨーグルト 特選 業務用 821", "食パン 大 新鮮 507", "牛乳 低脂肪 1リットル", "冷凍 ぎょうざ 12個入り"],
    "Chinese": ["全脂牛奶 1升", "无线蓝牙耳机 黑色", "有机绿茶 茶包 20袋", "儿童运动鞋 蓝色"],
    "Korean": ["저지방 우유 1리터", "유기농 녹차 티백 20개", "무선 이어폰 블랙"],
    "Russian": ["Молоко пастеризованное 2,5% 1 л", "Чай зелёный листовой 100 г", "Детские кроссовки синие"],
    "Arabic": ["حليب قليل الدسم 1 لتر", "شاي أخضر 20 كيس", "خبز أسمر طازج"],
    "Hindi": ["कम वसा वाला दूध 1 लीटर", "हरी चाय 20 बैग", "बच्चों के जूते"],
    "Thai": ["นมพร่องมันเนย 1 ลิตร", "ชาเขียว 20 ซอง", "รองเท้าเด็ก"],
    "Greek": ["Γάλα ελαφρύ 1 λίτρο", "Πράσινο τσάι 20 φακελάκια", "Παιδικά παπούτσια"],
    "Hebrew": ["חלב דל שומן 1 ליטר", "תה ירוק 20 שקיקים"],
    "Georgian": ["რძე უცხიმო 1 ლ", "მწვანე ჩაი 20 პაკეტი"],
    "emoji": ["🧀 🆕 👍🏽 600", "🥖 🆕 🔥 258"],
    "one text in ten is Chinese": ["Green tea 20 bags"] * 9 + ["无线蓝牙耳机 黑色"],
}
READ = {
    "English": [
        "Low-fat milk 1 l",
        "USB-C to HDMI adapter 4K@60Hz",
        "M8x40 hex bolt zinc A2-70 DIN 933",
        "SKU-48392-AX/B",
    ],
    "German": [
        "Fettarme Milch 1,5 % 1 l",
        "Müsli Nuss-Früchte 750g",
        "Donaudampfschifffahrtsgesellschaftskapitän",
        "Grüße",
    ],
    "Spanish": ["Leche desnatada 1 litro", "Zapatillas niño azul", "Jamón ibérico loncheado ¡oferta!"],
    "French": ["Lait demi-écrémé 1 L", "Thé vert 20 sachets à l'œuf"],
    "Polish": ["Mleko odtłuszczone 1 l", "Słuchawki bezprzewodowe czarne", "Obuwie dziecięce"],
    "Vietnamese": ["Sữa ít béo 1 lít", "Bánh mì nguyên cám"],
    "Turkish": ["Yarım yağlı süt 1 lt", "Kablosuz kulaklık siyah"],
    "signs": ["Δ 5 µm ±2 °C", "α-Tocopherol 400 IU", "café ☕ crème™ ½ € 3 — «bio»"],
}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder("bundled", 64)


@pytest.mark.parametrize("language", FOREIGN)
def test_a_script_that_the_encoder_does_not_read(encoder: Encoder, language: str) -> None:
    found = encoder.legibility(FOREIGN[language])
    assert found.poor
    assert "choose a multilingual encoder (zero_shot.model, learner.model)" in str(found.remark())


@pytest.mark.parametrize("language", READ)
def test_a_script_that_it_reads(encoder: Encoder, language: str) -> None:
    assert encoder.legibility(READ[language]).remark() is None


def test_the_tokenizers_file_alone_says_the_same(encoder: Encoder) -> None:
    for texts in (*FOREIGN.values(), *READ.values(), ["x" * 500, "猫 " * 100]):
        short = Encoder.legibility(encoder, texts)
        assert of_file(f"{model_path('bundled')}/tokenizer.json", texts, 62) == short


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not there")
@pytest.mark.parametrize("name", ["ja", "emoji"])
def test_the_shared_cases(encoder: Encoder, name: str) -> None:
    with (CASES / f"{name}.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    assert encoder.legibility(texts).remark() is not None


WORDS = {"[CLS]": 0, "[UNK]": 1, "tea": 2, "д": 3, "##ж": 4, "食": 5, "の": 6, "##é": 7, "да": 8}


def by_hand(*rows: Sequence[int]) -> Legibility:
    return count(rows, kinds(WORDS, 1, [0, 1]))


def test_counts_by_hand() -> None:
    assert by_hand([0, 2, 1, 2, 0]) == Legibility(texts=1, unread=1, tokens=3, unknown=1)
    assert by_hand([2, 1, 2, 2, 2], [2]) == Legibility(texts=2, unread=0, tokens=6, unknown=1)
    assert by_hand([3, 4, 4, 8], [8, 8, 3]) == Legibility(texts=2, unread=1, tokens=7, spelled=3)
    assert by_hand([3, 1], [5, 6, 7]) == Legibility(texts=2, unread=1, tokens=5, unknown=1, spelled=1)
    assert by_hand([], [0]) == Legibility(texts=2)
    assert by_hand([99]) == Legibility(texts=1, tokens=1), "a token that was added later"
    assert count([], kinds(WORDS, 1, [])) == Legibility()


def test_a_tokenizer_of_bytes_knows_everything() -> None:
    assert LETTER not in kinds({"\u0120tea": 0, "ж": 1, "<unk>": 2}, 2, [])
    assert kinds({"\u2581tea": 0, "\u2581ж": 1}, None, []).tolist() == [0, LETTER]


def test_sums_are_kept() -> None:
    one, other = Legibility(1, 1, 10, 3, 2), Legibility(3, 0, 30, 0, 0)
    assert load((one + other).dump()) == Legibility(4, 1, 40, 3, 2)
    assert (one + other).share == pytest.approx(5 / 40)
    assert np.isfinite(Legibility().share)
    assert Legibility().remark() is None


def test_what_a_round_counted_is_kept_and_said_once(tmp_path: Path) -> None:
    store, foreign = Store(f"sqlite:///{tmp_path}/laud.db"), Legibility(10, 8, 100, 60, 0)
    assert "60 % of the tokens" in str(legible.add(store, 0, foreign))
    assert "60 % of the tokens" in str(legible.add(store, 0, foreign)), "the rest of a pass that was broken off"
    assert legible.recorded(store, 0) == foreign + foreign
    assert legible.add(store, 1, foreign) is None
    assert legible.add(store, 2, Legibility()) is None
    assert legible.last(store, 3) == foreign
    assert legible.add(store, 3, Legibility(10, 0, 100, 1, 0)) is None
    assert legible.add(store, 4, foreign) is not None
