"""One repository per port of `loop.ports`: statements on the unit's connection in, frozen records out."""

from db.repositories.figures import SqlFigures
from db.repositories.frames import SqlFrames
from db.repositories.inbox import SqlInbox
from db.repositories.marks import SqlMarks
from db.repositories.masks import SqlMasks
from db.repositories.models import SqlModels
from db.repositories.outbox import SqlOutbox
from db.repositories.predictions import SqlPredictions
from db.repositories.projects import SqlProjects
from db.repositories.readers import SqlReaders
from db.repositories.rounds import SqlRounds
from db.repositories.selections import SqlSelections

__all__ = [
    "SqlFigures",
    "SqlFrames",
    "SqlInbox",
    "SqlMarks",
    "SqlMasks",
    "SqlModels",
    "SqlOutbox",
    "SqlPredictions",
    "SqlProjects",
    "SqlReaders",
    "SqlRounds",
    "SqlSelections",
]
