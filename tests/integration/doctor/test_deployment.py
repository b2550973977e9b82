"""The doctor where Docker Compose or Kubernetes runs the services."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from adapters.home_files import SECRETS_FILE, read_env_file, remember_settings
from adapters.services.programs import BACKEND, BEAT, LABEL_STUDIO, REDIS, WORKER_LIGHT, WORKER_TRAIN
from adapters.services.secrets import DRAW
from adapters.settings import Settings
from cli.doctor import advice
from cli.doctor.advice import Advice, see_log, see_logs
from cli.doctor.findings import State
from cli.doctor.services import START_OR_SEE
from tests.conftest import ROOT
from tests.integration.doctor.homes import failing, found
from tests.machine import free_port

SERVICES = (REDIS, WORKER_LIGHT, WORKER_TRAIN, BEAT, BACKEND, LABEL_STUDIO)
OF_A_HOME = re.compile(r"\./sonoloop (up|down|logs)|see logs")
"""Commands for services that the home itself starts."""


@pytest.fixture
def deployed(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Its secrets are variables of the container; nothing answers at its addresses."""
    remember_settings(
        home.root,
        {
            "services": "elsewhere",
            "redis_url": f"redis://127.0.0.1:{free_port()}/0",
            "backend_url": f"http://127.0.0.1:{free_port()}",
            "label_studio_url": f"http://127.0.0.1:{free_port()}",
        },
    )
    for name, value in read_env_file(home.root / SECRETS_FILE).items():
        if name != "LABEL_STUDIO_SECRET_KEY":
            monkeypatch.setenv(name, value)
    (home.root / SECRETS_FILE).unlink()
    return home


def test_secrets_that_are_variables_are_well(deployed: Settings) -> None:
    finding = found(deployed)["secrets"]
    assert (finding.state, finding.got) == (State.OK, "5 secrets from the environment")


@pytest.mark.parametrize("name", sorted(name for name in DRAW if name.startswith("SONOLOOP_")))
def test_a_variable_that_is_missing_is_named(
    deployed: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    said = failing(deployed, "secrets")
    assert name in said
    assert not [other for other in DRAW if other != name and other in said]
    assert "./sonoloop up" not in said


def test_a_file_of_secrets_is_taken_there_too_but_not_when_others_may_read_it(home: Settings) -> None:
    remember_settings(home.root, {"services": "elsewhere"})
    assert found(home)["secrets"].state is State.OK
    (home.root / SECRETS_FILE).chmod(0o644)
    assert "mode 644" in failing(home, "secrets")


def test_no_line_tells_to_start_or_to_look_at_services_that_are_not_here(deployed: Settings) -> None:
    findings = found(deployed)
    failed = {name for name, each in findings.items() if each.state is State.FAIL}
    assert {"redis", "ml backend"} <= failed
    for name in ("redis", "ml backend"):
        assert "docker compose ps, or kubectl get pods" in findings[name].todo
    assert not [name for name, each in findings.items() if "./sonoloop up" in each.todo]
    assert not [name for name, each in findings.items() if "./sonoloop logs" in each.todo]


def sayings() -> Iterator[tuple[str, str]]:
    """File and text of whatever the doctor's modules put into words; docstrings are none."""
    for path in sorted((ROOT / "cli" / "doctor").glob("*.py")):
        tree = ast.parse(path.read_text())
        unsaid = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unsaid:
                yield path.name, node.value


def all_advice() -> dict[str, Advice]:
    """By name whatever can be advised about services."""
    made = {name: each for name, each in vars(advice).items() if isinstance(each, Advice) and each.here}
    made |= {f"log of {each}": see_log(each, "says why") for each in SERVICES}
    return made | {"logs": see_logs("says why"), "log of one": see_logs("says why", "SERVICE")}


def test_whatever_a_finding_says_of_services_comes_from_what_knows_both_wordings() -> None:
    others = [(name, text) for name, text in sayings() if name != "advice.py" and OF_A_HOME.search(text)]
    assert others == [("label_studio.py", "as ./sonoloop up made it")], "a need, which is so everywhere"
    assert len([each for each in sayings() if OF_A_HOME.search(each[1])]) > 6, "it does look"


@pytest.mark.parametrize("name", sorted(all_advice()))
def test_no_advice_for_a_deployment_speaks_of_services_that_the_home_would_start(name: str) -> None:
    given = all_advice()[name]
    assert OF_A_HOME.search(given.words(is_deployed=False))
    assert given.words(is_deployed=True)
    assert not OF_A_HOME.search(given.words(is_deployed=True))


def test_the_words_for_a_deployment() -> None:
    assert see_log(WORKER_LIGHT, "says why").deployed == (
        "docker compose logs worker-light, or kubectl logs, says why"
    )
    assert START_OR_SEE.deployed == (
        "docker compose ps, or kubectl get pods, shows whether it runs; "
        "docker compose logs, or kubectl logs, says why it ended"
    )


@pytest.mark.parametrize("ours", SERVICES)
def test_the_services_that_are_named_are_those_of_the_deployment(ours: str) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    named = re.search(r"compose logs ([a-z-]+)", see_log(ours).deployed)
    assert named is not None
    assert f"\n  {named[1]}:" in compose
