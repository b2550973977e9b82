"""Runs the checks apart from one another: one that hangs or breaks is a line, and stops no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from adapters.disk import disk_error
from adapters.environment import label_studio_database
from adapters.home_files import SECRETS_FILE, read_env_file
from cli.doctor import deletions, files, label_studio, loop, machine, mirrored, order, services, stored
from cli.doctor.advice import Advice
from cli.doctor.findings import Check, Finding, State, fail, warn
from cli.doctor.installation import Installation, NoDatabase
from loop.errors import SonoloopError
from loop.records import Project

ALL_SECONDS = 28.0
SHORTEST_SECRET = 6


def all_checks(installation: Installation) -> list[Check]:
    """In the order in which a person would look: what comes first explains what comes later."""
    of_projects = [check for each in _projects(installation) for check in _of_project(each)]
    return [
        *files.CHECKS,
        *machine.CHECKS,
        services.SUPERVISED,
        services.NETWORK,
        *services.port_checks(installation),
        *services.CHECKS,
        *stored.CHECKS,
        *label_studio.CHECKS,
        machine.CLOCK,
        *of_projects,
        *deletions.CHECKS,
        *loop.CHECKS,
    ]


def examine(installation: Installation) -> Iterator[tuple[str, Finding]]:
    """The name and the finding of every check, in order, within half a minute in all; raises nothing."""
    until = time.monotonic() + ALL_SECONDS
    checks, hidden = all_checks(installation), list(_secrets_of(installation))
    slow = {each.name: _Run(each, installation) for each in checks if each.is_slow}
    failed: set[str] = set()
    for check in checks:
        missing = [name for name in check.after if name in failed]
        if missing:
            finding = warn(f"not looked at, since `{missing[0]}` is not well")
        else:
            finding = (slow.get(check.name) or _Run(check, installation)).wait(until)
        if finding.state is State.FAIL or missing:
            failed.add(check.name)
        yield check.name, _without(hidden, finding)


class _Run:
    """One check in a thread that may be left behind: it ends with the program."""

    def __init__(self, check: Check, installation: Installation) -> None:
        self._check, self._until = check, time.monotonic() + check.seconds
        self._finding: Finding | None = None
        self._thread = threading.Thread(target=self._look, args=(installation,), daemon=True)
        self._thread.start()

    def wait(self, until: float) -> Finding:
        """What it found by then, or that it did not."""
        self._thread.join(max(0.0, min(self._until, until) - time.monotonic()))
        todo = "see whether the disk or the network hangs, then look again"
        return self._finding or fail(f"no answer within {self._check.seconds:.0f} s", "one", todo)

    def _look(self, installation: Installation) -> None:
        try:
            self._finding = self._check.look(installation)
        except NoDatabase as error:
            self._finding = fail(error.got, error.need, error.advice)
        except SonoloopError as error:
            self._finding = fail(error.got, error.need, error.todo)
        except OSError as error:
            mapped = disk_error(error)
            self._finding = fail(mapped.got, mapped.need, mapped.todo)
        except Exception as error:  # noqa: BLE001, whatever is broken, the other lines are wanted
            self._finding = fail(f"an error that nobody foresaw ({type(error).__name__})", "", "report it")


def _projects(installation: Installation) -> list[Project]:
    """Those to look at in Label Studio; none where the database cannot tell, which is a line of its own."""
    try:
        return installation.projects()
    except Exception:  # noqa: BLE001, it may be broken in any way
        return []


def _of_project(project: Project) -> list[Check]:
    name, setup = f"project {project.id}", f"project {project.id} setup"
    base = ("token", "database")
    return [
        Check(name, partial(label_studio.twin, project=project), after=base),
        Check(setup, partial(label_studio.setup, project=project), after=(name,), seconds=12),
        Check(f"{name} webhook", partial(loop.webhook, project=project), after=(name, setup), seconds=10),
        Check(f"{name} order", partial(order.order, project=project), after=(name,), seconds=15),
        Check(f"{name} mirror", partial(mirrored.mirror, project=project), after=(name,), seconds=10),
    ]


def _secrets_of(installation: Installation) -> Iterator[str]:
    """Every secret that an error's text could carry."""
    for name, value in installation.settings:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif name.endswith("_url") and value:
            yield from _passwords_in(str(value))
    yield from _passwords_in(label_studio_database(installation.settings.root))
    try:
        yield from read_env_file(installation.settings.root / SECRETS_FILE).values()
    except OSError:
        return


def _passwords_in(url: str) -> Iterator[str]:
    """As it stands there, and as it is."""
    password = urlsplit(url).password
    yield from (password, unquote(password)) if password else ()


def _without(hidden: Iterable[str], finding: Finding) -> Finding:
    for secret in hidden:
        if len(secret) >= SHORTEST_SECRET:
            said = finding.got, finding.need, finding.todo.here, finding.todo.deployed
            got, need, *todo = (text.replace(secret, "***") for text in said)
            finding = Finding(finding.state, got, need, Advice(*todo))
    return finding
