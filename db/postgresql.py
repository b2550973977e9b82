"""PostgreSQL by pg8000, asked as rarely as it can be.

Each question is a wait for the server's turn of the processor and for one's own: on a machine where all are
busy these waits, not the work, are what a webhook takes. As the driver and the pool come, a unit of one
statement asks nine times; here it asks three times.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pg8000 import core, legacy
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

from db.foreign_errors import silent_error

LOGIN_SECONDS, ANSWER_SECONDS = 10, 120
"""How long a PostgreSQL that is silent is waited for, at its door and for one answer afterwards: behind a
firewall that drops what it should pass, or on a machine that hangs, it would be for ever.
"""

TRUSTED_SECONDS = 30
"""So long after its last use a connection on which nothing came in needs no question whether it is alive."""

USED = "used"
"""Where the pool's record of a connection says when it was given back, by the monotonic clock."""


class Connection(legacy.Connection):  # type: ignore[misc]  # the driver has no types
    """The driver's connection, with one question a statement where it has three."""

    is_cut = False
    """Whether an answer broke off, after which nothing can be asked on it."""

    def execute_unnamed(
        self, statement: str, vals: Any = (), oids: Any = (), stream: Any = None
    ) -> core.Context:
        """Parse, describe, bind and execute in one message; one with a `stream` goes the driver's own way."""
        if stream is not None:
            return super().execute_unnamed(statement, vals=vals, oids=oids, stream=stream)
        # All of it is made before any of it is sent: a value that cannot be written leaves the line clean.
        parse = self._parse_message(statement, oids)
        bind = self._bind_message(core.make_params(self.py_types, vals))
        context = core.Context(statement)
        self._send_message(core.PARSE, parse)
        self._send_message(core.DESCRIBE, core.STATEMENT + core.NULL_BYTE)
        self._send_message(core.BIND, bind)
        core._write(self._sock, core.EXECUTE_MSG + core.SYNC_MSG)
        core._flush(self._sock)
        self.handle_messages(context)
        return context

    def handle_messages(self, context: core.Context) -> None:
        """Read an answer to its end. One that broke off leaves its rest on the line, where it would be taken
        for the next answer: then the line is cut, and the pool opens another.
        """
        try:
            super().handle_messages(context)
        except BaseException as exc:
            if exc is not context.error:
                self.is_cut = True
                with suppress(OSError):
                    self._usock.shutdown(socket.SHUT_RDWR)
            raise

    def commit(self) -> None:
        """End the transaction for good."""
        self.execute_simple("commit")

    def rollback(self) -> None:
        """Undo the transaction; without one there is nothing to ask."""
        if self._in_transaction:
            self.execute_simple("rollback")

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Inside, the driver begins no transaction of its own before a statement that begins one itself."""
        self.autocommit = True
        try:
            yield
        finally:
            self.autocommit = False

    def has_news(self) -> bool:
        """Whether something came in that nobody asked for: a goodbye, or the end of the line."""
        if self._usock.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._usock, select.POLLIN)
        return bool(poll.poll(0))

    def _parse_message(self, statement: str, oids: Any) -> bytes:
        kinds = b"".join(core.i_pack(0 if oid == -1 else oid) for oid in oids)
        text = statement.encode(self._client_encoding)
        return bytes(core.NULL_BYTE + text + core.NULL_BYTE + core.H_pack(len(oids)) + kinds)

    def _bind_message(self, params: Any) -> bytes:
        encoded = [None if value is None else value.encode(self._client_encoding) for value in params]
        values = [core.i_pack(-1) if value is None else core.i_pack(len(value)) + value for value in encoded]
        start = core.NULL_BYTE + core.NULL_BYTE + core.H_pack(0) + core.H_pack(len(params))
        return bytes(start + b"".join(values) + core.H_pack(0))


def prepare(engine: Engine) -> None:
    """Let the engine's pool hold connections of ours, and look at each before it is used again."""
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _look)


def _connect(_dialect: object, _record: object, words: Any, named: Any) -> Connection:
    try:
        connection = Connection(*words, **named)
    except OSError as exc:  # of the socket: the driver leaves it as it is
        raise silent_error() from exc
    # The driver knows one patience for the door and all answers; its socket is the only way to another.
    connection._usock.settimeout(ANSWER_SECONDS)
    return connection


def _note_use(_connection: object, record: Any) -> None:
    record.info[USED] = time.monotonic()


def _look(connection: Connection, record: Any, _proxy: object) -> None:
    """A server that restarted has closed the line, which is seen here without asking; one that is gone with
    its machine, or a firewall that forgot us, only a question finds.
    """
    used = record.info.get(USED)
    if used is None or (time.monotonic() - used < TRUSTED_SECONDS and not connection.has_news()):
        return
    try:
        connection.execute_simple("")
    except (legacy.Error, OSError, ValueError) as exc:  # ValueError: of a line that was closed on our side
        raise InvalidatePoolError("the server has closed its connections") from exc
