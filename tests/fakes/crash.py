"""Killing a process at any step: parts that stop working, all together, at their n-th call or commit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loop.ports import Database, UnitOfWork


class Crash(Exception):
    """The process died here; nothing that it does later has any effect."""


class Fuse:
    """`Fuse(at)` blows at the `at`-th step (from 1; 0: never): before a call takes effect, or after,
    unanswered.
    """

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.steps = 0
        self.is_blown = False

    def step(self) -> None:
        self.steps += 1
        if self.is_blown or self.steps == self.at:
            self.is_blown = True
            raise Crash


class FatalFuse(Fuse):
    """One that really kills the process, with SIGKILL: run it in a child."""

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Fragile:
    """`Fragile(part, fuse)` passes every call of a port on, with a chance to die before and after it."""

    def __init__(self, part: object, fuse: Fuse) -> None:
        self._part = part
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._part, name)

        def guarded(*args: Any, **named: Any) -> Any:
            self._fuse.step()
            answer = call(*args, **named)
            self._fuse.step()
            return answer

        return guarded


class FragileUnit:
    """A unit of work that may die at its commit, before or after; `deep`: between two statements too."""

    def __init__(self, unit: UnitOfWork, fuse: Fuse, deep: bool) -> None:
        self._unit = unit
        self._fuse = fuse
        self._deep = deep

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._unit, name)
        return Fragile(part, self._fuse) if self._deep and name != "after_commit" else part

    def commit(self) -> None:
        self._fuse.step()
        self._unit.commit()
        self._fuse.step()


class FragileDatabase:
    """`FragileDatabase(database, fuse)` opens fragile units for writing."""

    def __init__(self, database: Database, fuse: Fuse, *, deep: bool = False) -> None:
        self._database = database
        self._fuse = fuse
        self._deep = deep

    @contextmanager
    def write(self) -> Iterator[Any]:
        with self._database.write() as unit:
            yield FragileUnit(unit, self._fuse, self._deep)

    @contextmanager
    def note(self) -> Iterator[Any]:
        with self._database.note() as unit:
            yield FragileUnit(unit, self._fuse, self._deep)

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        with self._database.read() as unit:
            yield unit
