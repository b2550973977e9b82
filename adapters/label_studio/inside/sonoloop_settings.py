"""Label Studio's own settings and what many readers at once need; read by Label Studio's Python alone."""

# mypy: ignore-errors
# ruff: noqa: F403
# Twice, because the second looks at what is already set while it is being read.
from core.settings.base import *
from label_studio.core.settings.label_studio import *
from label_studio.core.settings.label_studio import (
    DATABASES,
    DJANGO_DB,
    DJANGO_DB_SQLITE,
    HOSTNAME,
    LOGGING,
    MIDDLEWARE,
)
from sonoloop_addresses import settings_for
from sonoloop_backend import guard_connections
from sonoloop_threads import take_short_turns

ROOT_URLCONF = "sonoloop_urls"
MIDDLEWARE = [
    "sonoloop_headers.careful_headers",
    *MIDDLEWARE,
    "sonoloop_stream.without_empty_wishes",
]

# Requests that went well say nothing; those that did not say their path alone.
LOGGING["filters"] = {
    **LOGGING.get("filters", {}),
    "without_queries": {"()": "sonoloop_logging.WithoutQueries"},
}
LOGGING["loggers"]["django.server"] = {"level": "WARNING", "filters": ["without_queries"]}

globals().update(settings_for(HOSTNAME))
guard_connections()
take_short_turns()

if DJANGO_DB == DJANGO_DB_SQLITE:
    MIDDLEWARE.append("sonoloop_turns.one_at_a_time")  # PostgreSQL locks the row itself, in any process
    # Readers and writers side by side; a writer waits for its turn instead of failing half-way. What a reader
    # submitted is on the disk before the page says so: power that fails in the next moment takes no stroke.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
