"""What Label Studio's log must not hold."""

from __future__ import annotations

import logging

from adapters.label_studio.inside.sonoloop_logging import WithoutQueries


def test_an_invitation_s_token_is_cut_off_the_address_of_a_request() -> None:
    line = "POST /user/signup/?token=s3cret&next=/ HTTP/1.1"
    record = logging.LogRecord(
        "django.server", logging.WARNING, "", 0, '"%s" %s %s', (line, "403", "9"), None
    )
    assert WithoutQueries().filter(record)
    assert record.getMessage() == '"POST /user/signup/?... HTTP/1.1" 403 9'
