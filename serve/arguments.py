"""The settings of a deployment. `laud serve`, config.yaml and the Kubernetes manifest use the same keys."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """The limits of a request, and of all waiting requests together.

    Attributes:
        max_texts, max_chars, max_body_bytes: texts in a request, characters of a text, bytes of a body; larger requests
            get a 413.
        queue_texts: texts that may wait in one replica; further requests get a 429.
        deadline_s: seconds after which a request gets a 504 and its work is dropped; 408 if its body is incomplete.
        max_feedback: characters of feedback that the run stores in all; further feedback gets a 429.
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
    """Autoscaling between `min` and `max` replicas, so that each has about `target_ongoing` requests in progress."""

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1)
    target_ongoing: float = Field(default=32, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "Replicas":
        if self.max < self.min:
            raise ValueError(f"max: {self.max} is less than min {self.min}; expected at least as many")
        return self


class Arguments(_Section):
    """All settings of a deployment.

    Attributes:
        run: the folder of a run, whose current model is served, or the folder of one model.
        engine: `auto` chooses the engine that the model needs; `torch` and `vllm` refuse models that need the other.
        replicas: a fixed number, or autoscaling.
        cpus, gpus: resources of each replica; a fraction of a GPU is shared with others.
        batch_tokens: tokens that are scored together; by default the value that measured best on this kind of device.
        batching: False scores each request alone, for benchmarks of batching only.
        threshold: results below this confidence are marked as abstained, unless the request has its own threshold.
        poll_s: seconds between two reads of the registry.
        tokens_file: a file of bearer tokens, one per line, reloaded when it changes. Tokens in the environment variable
            LAUD_TOKENS, separated by commas, are valid too.
        allow_anonymous: allow a service without tokens; else it refuses to start without one.
        allow_hosts: further names that a service without tokens accepts in the Host header, beside those of this
            machine; "*" accepts any. The check stops web pages that point their own name at this machine.
        cors_origins: origins of other web pages that may send requests from a browser.
        log_texts: write texts into the log. Off by default, since texts may be private.
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
