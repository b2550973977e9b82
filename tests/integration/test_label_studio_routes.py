"""Every address by which our programs call Label Studio is one of its own routes.

To one that lacks its last slash Label Studio has no route: it runs the whole request, finds nothing, and runs
it again with the slash. Neither the answer nor a log shows that; readers wait twice as long.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters.label_studio import session
from tests.conftest import ROOT
from tests.machine import demand_label_studio
from tests.services.homes import make_settings
from tests.services.label_studio import LabelStudioServer

pytestmark = pytest.mark.services

CALLERS = (
    *(ROOT / "adapters" / "label_studio").glob("*.py"),
    ROOT / "adapters" / "services" / "readiness.py",
    *(ROOT / "benchmarks" / "loading").glob("*.py"),
    *(each for each in (ROOT / "cli" / "doctor").glob("*.py") if each.name != "services.py"),  # our backend
)
BEGINNINGS = ("/api/", "/user/", "/health")
VALUES = {"kind": "tasks"}
"""What stands for a name in an address; for every other one a number does."""

RESOLVE = """
import ast
from django.urls import Resolver404, resolve
for address in ast.literal_eval({addresses!r}):
    try:
        resolve(address)
    except Resolver404:
        print(address)
"""


def addresses_in(path: Path) -> Iterator[str]:
    """Every address that is given to a call in a module, with a value for each that is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            yield from (text for each in call.args if (text := filled(each, named)).startswith(BEGINNINGS))


def filled(node: ast.expr, named: Mapping[str, object]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(filled(part, named) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        name = ast.unparse(node.value)
        is_server = name.endswith("label_studio_url")
        return "" if is_server else str(named.get(name, VALUES.get(name, "1")))
    return str(named.get(node.id, "")) if isinstance(node, ast.Name) else ""


def without_route(addresses: set[str], folder: Path) -> list[str]:
    """Those that Label Studio itself cannot resolve, asked in a process of its own."""
    demand_label_studio()
    settings = make_settings(folder, label_studio_url="")
    settings.frames_dir.mkdir(parents=True)
    return LabelStudioServer(settings).ask(RESOLVE.format(addresses=repr(sorted(addresses))))


def test_each_address_that_we_ask_is_a_route_of_label_studio(tmp_path: Path) -> None:
    addresses = {address for path in CALLERS for address in addresses_in(path)}
    assert {"/api/ml/1", "/api/tasks/1/annotations/", "/user/login/", "/api/version/"} <= addresses
    assert len(addresses) > 25
    wrong = "/api/version"  # shows that the question is put well
    found = without_route(addresses | {wrong}, tmp_path)
    assert [each for each in found if each.startswith(BEGINNINGS)] == [wrong]


def test_an_address_in_an_adapter_is_seen_whichever_way_it_is_put(tmp_path: Path) -> None:
    module = tmp_path / "adapter.py"
    module.write_text(
        'BASE = "/api/tasks"\n'
        "def call(api, task, settings):\n"
        '    api.get(BASE); api.get(f"{BASE}/{task}"); api.get(f"/api/x/{task[0]}/y", {})\n'
        '    ask(api, f"{settings.effective_label_studio_url}/health")\n'
    )
    assert list(addresses_in(module)) == ["/api/tasks", "/api/tasks/1", "/api/x/1/y", "/health"]
    assert "/api/current-user/whoami" in addresses_in(Path(session.__file__))
