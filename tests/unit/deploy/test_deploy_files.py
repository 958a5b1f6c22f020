"""The files for a cluster: Ray's schemas read them, and what Ray and Kubernetes would pass over in silence is found."""

import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_type_hints

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from ray.serve._private import constants, default_impl, logging_utils
from ray.serve.schema import (
    DeploymentSchema,
    HTTPOptionsSchema,
    LoggingConfig,
    ServeApplicationSchema,
    ServeDeploySchema,
)

from serve.arguments import Arguments, Limits, Replicas
from serve.proxy import settings

SERVE = Path(__file__).parents[3] / "serve"
CONFIG, MANIFEST = (SERVE / "config.yaml").read_text(), (SERVE / "rayservice.yaml").read_text()
# The core reads these two in C++.
CORE = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
# Only for measuring, or not for a cluster.
UNSHOWN = {"batching", "log_texts"}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return yaml.safe_load(CONFIG)


@pytest.fixture(scope="module")
def kinds() -> dict[str, dict[str, Any]]:
    """The manifest's objects by kind, of which there is one each."""
    found = list(yaml.safe_load_all(MANIFEST))
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


@pytest.fixture(scope="module")
def cluster(kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return kinds["RayService"]["spec"]["rayClusterConfig"]


@pytest.fixture(scope="module")
def worker(cluster: dict[str, Any]) -> dict[str, Any]:
    return cluster["workerGroupSpecs"][0]["template"]


@pytest.fixture(scope="module")
def pods(cluster: dict[str, Any], worker: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["headGroupSpec"]["template"], worker]


def unknown(given: object, schema: type[BaseModel], place: str = "") -> Iterator[str]:
    """Keys of a Serve configuration that Ray would ignore."""
    parts = {
        "http_options": HTTPOptionsSchema,
        "logging_config": LoggingConfig,
        "applications": ServeApplicationSchema,
        "deployments": DeploymentSchema,
    }
    assert isinstance(given, dict)
    for key, value in given.items():
        if key not in schema.model_fields:
            yield f"{place}{key}"
        elif key in parts:
            for one in value if isinstance(value, list) else [value]:
                yield from unknown(one, parts[key], f"{place}{key}.")


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}


def test_ray_reads_the_configuration(config: dict[str, Any]) -> None:
    found = ServeDeploySchema.model_validate(config)
    assert (found.http_options.host, found.http_options.port) == ("0.0.0.0", 8000)
    assert [(app.name, app.route_prefix) for app in found.applications] == [("laud", "/")]


def test_no_key_of_the_configuration_is_ignored(config: dict[str, Any]) -> None:
    assert list(unknown(config, ServeDeploySchema)) == []


@pytest.mark.parametrize("place", ["port", "http_options.prot", "applications.argss", "applications.deployments.gpus"])
def test_a_key_that_ray_would_ignore_is_found(place: str) -> None:
    given: Any = 1
    for part in reversed(place.split(".")):
        given = {part: [given] if part in ("applications", "deployments") else given}
    ServeDeploySchema.model_validate({"applications": [], "port": 1})  # in silence
    assert list(unknown(given, ServeDeploySchema)) == [place]


def test_the_arguments_are_those_of_the_application(config: dict[str, Any]) -> None:
    (app,) = config["applications"]
    build = resolve_name(app["import_path"])
    assert get_type_hints(build)["arguments"] is Arguments
    found = Arguments.model_validate(app["args"])
    assert isinstance(found.replicas, Replicas)
    assert not found.allow_anonymous
    with pytest.raises(ValidationError, match="Extra inputs"):
        Arguments.model_validate({**app["args"], "replica": 2})


def test_every_argument_and_its_default_are_shown(config: dict[str, Any]) -> None:
    args = config["applications"][0]["args"]
    assert Arguments.model_fields.keys() - UNSHOWN == args.keys()
    assert Limits.model_validate(args["limits"]) == Limits()
    assert args["limits"].keys() == Limits.model_fields.keys()
    assert args["replicas"].keys() == Replicas.model_fields.keys()
    for name in ("engine", "batch_tokens", "threshold", "poll_s", "allow_anonymous"):
        assert args[name] == Arguments.model_fields[name].default, name


