"""The application as Ray Serve deploys it: `laud serve`, `serve deploy serve/config.yaml`, or a RayService."""

import logging
import sys
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.schema import LoggingConfig

from laud_ray.errors import ConfigError, EngineError
from serve.api import make_api
from serve.arguments import Arguments, Replicas
from serve.guard import Guard
from serve.service import Service
from serve.telemetry import DIRECTORY, directory_of
from serve.tokens import ENVIRONMENT, Tokens

NAME = "laud"
# Seconds between health checks of a replica by Ray Serve, and the timeout of each. A replica is replaced after three
# failed checks, so one that hangs is detected within 3 * CHECK_ANSWER_S + CHECK_S.
CHECK_S, CHECK_ANSWER_S = 1, 3
# Seconds after which a thread that waits for the interpreter gets it. The scoring thread needs it a hundred times in a
# batch, and with the default it would wait 5 ms each time while requests arrive.
SWITCH_S = 0.00005


@serve.ingress()
class Endpoint:
    """One replica: HTTP, batching and the model in one process, so that no data is sent between processes."""

    def __init__(self, arguments: Arguments) -> None:
        sys.setswitchinterval(SWITCH_S)
        self._tokens = Tokens.open(arguments.tokens_file)
        if not self._tokens.any and not arguments.allow_anonymous:
            raise ConfigError(
                f"no token is set; expected some in {ENVIRONMENT} or tokens_file, or allow_anonymous: true"
            )
        log = logging.getLogger("ray.serve.laud")
        # Ray Serve silences its own logger while an application starts, but the log should show what is loaded.
        log.setLevel(logging.INFO)
        self._service = Service(arguments, log)

    def check_health(self) -> None:
        """The health check of Ray Serve, which replaces a replica that fails it.

        Raises:
            EngineError: if the engine can no longer score.
        """
        failure = self._service.failure
        if failure is not None:
            raise EngineError(failure)

    def __serve_build_asgi_app__(self) -> Guard:
        # Ray Serve adds the request id to every response itself.
        return make_api(self._service, self._tokens, name_requests=False)


def build(arguments: Arguments) -> Application:
    """Create the application. Ray Serve validates the arguments in its configuration file by the annotated type."""
    limits, replicas = arguments.limits, arguments.replicas
    options: dict[str, Any] = {
        "ray_actor_options": {
            "num_cpus": arguments.cpus,
            "num_gpus": arguments.gpus,
            # All replicas on a node share a folder of metrics, whose path must be set before they start.
            "runtime_env": {"env_vars": {DIRECTORY: directory_of(arguments.run)}},
        },
        # The replica itself refuses requests under overload, since it has the number of waiting texts and their rate.
        "max_ongoing_requests": 2 * limits.queue_texts,
        "max_queued_requests": 2 * limits.queue_texts,
        "backpressure_config": {"status_code": 429, "retry_after_s": 1},
        "graceful_shutdown_timeout_s": limits.deadline_s + 5,
        "health_check_period_s": CHECK_S,
        "health_check_timeout_s": CHECK_ANSWER_S,
        "logging_config": LoggingConfig(encoding="JSON", enable_access_log=False),
    }
    if isinstance(replicas, Replicas):
        options["autoscaling_config"] = {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "target_ongoing_requests": replicas.target_ongoing,
        }
    else:
        options["num_replicas"] = replicas
    endpoint: Any = serve.deployment(name=NAME, **options)(Endpoint)
    application: Application = endpoint.bind(arguments)
    return application
