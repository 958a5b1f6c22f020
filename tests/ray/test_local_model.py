"""A model folder as an oracle of a study, by the vllm engine in this process."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from laud_ray.types import Label, Task
from tests.tiny import LABELS, TINY, products

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.timeout(600)
def test_a_model_folder_answers_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import llm_answers
    import local_model
    from labelled_sets import LabelledSet

    examples = products(100)
    task = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
    gold = np.asarray([LABELS.index(example.label) for example in examples])
    data = LabelledSet("shelf", task, [example.text for example in examples], gold, [], gold[:0])
    rows = np.arange(len(gold))
    answers = llm_answers.LlmAnswers(str(TINY), data, tmp_path / "llm.db")
    said = answers(rows)
    answered = said >= 0
    assert answered.sum() > 30
    assert (said == gold)[answered].mean() > 0.5, "chance is 1 in 12"

    monkeypatch.setattr(local_model, "_loaded", None)  # all answers are kept, so no model is asked
    again = llm_answers.LlmAnswers(str(TINY), data, tmp_path / "llm.db")
    assert again(rows).tolist() == said.tolist()
