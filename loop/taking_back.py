"""Taking back what was drawn by a version that now proposes nothing: homes hold such drawings that began
before it was known that its class may be the wrong one, or whose settings were changed.
"""

from __future__ import annotations

from loop.following import Placed, Run
from loop.ingest import reconcile
from loop.ports import UnitOfWork
from loop.pushing import ingest_ports, read_placed, still_open
from loop.records import Drawn, Purpose
from loop.serving import proposes_nothing


def take_back_drawn(run: Run) -> None:
    """Remove a version's predictions from Label Studio where it drew on open frames and now proposes nothing,
    and make these order-only, each in its place: they are then pushed anew, with nothing drawn.

    Once: no open frame is drawn afterwards, and a run that was cut short does it again. What readers had
    submitted by then keeps what they were shown; what one has open at this moment counts as drawn from
    nothing.
    Raises Unavailable.
    """
    if not proposes_nothing(run.version, run.project) or not _drawn_and_open(run):
        return
    reconcile(ingest_ports(run), run.project.id)  # once the keys of its predictions are gone, it is too late
    drawn = _drawn_and_open(run)
    run.check_in()
    # Before our rows, which say that there is something to take back.
    run.ports.label_studio.withdraw_predictions(run.remote_id, run.version.name)
    with run.ports.database.write() as uow:
        uow.predictions.set_remote({row.id: None for row, _ in drawn})  # a pushed row would not change
        uow.predictions.put_many(
            run.version.id,
            [Drawn(frame.id, Purpose.ORDER_ONLY, None, row.uncertainty, row.place) for row, frame in drawn],
        )
        uow.commit()
    read_placed(run)


def _drawn_and_open(run: Run) -> list[Placed]:
    """Those that a reader may still be shown; not those that one was, for they say what that one saw."""
    drawn = [item for item in run.placed.values() if item[0].mask_digest is not None]
    if not drawn:
        return []
    open_frames = still_open(run, [frame for _, frame in drawn])
    with run.ports.database.read() as uow:
        return [item for item in drawn if item[1].id in open_frames and not _was_shown(uow, item)]


def _was_shown(uow: UnitOfWork, item: Placed) -> bool:
    row, frame = item
    return any(version.proposal_id == row.id for version in uow.masks.history(frame.id))
