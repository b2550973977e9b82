"""The Kubernetes manifests: valid by the schema, closed by default, the services of docker-compose.yml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from adapters.services.env_file import DRAW

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
DOCUMENTS: list[dict[str, Any]] = [item for path in FILES for item in yaml.safe_load_all(path.read_text())]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
VERSION = "1.35"
"""Of the Kubernetes API, in the oldest release that is still looked after."""

BACKEND = "backend.sonoloop.svc.cluster.local"
SECRET = re.compile(r"\$\{([A-Z0-9_]+):\?[^}]*\}")
CHOICE = re.compile(r"\$\{([A-Z0-9_]+):-[^}]*\}")

Workload = dict[str, Any]


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in DOCUMENTS if item["kind"] in kinds}


WORKLOADS = of_kind("Deployment", "StatefulSet")
JOBS = of_kind("CronJob", "Job")
"""Each is the service `sonoloop` of docker-compose.yml with one command."""


def pod(name: str) -> dict[str, Any]:
    spec = (WORKLOADS | JOBS)[name]["spec"]
    found: dict[str, Any] = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
    return found


def in_compose(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["sonoloop" if name in JOBS else name]
    return found


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return dict(found)


def environment(name: str) -> dict[str, str]:
    """As docker-compose.yml would write it: `${NAME:?}` for a secret, `${NAME:-}` for a choice."""
    given: dict[str, str] = {}
    for item in container(name).get("env", []):
        source = item.get("valueFrom", {})
        if "secretKeyRef" in source:
            assert source["secretKeyRef"]["name"] == "sonoloop"
            given[item["name"]] = f"${{{source['secretKeyRef']['key']}:?}}"
        elif "configMapKeyRef" in source:
            given[item["name"]] = f"${{{source['configMapKeyRef']['key']}:-}}"
        else:
            given[item["name"]] = re.sub(r"\$\(([A-Z0-9_]+)\)", r"${\1:?}", item["value"])
    return given


def compose_environment(name: str) -> dict[str, str]:
    given = {key: str(value).strip() for key, value in in_compose(name).get("environment", {}).items()}
    short = {key: CHOICE.sub(r"${\1:-}", SECRET.sub(r"${\1:?}", value)) for key, value in given.items()}
    return {key: value.replace("backend.internal", BACKEND) for key, value in short.items()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_a_manifest_is_valid_by_the_schema(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_the_same_services_run_as_in_docker_compose() -> None:
    by_cluster = {"folders", "proxy", "flower", "sonoloop"}  # volumes, ingress and kubectl do their work
    assert set(WORKLOADS) == set(COMPOSE) - by_cluster - monitoring()


def monitoring() -> set[str]:
    return {name for name, service in COMPOSE.items() if "monitoring" in service.get("profiles", [])}


@pytest.mark.parametrize("name", sorted(WORKLOADS | JOBS))
def test_a_service_runs_the_same_image_and_command_in_the_same_environment(name: str) -> None:
    there, here = in_compose(name), container(name)
    image = re.sub(r"\$\{TORCH[^}]*\}", "gpu" if name == "worker-train-gpu" else "cpu", there["image"])
    assert here["image"] == image
    if name in WORKLOADS:
        assert here.get("command") == there.get("entrypoint", there.get("command"))
    own = {"PGDATA", "USER_ADDITIONAL_BANNED_SUBNETS"}  # a volume's folder; the cluster's own networks
    ours, theirs = environment(name), compose_environment(name)
    parts = {key for key in ours if ours[key] == f"${{{key}:?}}" and key not in theirs}  # of a longer value
    assert {key: ours[key] for key in set(ours) - own - parts} == {
        key: theirs[key] for key in set(theirs) - own
    }
    assert all(f"${{{key}:?}}" in str(list(theirs.values())) for key in parts)


@pytest.mark.parametrize("name", sorted(WORKLOADS | JOBS))
def test_a_pod_can_do_little_beside_its_work(name: str) -> None:
    around, inside = pod(name)["securityContext"], container(name)["securityContext"]
    assert around["runAsNonRoot"] is True
    assert str(around["runAsUser"]) == in_compose(name)["user"].split(":")[0]
    assert around["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["enableServiceLinks"] is False, "LABEL_STUDIO_PORT would come from a service's name"


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_pod_is_asked_for_its_health_and_has_limits(name: str) -> None:
    here = container(name)
    assert "readinessProbe" in here
    assert {"cpu", "memory"} <= set(here["resources"]["requests"])
    assert "memory" in here["resources"]["limits"]
    check = COMPOSE[name]["healthcheck"]["test"]
    if check[:2] == ["CMD", "python"] and "-m" in check:
        assert here["readinessProbe"]["exec"]["command"] == check[1:]
        assert "livenessProbe" not in here, "a training must not be killed because Valkey is away"


def test_where_cores_are_wanted_readers_come_before_drawing_and_training() -> None:
    """A pod's share of a busy machine is what it requests."""
    asked = {name: container(name)["resources"]["requests"]["cpu"] for name in WORKLOADS}
    assert [name for name, cpu in asked.items() if not re.fullmatch(r"\d+m", cpu)] == []
    share = {name: int(cpu[:-1]) for name, cpu in asked.items()}
    readers = min(share[name] for name in ("label-studio", "postgres", "backend"))
    working = ("worker-light", "worker-train-cpu", "worker-train-gpu")
    assert max(share[name] for name in working) < readers
    assert sum(share.values()) - share["worker-train-gpu"] <= 4000, "a machine of 4 cores holds all of them"
    assert [name for name in WORKLOADS if "cpu" in container(name)["resources"]["limits"]] == []


