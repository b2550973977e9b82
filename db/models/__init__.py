"""The tables as typed SQLAlchemy models; columns are named like the fields of the records in `loop`."""

from db.models.base import Base
from db.models.catalogue import FrameRow, ProjectRow, ReaderRow
from db.models.labels import MaskVersionRow, PredictionRow, SelectionEntryRow, SelectionRow
from db.models.messages import CursorRow, InboxRow, LeaseRow, OutboxRow, SetAsideRow
from db.models.training import ModelVersionRow, RoundRow, ServiceRow, TrainingEntryRow, TrainingSetRow

__all__ = [
    "Base",
    "CursorRow",
    "FrameRow",
    "InboxRow",
    "LeaseRow",
    "MaskVersionRow",
    "ModelVersionRow",
    "OutboxRow",
    "PredictionRow",
    "ProjectRow",
    "ReaderRow",
    "RoundRow",
    "SelectionEntryRow",
    "SelectionRow",
    "ServiceRow",
    "SetAsideRow",
    "TrainingEntryRow",
    "TrainingSetRow",
]
