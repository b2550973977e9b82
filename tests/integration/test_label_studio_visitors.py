"""The doctor's visitors in a real Label Studio: gone afterwards, and never a person's account with them."""

from __future__ import annotations

import pytest

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.provision import ensure_project
from adapters.label_studio.users import (
    ACCESS,
    draw_visitor,
    ensure_reader,
    holds_work,
    is_visitor,
    list_accounts,
)
from cli.doctor.order import visitor
from loop.errors import Denied
from tests.services.label_studio import READER_PASSWORD, LabelStudioServer, project_plan

pytestmark = pytest.mark.services


def emails(api: Api) -> set[str]:
    return {account.email for account in list_accounts(api)}


def test_a_visitor_is_gone_afterwards_and_so_is_one_that_a_killed_doctor_left(api: Api) -> None:
    before, left = emails(api), draw_visitor()
    ensure_reader(api, left, READER_PASSWORD).close()
    with visitor(api) as session:
        assert left not in emails(api)
        assert any(is_visitor(email) for email in emails(api))
        assert not holds_work(api, session.user_id)
    assert emails(api) == before


@pytest.mark.parametrize("kind", ["draft", "label"])
def test_an_account_that_holds_work_stays_whatever_its_address_is(api: Api, kind: str) -> None:
    taken = draw_visitor()
    project = ensure_project(api, project_plan("Visitors"))
    studio = LabelStudioClient(api)
    (task,) = studio.import_tasks(project, [{"image": "/a.png", "frame": "a"}])
    with ensure_reader(api, taken, READER_PASSWORD) as person:
        if kind == "draft":
            person.save_draft(task, [], 8.0)
        else:
            person.submit(task, [], 8.0, None)
        assert holds_work(api, person.user_id)
    with visitor(api):
        pass
    assert taken in emails(api)


def test_the_address_that_the_doctor_once_had_is_a_persons_now(api: Api) -> None:
    ensure_reader(api, "doctor@sonoloop.local", READER_PASSWORD).close()
    with visitor(api):
        pass
    assert "doctor@sonoloop.local" in emails(api)


def test_only_the_first_account_may_ask_what_others_hold(
    api: Api, label_studio_server: LabelStudioServer
) -> None:
    with (
        label_studio_server.reader("curious@visiting.org") as reader,
        Api(label_studio_server.url, reader.token()) as by_token,
        pytest.raises(Denied),
    ):
        by_token.get(f"{ACCESS}/1/work")
