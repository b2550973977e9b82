"""Whether many labels were deleted in Label Studio at once."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.deletions import describe_mass_deletion, way_back
from cli.doctor.findings import Check, Finding, ok, warn
from cli.doctor.installation import Installation
from loop.burials import find_mass_deletion
from loop.returns import list_returns


def deletions(installation: Installation) -> Finding:
    """None of the last days that is not made good; nothing is stopped by one, for it may have been meant."""
    now = datetime.now(UTC)
    with installation.unit() as uow:
        for project in uow.projects.list():
            latest = uow.masks.latest_of_all(project.id)
            if found := find_mass_deletion(latest, list_returns(uow), now):
                got = f"project {project.id}: {describe_mass_deletion(found)}"
                todo = f"if that was not meant: {way_back(found, project.id)}"
                return warn(got, "few at a time", todo)
    return ok("not many labels at once")


CHECKS = (Check("deletions", deletions, after=("database",)),)
