"""The processes: ports, states, Redis, workers, beat, the ML backend."""

from __future__ import annotations

import time
from functools import partial
from urllib.parse import urlsplit

import httpx

from adapters.hosts import is_loopback
from adapters.owners import guarding, require_owner
from adapters.services.configuration import render
from adapters.services.control import UNSUPERVISED, has_port, status
from adapters.services.paths import Paths
from adapters.services.ports import Port, is_free, listener_of
from adapters.services.programs import (
    BACKEND,
    BEAT,
    LABEL_STUDIO,
    REDIS,
    WORKER_LIGHT,
    WORKER_TRAIN,
    ports,
    service_names,
)
from adapters.services.readiness import SETTLED_SECONDS
from adapters.settings import Settings
from cli.doctor.advice import START, START_ANEW, START_IT, same, see_log, see_logs
from cli.doctor.findings import Check, Finding, fail, ok, warn
from cli.doctor.installation import ANSWER_SECONDS, Installation
from loop.errors import Unavailable
from loop.ports import Job

FRESH_SECONDS = 5.0
MANY_WAITING = 1000
BEAT_SPARE_SECONDS = 4.0
LONGEST_BEAT_SECONDS = 20.0
START_OR_SEE = START_IT + "; " + see_logs("says why it ended")


def services(installation: Installation) -> Finding:
    """What the supervisor says."""
    states = status(installation.settings)
    if not states:
        return ok("elsewhere")
    down = [f"{each.name} {each.state}" for each in states if each.state != "running"]
    if len(down) == len(states) and all(each.state == "stopped" for each in states):
        return fail("all stopped", "all running", START)
    if down:
        return fail(", ".join(down), "all running", see_logs("says why; ", "SERVICE") + START)
    if alone := [each.name for each in states if each.detail == UNSUPERVISED]:
        return fail(f"{', '.join(alone)} without a supervisor", "one that watches over them", START)
    young = [each.name for each in states if each.seconds < FRESH_SECONDS]
    if young:
        return warn(f"{', '.join(young)} begun a moment ago", "services that stay", "look again in a minute")
    configuration = Paths(installation.settings).configuration
    is_known = installation.refused is None  # else a default stands where they may have another value
    if is_known and configuration.read_text(encoding="utf-8") != render(installation.settings):
        return warn("services with other settings", "the present ones", START_ANEW)
    return ok(f"{len(states)} running, the youngest for {min(each.seconds for each in states) / 60:.0f} min")


def network(installation: Installation) -> Finding:
    """What other machines reach without encryption, readers' passwords and frames with it."""
    settings = installation.settings
    public = urlsplit(settings.effective_public_url)
    bound = {LABEL_STUDIO: settings.host, BACKEND: settings.backend_host}
    here = service_names(settings)
    opened = [name for name, host in bound.items() if name in here and not is_loopback(host)]
    is_plain = public.scheme != "https" and not is_loopback(public.hostname or "")
    if is_plain or opened:
        who = " and ".join(opened) or f"readers, at {settings.effective_public_url}"
        todo = "a closed network may do; else an HTTPS proxy, as docs/deployment.md shows"
        return warn(f"plain HTTP beyond this machine: {who}", "HTTPS, and ports on loopback", todo)
    return ok("HTTPS for readers" if public.scheme == "https" else "this machine alone")


def port_checks(installation: Installation) -> list[Check]:
    """One for each port that a service of this home wants."""
    here = service_names(installation.settings)
    wanted = [each for each in ports(installation.settings) if each.service in here]
    return [Check(f"port {each.number}", partial(_port, port=each)) for each in wanted]


def _port(installation: Installation, port: Port) -> Finding:
    """Judged by the process that listens: a service that runs may have found its port taken."""
    running = next((each for each in status(installation.settings) if each.name == port.service), None)
    seconds = running.seconds if running and running.state == "running" else 0.0
    if is_free(port.host, port.number):
        if seconds > SETTLED_SECONDS:
            got = f"nobody listens, though {port.service} has run for {seconds / 60:.0f} min"
            return fail(got, "it listening", START_IT + " again")
        is_coming = running is not None and running.pid
        return warn(f"nobody listens yet for {port.service}") if is_coming else ok(f"free for {port.service}")
    if has_port(installation.settings, port):
        return ok(f"{port.service} of this home")
    option = f"--{port.setting.replace('_', '-')}"
    todo = "end that program, or " + START + f" {option} another"
    if running is not None and running.state != "stopped":
        todo = f"end that program: {port.service} tries again; or " + START_ANEW + f" {option} another"
    return fail(f"taken by {listener_of(port.number)}", f"free for {port.service}", todo)


