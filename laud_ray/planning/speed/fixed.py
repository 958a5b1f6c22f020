"""Times that hardly depend on the data: the start of Ray, of workers and engines, the loading of models; in seconds.

Measured on two cores of a server (docs/LOG.md); `benchmarks/plan.py` compares them with what happens. On a GPU, an
engine compiles its model first.
"""

from laud_ray.config import CausalConfig, EncoderConfig, LinearConfig, PromptedSection
from laud_ray.planning.tokens import Section

# The command's imports and the start of Ray.
RAY = 12.0
# The zero-shot model, and the imports of the workers at the first pass.
WORKERS = 12.0
# A pass of an encoder: Ray Data, and the model's load in each worker.
PASS = 0.7
# The start of a language model's engine: for a pass, and for answers. On a GPU it compiles.
ENGINE, ORACLE, COMPILE = 15.0, 28.0, 40.0
# Before it scores, a fine-tuned language model is merged with its adapter, written and read: seconds of a parameter.
MERGE = 3e-8
# A training beside its steps: loading, tokenizing, saving. With workers, Ray Train starts and ends them.
FIT_ENCODER, FIT_LINEAR, FIT_CAUSAL, TRAIN_WORKERS = 2.0, 1.0, 4.0, 40.0
# The memory of an encoder embeds a text in this part of the time that training takes for an example.
MEMORY = 0.25
# Seconds of the linear learner's solver for an example and a class, over all strengths and folds.
SOLVE = 5e-6


def passes(section: Section, number: int, size: int, *, first: bool, gpu: bool) -> float:
    """Return the start-up of a number of passes.

    Args:
        section: the scorer, or the learner whose models score.
        number: of passes.
        size: the model's parameters.
        first: whether the workers start too, as in the first pass of a run.
        gpu: whether engines run on GPUs.
    """
    merged = MERGE * size if isinstance(section, CausalConfig) else 0.0
    if isinstance(section, PromptedSection):
        # With `answers: auto`, an engine starts before the pass, to choose how the model answers.
        engines = 2 if section.answers == "auto" else 1
        each = merged + engines * (ENGINE + (COMPILE if gpu else 0.0))
    else:
        each = PASS
    return number * each + (WORKERS if first else 0.0)


def oracle(*, gpu: bool) -> float:
    """Return the start of the engine that answers."""
    return ORACLE + (COMPILE if gpu else 0.0)


def training(learner: EncoderConfig | LinearConfig | CausalConfig, workers: int) -> float:
    """Return what a training takes beside its steps."""
    if isinstance(learner, LinearConfig):
        return FIT_LINEAR
    own = FIT_CAUSAL if isinstance(learner, CausalConfig) else FIT_ENCODER
    return own + (TRAIN_WORKERS if workers else 0.0)


def solving(examples: int, classes: int) -> float:
    """Return the seconds in which the linear learner's head is solved."""
    return SOLVE * examples * classes
