"""What the application is told when it is deployed. The same keys in `laud serve`, config.yaml and the manifest."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """What one request may ask, and what all together may wait for.

    Attributes:
        queue_texts: texts that may wait in one replica; beyond it requests are answered with 429.
        deadline_s: seconds after which a request is answered with 504 and its work dropped, and one whose body has
            not come with 408.
        max_feedback: characters of feedback that the run keeps in all; beyond it feedback is answered with 429.
    """

    max_texts: int = Field(default=1024, ge=1)
    max_chars: int = Field(default=10_000, ge=1)
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    queue_texts: int = Field(default=2048, ge=1)
    deadline_s: float = Field(default=10.0, gt=0)
    max_feedback: int = Field(default=50_000_000, ge=0)

    @model_validator(mode="after")
    def _room(self) -> "Limits":
        if self.queue_texts < self.max_texts:
            raise ValueError(
                f"queue_texts: {self.queue_texts} is less than max_texts {self.max_texts}; "
                "expected room for one request at least"
            )
        return self


class Replicas(_Section):
    """Replicas by load: so many that each has about `target_ongoing` requests in work."""

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1)
    target_ongoing: float = Field(default=32, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "Replicas":
        if self.max < self.min:
            raise ValueError(f"max: {self.max} is less than min {self.min}; expected at least as many")
        return self


class Arguments(_Section):
    """Everything that can be set.

    Attributes:
        run: a run's folder, whose current model is served and followed, or the folder of one model.
        engine: `auto` takes what the model needs; `torch` and `vllm` refuse models of the other sort.
        cpus, gpus: what each replica takes; a fraction of a GPU is shared with others.
        batch_tokens: tokens that are scored together; by default what measured best on this kind of device.
        batching: False scores each request alone: only for measuring what batching is worth.
        threshold: below this confidence an answer is marked as abstained, unless the request says otherwise.
        poll_s: seconds between looks at the registry.
        tokens_file: a file of bearer tokens, one a line, read anew when it changes. Tokens in the environment
            variable LAUD_TOKENS, with commas between them, count as well.
        allow_anonymous: serve without any token; without it a service that has none does not start.
        allow_hosts: host names by which a service without tokens may be asked, beside those of this machine alone; a
            web page elsewhere could have its own name lead here. "*" allows any.
        log_texts: write texts into the log; off, since they may be private.
    """

    run: str
    engine: Literal["auto", "torch", "vllm"] = "auto"
    replicas: Annotated[int, Field(ge=1)] | Replicas = 1
    cpus: float = Field(default=1.0, gt=0)
    gpus: float = Field(default=0.0, ge=0)
    limits: Limits = Field(default_factory=Limits)
    batch_tokens: int | None = Field(default=None, ge=1)
    batching: bool = True
    threshold: float = Field(default=0.0, ge=0, le=1)
    poll_s: float = Field(default=2.0, gt=0)
    tokens_file: str | None = None
    allow_anonymous: bool = False
    allow_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    log_texts: bool = False
