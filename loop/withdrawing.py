"""Old predictions leave Label Studio once nobody can have one of them on a page any more.

A page's Submit names the prediction that it showed, and Label Studio refuses a key that is gone. So what a
version drew stays there until the last lock on it has run out and a day more; what the present version and
the one before it drew stays always, so that a rollback is a switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from loop.errors import LeaseLost, NotFound
from loop.following import PreannotatePorts, PreannotateRules, lease_of
from loop.leases import Lease
from loop.records import ModelVersion, Project
from loop.serving import served_history

REST = timedelta(hours=24)
KEPT = 2
"""The version that Label Studio serves, and its predecessor."""


def withdraw_outdated(
    ports: PreannotatePorts, rules: PreannotateRules, project_id: int, lock: timedelta
) -> list[ModelVersion]:
    """Remove the predictions of versions that left service a day and a `lock` ago; our own rows stay.

    Returns the versions whose predictions went; none while another run follows the champion, which might be
    bringing one of them back. A version that serves again later is pushed anew. Raises Unavailable, Denied,
    NotFound for a project of nobody.
    """
    lease = lease_of(ports, rules, project_id)
    try:
        with lease.kept():
            return _withdraw(ports, project_id, lease, lock)
    except LeaseLost:
        return []


def last_served(history: Sequence[tuple[int, datetime]]) -> dict[int, datetime]:
    """When each version of a serving history, (version, since) in order, left service for the last time.

    The present version and the one before it are left out; an empty history gives none.
    """
    kept = list(dict.fromkeys(version for version, _ in reversed(history)))[:KEPT]
    ends = pairwise(history)
    return {version: until for (version, _), (_, until) in ends if version not in kept}


def _withdraw(ports: PreannotatePorts, project_id: int, lease: Lease, lock: timedelta) -> list[ModelVersion]:
    gone: list[ModelVersion] = []
    project, outdated = _outdated(ports, project_id, ports.clock() - lock - REST)
    if project.label_studio_id is None:
        return gone
    for version in outdated:
        try:
            lease.renew()
            ports.label_studio.withdraw_predictions(project.label_studio_id, version.name)
        except (LeaseLost, NotFound):  # NotFound: the project was deleted there, and its predictions with it
            break
        with ports.database.write() as uow:
            uow.models.set_withdrawn(version.id, ports.clock())
            uow.commit()
        gone.append(version)
    return gone


def _outdated(
    ports: PreannotatePorts, project_id: int, limit: datetime
) -> tuple[Project, list[ModelVersion]]:
    with ports.database.read() as uow:
        project = uow.projects.get(project_id)
        left = last_served(served_history(uow, project_id))
        old = [uow.models.get(version) for version, until in left.items() if until <= limit]
    return project, [each for each in old if each.withdrawn_at is None and each.id != project.champion_id]
