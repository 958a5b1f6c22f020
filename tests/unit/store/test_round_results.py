"""The results of rounds come back from the database as they were."""

import json
from dataclasses import asdict

from laud_ray.store.round_results import from_json
from laud_ray.types import Estimate, Figures, MultilabelFigures, RoundResult

ONE = Estimate(0.5, 0.4, 0.6, 50)


def test_the_figures_of_a_multilabel_model_come_back() -> None:
    sets = MultilabelFigures(50, ONE, ONE, ONE, None, 0, ONE, ONE, ONE, ONE)
    result = RoundResult(1, "round-0001", 40, 90, 900, Figures(50, ONE, ONE, 0.1, (), multilabel=sets), None, True, {})
    assert from_json(json.loads(json.dumps(asdict(result)))) == result
