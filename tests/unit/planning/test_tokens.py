"""Tokens of a document: one prompt for codes, one for each choice among words."""

from laud_ray.config import VllmZeroShotConfig
from laud_ray.models.language import chat
from laud_ray.models.language.answers import words
from laud_ray.planning.tokens import computed
from laud_ray.types import Label, Task
from tests.tiny import TINY


def test_words_count_a_prompt_for_each_choice_among_them() -> None:
    task = Task("t", "multiclass", tuple(map(Label, ("tea", "tea bags", "tea bags, green", "coffee"))))
    common = {"engine": "vllm", "model": str(TINY), "max_context": 512}
    auto, spelled = (
        computed(VllmZeroShotConfig.model_validate({**common, "answers": answers}), task, ["green tea"])
        for answers in ("auto", "words")
    )
    trie = words.build(chat.answer_words(chat.open_tokenizer(str(TINY)), task.labels, "m")[1])
    assert auto.prompts == 1 < spelled.prompts == trie.requests
    assert spelled.each >= auto.each + (trie.requests - 1) * chat.BLOCK / 2 - chat.BLOCK
