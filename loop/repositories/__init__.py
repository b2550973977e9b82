"""What the loop needs from a database: one repository a noun, as narrow protocols.

They return frozen records and raise `loop.errors.NotFound` for an id that does not exist.
"""

from loop.repositories.bookkeeping import Figures, Inbox, Marks, Outbox
from loop.repositories.labels import Frames, Masks, Projects, Readers
from loop.repositories.learning import Models, Predictions, Rounds, Selections

__all__ = [
    "Figures",
    "Frames",
    "Inbox",
    "Marks",
    "Masks",
    "Models",
    "Outbox",
    "Predictions",
    "Projects",
    "Readers",
    "Rounds",
    "Selections",
]
