"""What a scorer measured of itself, as the notes of a run."""

import pytest

from laud_ray.steps.score import remarks

CHOICE = {"chosen": 2.0, "compared": 64.0, "by_annotations": 0.0, "codes_right": 0.09, "words_right": 0.42}


def test_a_scorer_that_is_well_has_no_remarks() -> None:
    assert list(remarks({})) == []
    assert list(remarks({"label_mass": 0.99, "order_flips": 0.02})) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "answers with words: on 64 documents, 42% of them agree with the encoder, of codes 9%"),
        (
            {"chosen": 0.0, "codes_right": 0.5},
            "answers with codes: on 64 documents, 50% of them agree with the encoder",
        ),
        ({"chosen": 1.0, "keywords_right": 0.6}, "answers with keywords: on 64 documents, 60% of them agree with the"),
        ({"by_annotations": 1.0}, "answers with words: on 64 documents, 42% of them have the annotated label"),
    ],
)
def test_the_choice_of_answers_is_told(changed: dict[str, float], said: str) -> None:
    (line,) = remarks({**CHOICE, **changed})
    assert said in line


def test_keywords_need_no_probability_of_their_own() -> None:
    (line,) = remarks({**CHOICE, "chosen": 1.0, "keywords_right": 0.6, "label_mass": 0.04})
    assert "keywords" in line
    (_, mass) = remarks({**CHOICE, "chosen": 0.0, "label_mass": 0.04})
    assert "does not follow the prompt" in mass


def test_a_model_that_does_not_follow_its_prompt_is_told() -> None:
    mass, flips = remarks({"label_mass": 0.2, "order_flips": 0.9})
    assert "only 20% of the model's next-token probability" in mass
    assert "90% of a sample get another label if the order" in flips
    assert "`answers: auto` compares other answers" in flips
    assert "auto" not in " ".join(remarks({**CHOICE, "order_flips": 0.9}))
