"""The files for clusters and their jobs: Ray's and Kubernetes' own schemas read them, and nothing in them is ignored.

Not covered: the custom resources of KubeRay themselves, whose OpenAPI schema is in no package. FIELDS holds the fields
of ray.io/v1 that are used, from ray-operator/apis/ray/v1/{raycluster,rayjob,rayservice}_types.go of KubeRay; a cluster
with the operator says more: `kubectl apply --dry-run=server`. And whether AWS has what cluster.yaml asks for.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

import laud_ray
from laud_ray.cli.output import EXIT_PERSON, EXIT_WAITING
from laud_ray.cluster.metrics import COUNTERS, GAUGES

ROOT = Path(__file__).parents[3]
FILES = (
    "jobs/rayjob-active-loop.yaml",
    "jobs/rayjob-relabel.yaml",
    "jobs/cronjob-update.yaml",
    "serve/rayservice.yaml",
)
JOBS, NIGHTLY = FILES[:2], FILES[2]
CLUSTER = (ROOT / "cluster.yaml").read_text()
DASHBOARD = json.loads((ROOT / "jobs" / "grafana.json").read_text())

POD, TEXTS = "pod", {"*": str}
GROUP: dict[str, Any] = {"template": POD, "resources": TEXTS, "labels": TEXTS, "rayStartParams": TEXTS}
CLUSTER_FIELDS: dict[str, Any] = {
    "rayVersion": str,
    "authOptions": {"mode": {"disabled", "token"}, "secretName": str},
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": {
        "version": {"v1", "v2"},
        "upscalingMode": {"Default", "Aggressive", "Conservative"},
        "idleTimeoutSeconds": int,
        "securityContext": {"allowPrivilegeEscalation": bool, "capabilities": {"drop": [str]}},
    },
    "headGroupSpec": GROUP | {"serviceType": str},
    "workerGroupSpecs": [
        GROUP | {"groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, "idleTimeoutSeconds": int}
    ],
}
FIELDS: dict[str, Any] = {
    "RayJob": {
        "entrypoint": str,
        "entrypointNumCpus": (int, float),
        "submissionMode": {"K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"},
        "backoffLimit": int,
        "activeDeadlineSeconds": int,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "rayClusterSpec": CLUSTER_FIELDS,
    },
    "RayCluster": CLUSTER_FIELDS,
    "RayService": {
        "serveConfigV2": str,
        "upgradeStrategy": {"type": {"None", "NewCluster", "NewClusterWithIncrementalUpgrade"}},
        "excludeHeadPodFromServeSvc": bool,
        "rayClusterConfig": CLUSTER_FIELDS,
    },
}


def objects(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / file).read_text()))


def custom(file: str) -> dict[str, Any]:
    (found,) = (one for one in objects(file) if one["apiVersion"] == "ray.io/v1")
    return found


def cluster_of(file: str) -> dict[str, Any]:
    spec = custom(file)["spec"]
    return spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec


def policy_of(file: str) -> dict[str, Any]:
    (policy,) = (one["spec"] for one in objects(file) if one["kind"] == "NetworkPolicy")
    return policy


def groups(file: str) -> list[dict[str, Any]]:
    cluster = cluster_of(file)
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def faults(given: Any, expected: Any, place: str) -> Iterator[str]:
    """What of a custom resource the operator would refuse or ignore."""
    if expected == POD:
        try:
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}} | given
            kubernetes_validate.validate(pod, "1.33", strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{place}: {error.message}"
    elif isinstance(expected, dict) and isinstance(given, Mapping):
        for key, value in given.items():
            if key not in expected and "*" not in expected:
                yield f"{place}.{key}: unknown"
            else:
                yield from faults(value, expected.get(key, expected.get("*")), f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(given, list):
        for one in given:
            yield from faults(one, expected[0], f"{place}[]")
    elif isinstance(expected, set):
        if given not in expected:
            yield f"{place}: {given!r}"
    elif isinstance(expected, dict | list) or not isinstance(given, expected) or (given is True and expected is int):
        yield f"{place}: {given!r}"


@pytest.mark.parametrize("file", FILES)
def test_the_operator_knows_every_field(file: str) -> None:
    found = custom(file)
    assert list(faults(found["spec"], FIELDS[found["kind"]], found["kind"])) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("backofLimit", 3),
        ("backoffLimit", "3"),
        ("submissionMode", "HttpMode"),
        ("rayClusterSpec", {"workerGroupSpecs": [{"maxWorkers": 3}]}),
        ("rayClusterSpec", {"headGroupSpec": {"template": {"spec": {"containers": [{"name": "a", "imag": "b"}]}}}}),
        ("rayClusterSpec", {"headGroupSpec": {"rayStartParams": {"num-cpus": 0}}}),
    ],
)
def test_a_mistake_is_found(place: str, value: Any) -> None:
    assert len(list(faults({place: value}, FIELDS["RayJob"], "RayJob"))) == 1


@pytest.mark.parametrize("file", FILES)
def test_kubernetes_knows_all_else(file: str) -> None:
    plain = [one for one in objects(file) if one["apiVersion"] != "ray.io/v1"]
    assert plain
    for one in plain:
        kubernetes_validate.validate(one, "1.33", strict=True)


@pytest.mark.parametrize("file", FILES)
def test_it_is_the_cluster_that_it_says(file: str) -> None:
    import ray

    cluster = cluster_of(file)
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"] == {"mode": "token", "secretName": "laud-ray"}
    assert len({group.get("groupName") for group in groups(file)}) == len(groups(file))
    for group in groups(file):
        assert group["labels"]["laud.run/pool"] == group.get("groupName", "head")
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"].split(":")[1].startswith(laud_ray.__version__)
        assert container["resources"]["requests"].get("nvidia.com/gpu") == container["resources"]["limits"].get(
            "nvidia.com/gpu"
        )
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@pytest.mark.parametrize("file", JOBS)
def test_a_job_runs_a_script_of_ours_and_ends_with_its_cluster(file: str) -> None:
    spec = custom(file)["spec"]
    (script,) = re.findall(r"/opt/laud/(\S+\.py)", spec["entrypoint"])
    assert (ROOT / script).is_file()
    assert spec["submissionMode"] == "HTTPMode"
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"]
    assert spec["ttlSecondsAfterFinished"] > 0
    workers = {group["groupName"]: group for group in spec["rayClusterSpec"]["workerGroupSpecs"]}
    assert workers.keys() == {"cpu", "gpu"}
    assert spec["rayClusterSpec"]["enableInTreeAutoscaling"]
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    gpu = workers["gpu"]["template"]["spec"]
    assert gpu["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in gpu["tolerations"]
    for volume in spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"].get("volumes", []):
        if "emptyDir" not in volume:
            assert volume["configMap"]["name"] in (ROOT / file).read_text().split("kind:")[0]


@pytest.mark.parametrize("file", [*JOBS, NIGHTLY])
def test_every_secret_is_explained_and_none_is_written_down(file: str) -> None:
    text = (ROOT / file).read_text()
    made = set(re.findall(r"kubectl create secret generic ([\w-]+)", text))
    used = {cluster_of(file)["authOptions"]["secretName"]}
    for group in groups(file):
        for container in group["template"]["spec"]["containers"]:
            used |= {one["secretRef"]["name"] for one in container["envFrom"]}
            assert "env" not in container
    assert used == made
    assert not [one for one in objects(file) if one["kind"] == "Secret"]


@pytest.mark.parametrize("file", FILES)
def test_the_head_is_reached_by_its_pods_and_the_operator_alone(file: str) -> None:
    policy = policy_of(file)
    chosen = policy["podSelector"]["matchLabels"]
    for group in groups(file):
        assert chosen.items() <= group["template"]["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"][0] == {"from": [{"podSelector": {"matchLabels": chosen}}]}
    reached = {one["port"]: rule.get("from") for rule in policy["ingress"][1:] for one in rule["ports"]}
    assert not reached.keys() & {6379, 10001, 8076, 9101, 8404}
    (operator,) = reached[8265]
    assert operator["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}}
    assert reached.keys() == ({8265, 8000} if "serve" in file else {8265, 8080})
    # What others reach without a token is for Prometheus.
    assert "serve" in file or reached[8080] == [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
    ]


@pytest.mark.parametrize("file", FILES)
def test_pods_reach_no_more_than_they_need(file: str) -> None:
    """DNS and each other; jobs also the store, the database and Kubernetes; nobody the credentials of the machine."""
    policy = policy_of(file)
    within, names, *outside = policy["egress"]
    assert within == {"to": [{"podSelector": policy["podSelector"]}]}
    assert {one["port"] for one in names["ports"]} == {53}
    assert [sorted(one["port"] for one in rule["ports"]) for rule in outside] == (
        [] if "serve" in file else [[443, 6443], [5432]]
    )
    for rule in outside:
        (place,) = (one["ipBlock"] for one in rule["to"])
        assert place["cidr"] != "0.0.0.0/0" or place["except"] == ["169.254.0.0/16"]


@pytest.mark.parametrize("file", FILES)
def test_pods_have_no_more_rights_than_they_need(file: str) -> None:
    for group in groups(file):
        spec = group["template"]["spec"]
        own = spec["securityContext"]
        assert own["runAsNonRoot"] is True
        assert (own["runAsUser"], own["runAsGroup"]) == (1000, 100)
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in spec
        # Only the autoscaler, which runs beside the head, asks Kubernetes for anything.
        autoscaled = (
            cluster_of(file).get("enableInTreeAutoscaling", False) and group["labels"]["laud.run/pool"] == "head"
        )
        assert spec["automountServiceAccountToken"] is autoscaled
        volumes = {one["name"]: one for one in spec["volumes"]}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            # Where Ray and the libraries write.
            places = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
            needed = {"/tmp", "/home/ray/.cache"}
            if "nvidia.com/gpu" in container["resources"]["limits"]:
                needed |= {"/home/ray/.config", "/home/ray/.triton"}
            assert needed <= {place for place, volume in places.items() if "emptyDir" in volume}
    if options := cluster_of(file).get("autoscalerOptions"):
        assert options["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("file", FILES)
def test_images_are_named_by_a_digest_that_must_be_filled_in(file: str) -> None:
    for group in groups(file):
        (container,) = group["template"]["spec"]["containers"]
        assert re.fullmatch(rf"laud(-serve)?:{laud_ray.__version__}(-gpu)?@sha256:0{{64}}", container["image"])
    assert "the digest that `docker push` prints" in " ".join((ROOT / file).read_text().replace("#", "").split())


@pytest.mark.parametrize("file", [*JOBS, NIGHTLY])
def test_a_secret_is_given_to_those_who_need_it_alone(file: str) -> None:
    given = [
        {one["secretRef"]["name"] for one in group["template"]["spec"]["containers"][0]["envFrom"]}
        for group in groups(file)
    ]
    assert given == [{"laud-storage", "laud-driver"}, {"laud-storage"}, {"laud-storage"}]
    told = (ROOT / file).read_text()
    driver = told[told.index("generic laud-driver") :].split("\n#\n")[0]
    assert "PGPASSWORD" in driver
    assert "OPENAI_API_KEY" in driver


def test_a_night_is_one_update_whose_exit_code_is_heeded(tmp_path: Path) -> None:
    """The script of the CronJob is run with a `laud` that ends as an update may end."""
    (nightly,) = (one["spec"] for one in objects(NIGHTLY) if one["kind"] == "CronJob")
    assert nightly["concurrencyPolicy"] == "Forbid"
    job = nightly["jobTemplate"]["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule == {
        "action": "FailJob",
        "onExitCodes": {"containerName": "submit", "operator": "In", "values": [2, EXIT_PERSON]},
    }
    pod = job["template"]
    assert pod["spec"]["restartPolicy"] == "Never"  # which a podFailurePolicy needs
    assert policy_of(NIGHTLY)["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    assert re.fullmatch(rf"laud:{laud_ray.__version__}@sha256:0{{64}}", container["image"])
    (tmp_path / "laud").write_text('#!/bin/sh\necho "$@" >> "$TOLD"\nexit $CODE\n')
    (tmp_path / "laud").chmod(0o755)
    for code, ends in ((0, 0), (EXIT_WAITING, 0), (EXIT_PERSON, EXIT_PERSON), (2, 2), (1, 1)):
        told = tmp_path / f"told-{code}"
        told.touch()
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TOLD": str(told), "CODE": str(code)}
        assert subprocess.run([*container["command"], *container["args"]], env=environment).returncode == ends
        assert told.read_text().split() == [
            *("submit", "--again", "--address", f"http://{custom(NIGHTLY)['metadata']['name']}-head-svc:8265"),
            *("--working-dir", "/opt/laud", "jobs/update.py", "--", *container["args"]),
        ]
    assert (ROOT / "jobs/update.py").is_file()


@pytest.fixture(scope="module")
def launcher() -> dict[str, Any]:
    """cluster.yaml as Ray's cluster launcher reads it."""
    found: dict[str, Any] = prepare_config(yaml.safe_load(CLUSTER))
    validate_config(found)
    return found