def redis(installation: Installation) -> Finding:
    """Whether it answers, and what waits in it."""
    with installation.queue() as queue:
        began = time.monotonic()
        if not queue.is_up():
            where = same("SONOLOOP_REDIS_URL") if installation.settings.redis_url else see_log(REDIS)
            return fail("no answer", "a running Redis", "nothing is lost; " + START_IT + "; see " + where)
        text = f"answers in {1000 * (time.monotonic() - began):.0f} ms"
        lengths = queue.lengths()
    text += "".join(f", {count} waiting for {name}" for name, count in sorted(lengths.items()))
    if max(lengths.values()) > MANY_WAITING:
        return warn(text, "workers that keep up", see_log(WORKER_LIGHT))
    return ok(text)


def workers(installation: Installation) -> Finding:
    """Celery's ping."""
    wanted = {WORKER_LIGHT, WORKER_TRAIN}
    with installation.queue() as queue:
        answered = queue.workers(seconds=2.0, limit=len(wanted))
    if silent := sorted(wanted - answered):
        return fail(f"no answer from {', '.join(silent)}", "an answer within 2 s", START_OR_SEE)
    return ok(f"{', '.join(sorted(answered))} answer")


def beat(installation: Installation) -> Finding:
    """Its wake-ups have no trace but what they cause, so wait until the workers count one more."""
    every = installation.settings.sweep_seconds
    if every + BEAT_SPARE_SECONDS > LONGEST_BEAT_SECONDS:
        return warn(f"wakes every {every} s, too rarely to wait for", todo=see_log(BEAT))
    began = time.monotonic()
    with installation.queue() as queue:
        first = queue.runs_of(Job.SWEEP)
        if first is None:
            return fail("no worker that could tell of it", "a running worker", START_OR_SEE)
        while time.monotonic() - began < every + BEAT_SPARE_SECONDS:
            if (queue.runs_of(Job.SWEEP) or 0) > first:
                return ok(f"woke a worker {time.monotonic() - began:.0f} s after the question")
            time.sleep(0.5)
    return fail(
        f"nothing within {every + BEAT_SPARE_SECONDS:.0f} s", f"a wake-up every {every} s", START_OR_SEE
    )


def backend(installation: Installation) -> Finding:
    """Asked with our account, as Label Studio asks it."""
    settings = installation.settings
    account = (settings.backend_user, settings.backend_password.get_secret_value())
    url = settings.effective_backend_url.rstrip("/")
    asked = guarding(partial(_require_own_backend, settings))
    try:
        with httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False) as client:
            health = client.get("/health", extensions=asked)
            versions = client.get("/versions", auth=account, extensions=asked)
    except httpx.HTTPError as error:
        return fail(f"no answer ({type(error).__name__})", "a running backend", START_OR_SEE)
    except Unavailable:
        return fail(
            "another program on its port", "the ML backend", "end that program; nothing was sent to it"
        )
    if health.status_code != 200 or "SonoloopModel" not in health.text:
        todo = "mend SONOLOOP_BACKEND_URL or its port"
        return fail("an answer of another program", "the ML backend", todo)
    if versions.status_code == 401:
        return fail("a refusal of our account", "the password it was started with", START_ANEW)
    try:
        count = len(versions.json()["versions"])
    except (ValueError, LookupError, TypeError):
        return fail("an answer of another program", "the ML backend", "mend SONOLOOP_BACKEND_URL or its port")
    return ok(f"answers, {count} model versions")


def _require_own_backend(settings: Settings) -> None:
    """Unless its address was set: then another program is before it."""
    if BACKEND in service_names(settings) and not settings.backend_url:
        require_owner(settings.service_lock(BACKEND), settings.backend_port, BACKEND)


SUPERVISED = Check("services", services)
NETWORK = Check("network", network)
CHECKS = (
    Check(REDIS, redis),
    Check("workers", workers, after=(REDIS,)),
    Check(BEAT, beat, after=("workers",), seconds=LONGEST_BEAT_SECONDS + 2, is_slow=True),
    Check("ml backend", backend, seconds=2 * ANSWER_SECONDS + 1),
)
