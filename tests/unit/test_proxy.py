"""What the proxy of docker-compose.yml passes on to Label Studio, by the words of its Caddyfile."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase

import pytest

from tests.conftest import ROOT

CADDY = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")


def closed_by_the_proxy(address: str) -> bool:
    """As Caddy reads the block `@inside`: a star stands for anything."""
    block = CADDY.partition("@inside {")[2].partition("}")[0]
    closed, opened = (
        re.findall(rf"^\s*{word} (/.*)$", block, flags=re.MULTILINE)[0].split()
        for word in ("path", "not path")
    )
    return any(fnmatchcase(address, each) for each in closed) and address not in opened


INSIDE = (
    "/metrics /django-rq/queues/ /admin/ /docs/api/schema/json/ /swagger.json /version /version/ /trigger500/"
)


@pytest.mark.parametrize(
    "address", [*INSIDE.split(), "/x/version/", "/x/trigger500/", "/samples/paragraphs.json"]
)
def test_the_proxy_answers_nothing_that_is_for_developers(address: str) -> None:
    assert closed_by_the_proxy(address)


READERS = (
    "/ /user/login/ /projects/1/data/ /api/projects/1/next/ /api/ml/1/versions /static/docs.css /api/version"
)


@pytest.mark.parametrize(
    "address", [*READERS.split(), "/api/projects/1/model-versions/", "/data/local-files/"]
)
def test_the_proxy_answers_what_readers_need(address: str) -> None:
    assert not closed_by_the_proxy(address)


def test_the_proxy_tells_pages_of_no_version() -> None:
    told = re.search(r"respond @version `(.*)` 200", CADDY)
    assert told is not None
    assert json.loads(told[1]) == {"label-studio-os-package": {}}, "what the page reads figures from"
