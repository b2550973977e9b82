"""What is kept: the database, and content by digest."""

from __future__ import annotations

import hashlib
import random
import time
from contextlib import closing
from datetime import UTC, datetime

from adapters.environment import label_studio_database
from adapters.hosts import bare_address
from adapters.storage.images import StoredImages
from adapters.storage.layout import place_of
from cli.doctor.advice import START_ANEW, STOP
from cli.doctor.findings import Check, Finding, fail, ok, warn
from cli.doctor.installation import Installation
from cli.elsewhere import require_noted_label_studio
from db import SqlDatabase, current, known_revisions
from db.backup import is_sqlite, list_contents, look_over
from db.filling import require_whole
from loop.errors import BadInput, NotFound

PROBE = b"written by sonoloop doctor"
SAMPLE = 20
SAMPLE_SECONDS = 5.0
SKEW_SECONDS = 5.0
RESTORE = "bring them back from a backup"


def database(installation: Installation) -> Finding:
    """Reachable, at the present schema, whole."""
    url = installation.settings.effective_database_url
    with installation.unit():
        pass
    require_whole(url)
    revision, head = current(url), max(known_revisions())
    if revision not in known_revisions():
        return fail(f"the schema of a newer Sonoloop ({revision})", f"{head} or older", "update Sonoloop")
    if revision != head:
        return fail(f"the older schema {revision}", head, START_ANEW + ", brings it up to date")
    looked = look_over(url)
    if looked.fault:
        return fail("a damaged database", "a whole one", STOP + ", then restore a backup")
    skew = abs((looked.now - datetime.now(UTC)).total_seconds())
    if skew > SKEW_SECONDS:
        return warn(f"whole, but its clock is {skew:.0f} s off", "the same time", "let NTP keep both clocks")
    return ok(f"{looked.kind}, schema {revision}, whole")


def label_studios_database(installation: Installation) -> Finding:
    """Where the Label Studio that the home starts will look for it; reachable, and not half restored."""
    settings = installation.settings
    if not settings.has_own_label_studio:
        return ok("that of a Label Studio which is not started here")
    require_noted_label_studio(settings)
    url = label_studio_database(settings.root)
    require_whole(url)
    return ok("in the home" if is_sqlite(url) else f"at {bare_address(url)}")


def storage(installation: Installation) -> Finding:
    """Put, exists and get with content of our own, in the cache's place, which no backup holds."""
    store, digest = installation.storage(), hashlib.sha256(PROBE).hexdigest()
    local = installation.settings.root / place_of("embeddings", digest)
    began = time.monotonic()
    try:
        store.put("embeddings", digest, PROBE)
        if not store.exists("embeddings", digest) or store.get("embeddings", digest) != PROBE:
            return fail("other bytes than were put", "the same", "check the disk or the store")
    finally:
        local.unlink(missing_ok=True)
    kind = "store elsewhere" if installation.settings.storage_url else "home"
    return ok(f"{kind}, there and back in {1000 * (time.monotonic() - began):.0f} ms")


def contents(installation: Installation) -> Finding:
    """A sample of what rows name, each piece against its digest."""
    store, counts, wrong = installation.storage(), dict[str, int](), list[str]()
    held = list_contents(installation.settings.effective_database_url)
    until = time.monotonic() + SAMPLE_SECONDS
    images = StoredImages(store)
    with closing(SqlDatabase(installation.settings.effective_database_url)) as opened, opened.read() as uow:
        frames = {frame.digest: frame for each in uow.projects.list() for frame in uow.frames.list(each.id)}
    for kind, digests in held.items():
        for digest in random.sample(sorted(digests), min(SAMPLE, len(digests))):
            if time.monotonic() > until:
                break
            counts[kind] = counts.get(kind, 0) + 1
            try:
                images.read(frames[digest]) if kind == "frames" else store.get(kind, digest)
            except (NotFound, BadInput):
                wrong.append(f"{kind} {digest[:12]}")
    looked = ", ".join(f"{count} of {len(held[kind])} {kind}" for kind, count in counts.items())
    if wrong:
        return fail(f"{len(wrong)} damaged or missing, as {wrong[0]}; {looked} looked at", "whole", RESTORE)
    return ok(f"{looked} looked at, whole" if looked else "nothing stored yet")


CHECKS = (
    Check("database", database, after=("home",), seconds=10),
    Check("label studio's database", label_studios_database),
    Check("storage", storage, after=("home",)),
    Check("contents", contents, after=("database",), seconds=SAMPLE_SECONDS + 4),
)
