"""One drawn tree of errors: foreign errors are mapped into it at the adapters, shells catch it by its root.

A message says what was got, what was needed and what to do; ids travel as fields, so that a log line can
carry them without parsing text. No message carries a file name or any other word a patient could be known by.
"""

from __future__ import annotations


class SonoloopError(Exception):
    """Root of all errors that Sonoloop raises on purpose.

    `got`, `need` and `todo` make up the message; `ids` (frame, task, annotation, round ...) go to the log.
    """

    def __init__(self, got: str, need: str = "", todo: str = "", **ids: object) -> None:
        self.got, self.need, self.todo, self.ids = got, need, todo, ids
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole sentence: got, then need, then what to do, then the ids."""
        parts = [f"got {self.got}"]
        parts += [f"need {self.need}"] if self.need else []
        parts += [self.todo] if self.todo else []
        text = "; ".join(parts)
        ids = ", ".join(f"{name} {value}" for name, value in self.ids.items())
        return f"{text} ({ids})" if ids else text


class BadInput(SonoloopError):
    """Data that cannot be used: it is set aside with this message, and nothing else stops."""


class BadFrame(BadInput):
    """A file that is no usable frame (corrupt, empty, not an image, too large)."""


class BadMask(BadInput):
    """A mask whose shape, dtype or values do not fit its frame."""


class BadAnnotation(BadInput):
    """An annotation whose result cannot be read (run-length code, size, label, type)."""


class BadEvent(BadInput):
    """A webhook body that is not an event we know."""


class BadWeights(BadInput):
    """A weight file that is foreign, truncated, or does not fit the network or the class list."""


class BadRequest(SonoloopError):
    """A command or setting that asks for something impossible; nothing was changed."""


class NotFound(SonoloopError):
    """A row, task, file or version that is named but does not exist."""


class Denied(SonoloopError):
    """A caller without the right secret, or a service that refused ours."""


class IllegalMove(SonoloopError):
    """A state change of a round that the table of legal moves does not hold."""


class Conflict(SonoloopError):
    """Somebody else was first: a live round, a taken lease, a newer write."""


class LeaseLost(Conflict):
    """The lease of this attempt has expired or went to another: write nothing, stop."""


class Unavailable(SonoloopError):
    """A service that does not answer just now: safe to try again later."""


class OutOfSpace(Unavailable):
    """A disk with no room: what was begun is removed, what was there is whole."""


class TrainingFailed(SonoloopError):
    """A training process that ended without a model: crash, out of memory, non-finite loss."""


class OutOfMemory(TrainingFailed):
    """Training ran out of memory: worth one more try with a smaller batch."""
