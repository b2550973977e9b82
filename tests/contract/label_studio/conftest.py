"""The stage of each test: the fake, and the real server behind our client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from adapters.label_studio.client import LabelStudioClient
from tests.contract.label_studio.stages import FakeStage, RealStage, Stage
from tests.fakes.label_studio import FakeLabelStudio
from tests.services.label_studio import LabelStudioServer


@pytest.fixture(scope="module")
def real_stage(request: pytest.FixtureRequest) -> Iterator[Callable[[], RealStage]]:
    """Made at the first use, so that the fake's tests need no server; readers log in once."""
    with ExitStack() as stack:

        @cache
        def make() -> RealStage:
            server: LabelStudioServer = request.getfixturevalue("label_studio_server")
            api = stack.enter_context(server.api())
            return RealStage(LabelStudioClient(api), api, server, stack)

        yield make


@pytest.fixture(
    params=[pytest.param("fake", id="fake"), pytest.param("real", id="real", marks=pytest.mark.services)]
)
def stage(request: pytest.FixtureRequest, real_stage: Callable[[], RealStage]) -> Stage:
    return FakeStage(FakeLabelStudio()) if request.param == "fake" else real_stage()


@pytest.fixture
def project(stage: Stage) -> int:
    return stage.new_project()
