"""Tokens of a document: one prompt for codes, one for each choice among words."""

from laud_ray.config import LlmConfig, VllmZeroShotConfig
from laud_ray.models.language import chat
from laud_ray.models.language.answers import words
from laud_ray.planning.tokens import asked, computed
from laud_ray.taxonomy.reading.found import read_found
from laud_ray.taxonomy.task import task_of
from laud_ray.texts import likely_tokens
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


def test_a_prompt_about_a_taxonomy_counts_the_nodes_of_a_list() -> None:
    paths = [f"branch {b} > leaf {b} {i}" for b in range(20) for i in range(50)]
    task = task_of("t", read_found([(path, 1) for path in paths], "labels"))
    small, large = (
        asked(LlmConfig(kind="llm", engine="openai", model="m", shortlist=n), task, ["green tea"]) for n in (20, 50)
    )
    line = likely_tokens(f"7 = {paths[0]}\n")
    assert 0.7 * 30 * line < large.own - small.own < 1.5 * 30 * line
    assert small.fixed == large.fixed < small.own
    assert large.questions == 1.5
    flat = asked(LlmConfig(kind="llm", engine="openai", model="m"), Task("t", "multiclass", task.labels), ["green tea"])
    assert flat.fixed > 900 * line
    assert flat.questions == 1
