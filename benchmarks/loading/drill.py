"""The drill itself: tables, accounts and frames first, then the readers, on Label Studio alone and on all."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from adapters.environment import load_settings
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.settings import Settings
from benchmarks.loading.department import Department, Intake, running_department, take_frames_in
from benchmarks.loading.frames import DiscTruth, draw_frames, link_frames
from benchmarks.loading.plan import Plan
from benchmarks.loading.readers import Log, Readers, Site, sign_up
from benchmarks.loading.servers import Postgres, plain_label_studio, plain_project
from benchmarks.loading.watching import Look, Watch
from cli.project import label_studio_id
from cli.system_parts import POSTGRES, explain_missing
from loop.errors import NotFound
from loop.records import Decision, MaskVersion
from loop.training_records import Round
from tests.machine import free_port
from tests.postgres import running_postgres
from tests.services.label_studio import ADMIN_PASSWORD, TOKEN

TEMPLATE, BARE, OURS = "empty_label_studio", "bare_label_studio", "label_studio"
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".pytest_cache" / "load"
SETTLE_SECONDS = 120.0


Settled = tuple[float, dict[int, datetime], list[MaskVersion]]
"""Seconds until the mirror was whole, when each annotation was last changed, and the mirror of each."""


@dataclass(frozen=True)
class Side:
    """What was seen of one of the two: `import_seconds` for all tasks."""

    import_seconds: float
    log: Log
    looks: list[Look]


@dataclass(frozen=True)
class Outcome:
    """All that the report is made of; `bare` None: it was left out.

    `webhooks` are (s since 1970, ms); `missing` are annotations of Label Studio that the mirror does not hold
    in their newest state, `surplus` those of the mirror that Label Studio does not have.
    """

    plan: Plan
    bare: Side | None
    ours: Side
    intake: Intake
    webhooks: list[tuple[float, float]]
    recorded: Mapping[int, datetime]
    annotations: int
    missing: int
    surplus: int
    settled: float
    rounds: list[Round]
    load_before: float


def drill(plan: Plan) -> Outcome:
    """Run everything in a folder of its own, which is gone afterwards."""
    programs = POSTGRES.find()
    if programs is None:
        raise NotFound(explain_missing(POSTGRES))
    load_before = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="sonoloop-load-"))
    try:
        with running_postgres(programs, is_durable=True) as url:
            postgres = Postgres(url)
            truth = draw_frames(folder / "frames", plan.frames)
            _make_template(plan, folder, postgres, programs)
            for name in (BARE, OURS):
                postgres.create(name, TEMPLATE)
            postgres.create("sonoloop")
            bare = _read_bare(plan, folder, postgres, truth) if plan.with_bare else None
            return _read_ours(plan, folder, postgres, truth, bare, load_before)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_template(plan: Plan, folder: Path, postgres: Postgres, programs: Path) -> None:
    """Label Studio's tables and the readers' accounts take a minute, so they are kept for the next time."""
    postgres.create(TEMPLATE)
    lock = (ROOT / "requirements" / "label-studio.lock").read_bytes()
    kept = CACHE / f"{hashlib.sha256(lock).hexdigest()[:16]}-{plan.readers}.dump"
    address = ["--dbname", postgres.plain_url(TEMPLATE)]
    if kept.exists():
        subprocess.run([str(programs / "pg_restore"), "--no-owner", *address, str(kept)], check=True)
        return
    _say("Label Studio makes its tables and the readers' accounts")
    with _plain(folder / "first", postgres, TEMPLATE) as (_, api, _):
        sign_up(api, plan.readers)
    CACHE.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    subprocess.run([str(programs / "pg_dump"), "--format=custom", *address, f"--file={part}"], check=True)
    part.replace(kept)


def _read_bare(plan: Plan, folder: Path, postgres: Postgres, truth: DiscTruth) -> Side:
    with _plain(folder / "bare", postgres, BARE) as (settings, api, pid):
        link_frames(folder / "frames", truth, settings.frames_dir / "all")
        project = plain_project(api, settings, ("Vein",))
        _say("Label Studio alone: importing")
        begun = time.monotonic()
        data = [{"image": f"/data/local-files/?d=all/{digest}.png", "frame": digest} for digest in truth]
        LabelStudioClient(api).import_tasks(project, data)
        seconds = time.monotonic() - begun
        site = Site(settings.effective_label_studio_url, project, ("Vein",), truth)
        roots = {"label-studio": pid, "postgresql": postgres.pid()}
        log, looks = _read(plan, site, roots, postgres, BARE)
    return Side(seconds, log, looks)


def _read_ours(
    plan: Plan, folder: Path, postgres: Postgres, truth: DiscTruth, bare: Side | None, load_before: float
) -> Outcome:
    with running_department(folder, postgres, OURS) as home:
        intake = take_frames_in(home.container, folder / "frames", plan.new_labels)
        project = intake.project.id
        remote = label_studio_id(intake.project)
        site = Site(home.container.settings.effective_label_studio_url, remote, ("Vein",), truth)
        log, looks = _read(plan, site, home.roots, postgres, OURS)
        settled, held, mirrored = _settle(home, postgres, project)
        with home.container.database.read() as uow:
            rounds = uow.rounds.list(project)
        webhooks = [tuple(map(float, line.split())) for line in home.webhooks.read_text().splitlines()]
    living = {each.annotation_id: each.updated_at for each in mirrored if not _is_buried(each)}
    return Outcome(
        plan=plan,
        bare=bare,
        ours=Side(intake.importing, log, looks),
        intake=intake,
        webhooks=[(at, taken) for at, taken in webhooks],
        recorded={each.annotation_id: each.recorded_at for each in mirrored},
        annotations=len(held),
        missing=sum(living.get(annotation) != updated for annotation, updated in held.items()),
        surplus=len(living.keys() - held.keys()),
        settled=settled,
        rounds=rounds,
        load_before=load_before,
    )


def _read(
    plan: Plan, site: Site, roots: Mapping[str, int], postgres: Postgres, database: str
) -> tuple[Log, list[Look]]:
    readers = Readers(site, plan.readers)

    def count_predictions() -> int:
        return int(str(postgres.run("SELECT count(*) FROM prediction", database)[0][0]))

    watch = Watch(lambda: roots, count_predictions)
    with closing(readers):
        watch.start()
        for phase, seconds, pace in plan.phases:
            _say(f"{phase}: {plan.readers} readers for {seconds:.0f} s")
            readers.read(phase, seconds, pace)
        watch.stop()
    return readers.log, watch.looks


def _settle(home: Department, postgres: Postgres, project: int) -> Settled:
    """Wait until the mirror holds as many annotations as Label Studio; how long that took, and both."""
    begun = time.monotonic()
    query = "SELECT id, updated_at FROM task_completion"
    held: dict[int, datetime] = dict(postgres.run(query, OURS))  # type: ignore[arg-type]
    while True:
        with home.container.database.read() as uow:
            mirrored = uow.masks.latest_of_all(project)
        seconds = time.monotonic() - begun
        if len(mirrored) >= len(held) or seconds > SETTLE_SECONDS:
            return seconds, held, mirrored
        time.sleep(0.5)


def _is_buried(version: MaskVersion) -> bool:
    return version.decision is Decision.DELETED


@contextmanager
def _plain(folder: Path, postgres: Postgres, database: str) -> Iterator[tuple[Settings, Api, int]]:
    """Label Studio alone on a database, its API as the admin, and its process."""
    secrets = {"admin_password": SecretStr(ADMIN_PASSWORD), "label_studio_token": SecretStr(TOKEN)}
    settings = load_settings(folder, label_studio_port=free_port(), **secrets)
    with (
        plain_label_studio(settings, postgres.variables(database)) as pid,
        Api(settings.effective_label_studio_url, TOKEN) as api,
    ):
        yield settings, api, pid


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
