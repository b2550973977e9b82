"""What to do, in the words of a home that starts its services itself and in those of a deployment.

Where Docker Compose or Kubernetes runs the services, `./sonoloop up` starts none and `./sonoloop logs` has
none to show. Whatever a finding advises about services is put together from what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.services.programs import REDIS, WORKER_TRAIN

IN_COMPOSE = {REDIS: "valkey", WORKER_TRAIN: "worker-train-cpu (or -gpu)"}
"""Services that docker-compose.yml calls otherwise."""


@dataclass(frozen=True)
class Advice:
    """One advice in both wordings; `+` appends another one, or words that are the same in both."""

    here: str = ""
    deployed: str = ""

    def __add__(self, more: Advice | str) -> Advice:
        more = same(more)
        return Advice(self.here + more.here, self.deployed + more.deployed)

    def __radd__(self, before: str) -> Advice:
        return same(before) + self

    def words(self, *, is_deployed: bool) -> str:
        """As the person who runs it can follow it."""
        return self.deployed if is_deployed else self.here


def same(words: Advice | str) -> Advice:
    """Words that speak of no service, for both."""
    return words if isinstance(words, Advice) else Advice(words, words)


NOTHING = Advice()
START = Advice("./sonoloop up", "docker compose up -d, or kubectl get pods")
START_IT = Advice("./sonoloop up starts it", "docker compose ps, or kubectl get pods, shows whether it runs")
START_ANEW = Advice(
    "./sonoloop down, then up", "docker compose up -d --force-recreate, or kubectl rollout restart"
)
STOP = Advice("./sonoloop down", "stop the services")
RENEW_LABEL_STUDIO = Advice(
    "./sonoloop down, remove .venv-label-studio, ./sonoloop up",
    "build the images of this version, and start those",
)
PUT_RIGHT = Advice(
    "./sonoloop up puts it right", "docker compose run --rm sonoloop up puts it right (docs/deployment.md)"
)
LOOK_ANEW = Advice(
    "./sonoloop down, then up, looks at all of them anew", "once a day all of them are looked at anew"
)
SEE_WHO_SENDS = Advice(
    "see logs backend and label-studio", "see docker compose logs backend label-studio, or kubectl logs"
)


def see_log(service: str, what: str = "") -> Advice:
    """Where a service tells of itself, and what it tells there."""
    here = f"./sonoloop logs {service}"
    deployed = f"docker compose logs {IN_COMPOSE.get(service, service)}, or kubectl logs"
    return _telling(here, deployed, what)


def see_logs(what: str, which: str = "") -> Advice:
    """The same of a service that the person has to choose; `which` stands for its name."""
    return _telling(f"./sonoloop logs {which}".rstrip(), "docker compose logs, or kubectl logs", what)


def _telling(here: str, deployed: str, what: str) -> Advice:
    return Advice(f"{here} {what}", f"{deployed}, {what}") if what else Advice(here, deployed)