def test_the_application_can_be_built(config: dict[str, Any]) -> None:
    (app,) = config["applications"]
    built = resolve_name(app["import_path"])(Arguments.model_validate(app["args"]))
    assert built._bound_deployment.name == "laud"


def test_the_manifest_has_the_same_configuration(kinds: dict[str, dict[str, Any]]) -> None:
    told = kinds["RayService"]["spec"]["serveConfigV2"]
    assert told.rstrip() == CONFIG[CONFIG.index("proxy_location:") :].rstrip()


def test_ray_reads_every_environment_variable(pods: list[dict[str, Any]]) -> None:
    sources = "".join(Path(one.__file__).read_text() for one in (constants, default_impl, logging_utils))
    read = set(re.findall(r'"(RAY_[A-Z0-9_]+)"', sources)) | CORE
    said = set(re.findall(r"\bRAY_[A-Z0-9_]+", CONFIG + MANIFEST))
    assert said - read == {"RAY_DASHBOARD_ADDRESS"}  # of the command line
    assert {name for pod in pods for name in environment(pod)} <= read


def test_all_pods_have_the_environment_of_the_proxy(pods: list[dict[str, Any]]) -> None:
    assert [environment(pod) for pod in pods] == [settings(), settings()]
    assert settings(Limits().deadline_s) == settings()
    assert settings().keys() <= set(re.findall(r'"(RAY_[A-Z0-9_]+)"', Path(constants.__file__).read_text()))
    assert "python -m serve.proxy" in CONFIG


def test_ray_asks_for_a_token(cluster: dict[str, Any]) -> None:
    assert cluster["authOptions"] == {"mode": "token", "secretName": "laud-ray"}


def test_every_name_that_is_referred_to_exists(
    kinds: dict[str, dict[str, Any]], cluster: dict[str, Any], worker: dict[str, Any]
) -> None:
    made = dict(re.findall(r"kubectl create secret generic ([\w-]+) --from-\w+=(\w+)=", MANIFEST))
    assert made == {"laud-tokens": "tokens", "laud-ray": "auth_token"}
    assert cluster["authOptions"]["secretName"] in made
    volumes = {one["name"]: one for one in worker["spec"]["volumes"]}
    assert volumes["tokens"]["secret"]["secretName"] in made
    claim = volumes["runs"]["persistentVolumeClaim"]["claimName"]
    assert claim == kinds["PersistentVolumeClaim"]["metadata"]["name"]
    mounts = {one["name"]: one["mountPath"] for one in worker["spec"]["containers"][0]["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert {name for name, one in volumes.items() if "emptyDir" not in one} == {"tokens", "runs"}
    args = yaml.safe_load(kinds["RayService"]["spec"]["serveConfigV2"])["applications"][0]["args"]
    assert Path(args["run"]).parent == Path(mounts["runs"])
    # A whole folder is mounted: a single file (subPath) would never see the next tokens.
    assert args["tokens_file"] == f"{mounts['tokens']}/{made['laud-tokens']}"


def test_pods_that_open_the_run_stay_on_one_node(kinds: dict[str, dict[str, Any]], worker: dict[str, Any]) -> None:
    assert kinds["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    (rule,) = worker["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert rule["labelSelector"]["matchLabels"].items() <= worker["metadata"]["labels"].items()


def test_versions_are_those_that_are_installed(cluster: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    import ray

    import laud_ray

    assert cluster["rayVersion"] == ray.__version__
    assert set(re.findall(r"rayproject/ray:([\d.]+)", MANIFEST)) == {ray.__version__}
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {
        f"laud-serve:{laud_ray.__version__}@sha256:{'0' * 64}"
    }


def test_the_replicas_fit_into_the_worker(kinds: dict[str, dict[str, Any]], worker: dict[str, Any]) -> None:
    args = Arguments.model_validate(
        yaml.safe_load(kinds["RayService"]["spec"]["serveConfigV2"])["applications"][0]["args"]
    )
    assert isinstance(args.replicas, Replicas)
    container = worker["spec"]["containers"][0]
    assert args.replicas.max * args.cpus <= float(container["resources"]["limits"]["cpu"])
    assert {"name": "serve", "containerPort": 8000} in container["ports"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "serve"}