def test_the_launcher_reads_the_cluster(launcher: dict[str, Any]) -> None:
    types = launcher["available_node_types"]
    assert types[launcher["head_node_type"]]["resources"]["CPU"] == 0
    assert launcher["max_workers"] >= sum(one["max_workers"] for one in types.values() if "max_workers" in one)
    spot = {
        name: one["node_config"].get("InstanceMarketOptions", {}).get("MarketType") == "spot"
        for name, one in types.items()
    }
    assert spot == {"head": False, "cpu": True, "gpu": True, "gpu-on-demand": False}
    for name, one in types.items():
        assert one["labels"]["laud.run/pool"] in name
        market = one["labels"].get("ray.io/market-type")
        assert market == (None if name == "head" else "spot" if spot[name] else "on-demand")
        assert one["min_workers"] == 0
        assert ("GPU" in one["resources"]) == name.startswith("gpu")
        assert one.get("docker", {}).get("worker_image", "").endswith("-gpu") == name.startswith("gpu")


def test_the_launcher_refuses_what_it_does_not_know() -> None:
    import jsonschema

    given = yaml.safe_load(CLUSTER)
    given["available_node_types"]["cpu"]["max_worker"] = 3
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(prepare_config(given))


def test_nodes_ask_for_the_token_and_have_the_secrets(launcher: dict[str, Any]) -> None:
    assert "--env RAY_AUTH_MODE=token" in launcher["docker"]["run_options"]
    assert launcher["file_mounts"]["/home/ray/.ray/auth_token"].endswith("/.ray/auth_token")
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        start = launcher[key][-1]
        assert start.index(". /home/ray/laud.env") < start.index("ray start")
        assert "--metrics-export-port=8080" in start
    assert "--dashboard-host=127.0.0.1" in launcher["head_start_ray_commands"][-1]
    (rule,) = launcher["provider"]["security_group"]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert all(one["CidrIp"] != "0.0.0.0/0" for one in rule["IpRanges"])


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    text = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    shown = set(re.findall(r"\bray_laud_job_\w+", text))
    assert shown == {f"ray_{name}" for name in GAUGES} | {f"ray_{name}_total" for name in COUNTERS}


def test_every_label_in_the_dashboard_is_one_that_the_metric_has() -> None:
    known = {f"ray_{name}": {"kind", "run", *more} for name, (_, more) in GAUGES.items()}
    known |= {f"ray_{name}_total": {"kind", "run", *more} for name, (_, more) in COUNTERS.items()}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            (name, *_) = re.findall(r"\bray_laud_job_\w+", target["expr"])
            used = [label for group in re.findall(r" by \(([^)]*)\)", target["expr"]) for label in group.split(", ")]
            used += re.findall(r"(\w+)=~?\"", target["expr"])
            assert set(used) <= known[name], target["expr"]
            assert target["expr"].count("(") == target["expr"].count(")")


def test_the_dashboard_can_be_imported_anywhere() -> None:
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${datasource}"}