def test_a_job_mounts_what_the_command_of_docker_compose_does_and_writes_where_it_does() -> None:
    compose = {str(volume).rsplit(":", 1)[1] for volume in COMPOSE["sonoloop"]["volumes"]}
    for name in JOBS:
        assert {mount["mountPath"] for mount in container(name)["volumeMounts"]} == compose | {"/tmp"}  # noqa: S108
        words = " ".join(container(name)["command"])
        assert re.search(rf"python -m cli {name} \"?/backup/.+\.tar", words)
        assert pod(name)["restartPolicy"] == "Never"


def test_only_the_gpu_worker_asks_for_a_gpu() -> None:
    asking = [name for name in WORKLOADS if "nvidia.com/gpu" in container(name)["resources"]["limits"]]
    assert asking == ["worker-train-gpu"]


@pytest.mark.parametrize("name", sorted(WORKLOADS | JOBS))
def test_what_a_pod_mounts_exists(name: str) -> None:
    volumes = {volume["name"]: volume for volume in pod(name)["volumes"]}
    templates = {
        item["metadata"]["name"] for item in (WORKLOADS | JOBS)[name]["spec"].get("volumeClaimTemplates", [])
    }
    mounted = {mount["name"] for mount in container(name)["volumeMounts"]}
    assert mounted == set(volumes) | templates
    claims = [
        volume["persistentVolumeClaim"] for volume in volumes.values() if "persistentVolumeClaim" in volume
    ]
    assert {claim["claimName"] for claim in claims} <= set(of_kind("PersistentVolumeClaim"))


def test_the_scripts_are_those_of_docker_compose() -> None:
    data = of_kind("ConfigMap")["sonoloop-scripts"]["data"]
    assert data == {name: (ROOT / "deploy" / name).read_text() for name in data}
    mounted = {
        item["key"] for name in WORKLOADS for volume in pod(name)["volumes"] for item in items_of(volume)
    }
    assert mounted == set(data)


def items_of(volume: dict[str, Any]) -> list[dict[str, str]]:
    items: list[dict[str, str]] = volume.get("configMap", {}).get("items", [])
    return items


def test_every_choice_has_its_value_and_every_secret_is_drawn() -> None:
    values = [value for name in WORKLOADS for value in environment(name).values()]
    choices = {found for value in values for found in re.findall(r"\$\{([A-Z0-9_]+):-\}", value)}
    secrets = {found for value in values for found in re.findall(r"\$\{([A-Z0-9_]+):\?\}", value)}
    assert choices == set(of_kind("ConfigMap")["sonoloop"]["data"])
    assert secrets == set(DRAW) - {"MONITORING_PASSWORD"}
    assert of_kind("Secret") == {}, "secrets come from a file that is not here"


def test_everything_is_closed_that_is_not_opened() -> None:
    policies = of_kind("NetworkPolicy")
    deny = policies["default-deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = {name for name, item in policies.items() if "egress" in item["spec"]}
    assert opened == {"names", "app", "label-studio"}, "nobody else calls anybody"
    for item in policies.values():
        for rule in [*item["spec"].get("ingress", []), *item["spec"].get("egress", [])]:
            assert rule["ports"]
            assert rule.get("from") or rule.get("to")
            assert "ipBlock" not in str(rule), "nothing reaches the world"


def test_the_ingress_leads_to_nothing_that_is_for_developers() -> None:
    (rule,) = of_kind("Ingress")["sonoloop"]["spec"]["rules"]
    leads = {each["path"]: each["backend"]["service"]["name"] for each in rule["http"]["paths"]}
    developers = {"metrics", "django-rq", "admin", "docs", "swagger", "version", "trigger500", "samples"}
    assert leads == {"/": "label-studio"} | {f"/{name}": "closed" for name in developers}
    assert "closed" not in of_kind("Service")


def test_a_policy_names_labels_that_pods_have() -> None:
    labels = [WORKLOADS[name]["spec"]["template"]["metadata"]["labels"] for name in WORKLOADS]
    known = {(key, value) for each in labels for key, value in each.items()}
    named = set(re.findall(r"'(sonoloop/part|app.kubernetes.io/name)': '([a-z-]+)'", str(selectors())))
    assert named <= known


def selectors() -> list[Any]:
    return [item["spec"] for item in of_kind("NetworkPolicy").values()]


def test_a_service_leads_to_the_port_of_its_pod() -> None:
    for name, item in of_kind("Service").items():
        (port,) = item["spec"]["ports"]
        assert item["spec"]["selector"] == {"app.kubernetes.io/name": name}
        assert {"containerPort": port["targetPort"]} in container(name)["ports"]


def test_everything_is_applied_but_what_a_person_chooses() -> None:
    left_out = {path.name for path in FILES} - set(KUSTOMIZATION["resources"])
    assert left_out == {"worker-train-gpu.yaml", "restore.yaml"}
    assert set(KUSTOMIZATION["resources"]) <= {path.name for path in FILES}
    assert KUSTOMIZATION["secretGenerator"] == [{"name": "sonoloop", "envs": ["secrets.env"]}]
