"""What a run does while people answer."""

from types import SimpleNamespace

import pytest

from laud_ray import loop
from laud_ray.people.groups import Awaited
from laud_ray.steps.work import WaitingError


@pytest.mark.parametrize(
    ("seed_open", "can_learn", "scored", "done"),
    [
        (True, True, False, []),
        (False, True, False, ["train 1", "score 1"]),
        (False, True, True, []),
        (False, False, False, []),
    ],
)
def test_the_first_model_is_made_while_people_answer_the_evaluation_sample(
    monkeypatch: pytest.MonkeyPatch, seed_open: bool, can_learn: bool, scored: bool, done: list[str]
) -> None:
    happened: list[str] = []

    def waits(what: str, n: int) -> None:
        raise WaitingError(f"people have {n} {what} questions to answer", n, [Awaited(what, 0)])

    monkeypatch.setattr(loop, "rules_of", lambda config: object())
    monkeypatch.setattr(loop, "seed", lambda work: waits("seed", 4) if seed_open else None)
    monkeypatch.setattr(loop, "annotate", lambda work, purpose, round: waits(purpose, 20))
    monkeypatch.setattr(loop, "trust", lambda work: None)
    monkeypatch.setattr(loop, "can_learn", lambda work: can_learn)
    monkeypatch.setattr(loop, "_is_scored", lambda work, round: scored)
    monkeypatch.setattr(loop, "train", lambda work, round: happened.append(f"train {round}"))
    monkeypatch.setattr(loop, "score", lambda work, round: happened.append(f"score {round}"))
    with pytest.raises(WaitingError) as raised:
        loop._first_answers(SimpleNamespace(config=None))  # type: ignore[arg-type]
    assert happened == done
    assert raised.value.pending == 20 + 4 * seed_open
    assert [one.purpose for one in raised.value.awaited] == ["seed", "evaluation"][not seed_open :]
