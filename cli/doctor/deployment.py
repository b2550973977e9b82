"""What to do where Docker Compose or Kubernetes runs the services: there `./sonoloop up` starts none, and
`./sonoloop logs` has none to show.
"""

from __future__ import annotations

import re

SERVICES = "worker-light|beat|backend|label-studio"
INSTEAD = (
    (r"\./sonoloop down, remove \S+, \./sonoloop up", "build the images of this version, and start those"),
    (
        r"\./sonoloop up puts it right",
        "docker compose run --rm sonoloop up puts it right (docs/deployment.md)",
    ),
    (r"\./sonoloop down, then up", "docker compose up -d --force-recreate, or kubectl rollout restart"),
    (r"\./sonoloop down, then", "stop the services, then"),
    (r"\./sonoloop up starts it", "docker compose ps, or kubectl get pods, shows whether it runs"),
    (r"\./sonoloop logs redis", "docker compose logs valkey, or kubectl logs,"),
    (r"\./sonoloop logs worker-train", "docker compose logs worker-train-cpu (or -gpu), or kubectl logs,"),
    (r"see logs backend and label-studio", "see docker compose logs backend label-studio, or kubectl logs"),
    (rf"\./sonoloop logs ({SERVICES})", r"docker compose logs \1, or kubectl logs,"),
    (r"\./sonoloop logs(?: SERVICE)?", "docker compose logs, or kubectl logs,"),
    (r"\./sonoloop up", "docker compose up -d, or kubectl get pods"),
)
"""In this order: the longer words come first."""


def for_deployment(todo: str) -> str:
    """The same advice in the words of a deployment; what speaks of no service stays."""
    for ours, theirs in INSTEAD:
        todo = re.sub(ours, theirs, todo)
    return todo.rstrip(",").replace(",;", ";")
