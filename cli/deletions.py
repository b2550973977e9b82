"""How a mass deletion of labels is told, and the way back from it."""

from __future__ import annotations

from datetime import UTC

from loop.burials import MassDeletion


def way_back(mass: MassDeletion, project_id: int) -> str:
    """The command that brings the labels of a mass deletion back."""
    since = f"{mass.since.astimezone(UTC):%Y-%m-%dT%H:%M}"
    return f"./sonoloop label restore --since {since} --project {project_id}"


def describe_mass_deletion(mass: MassDeletion) -> str:
    """How many, of how many, and when."""
    return (
        f"{mass.count} of {mass.labels} labels were deleted in Label Studio within an hour from "
        f"{mass.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC on"
    )
