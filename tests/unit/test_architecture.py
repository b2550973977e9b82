"""Rules of the architecture that import-linter cannot see, read from the source."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("loop", "trainer", "db", "adapters", "ml_backend", "worker", "cli")
ENVIRONMENT_READERS = {
    "adapters/environment.py": "the one reader",
    "adapters/label_studio/inside/sonoloop_backend.py": "runs where no settings are known",
    "adapters/services/launch.py": "writes a service's variables before it becomes that service",
    "cli/system_parts.py": "CI is the build server's variable, not a setting",
}
MAY_BE_BROAD = ("worker", "ml_backend", "cli")


def sources(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def places(rooms: Iterable[str], is_meant: Callable[[ast.AST], bool]) -> set[str]:
    """File and line of each spot in the source that is meant."""
    return {
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in sources(*rooms)
        for node in ast.walk(tree_of(path))
        if is_meant(node)
    }


def reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return any(alias.name in ("environ", "environb", "getenv", "putenv") for alias in names)
    return False


def imported_packages(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def test_words_of_others_reach_the_terminal_through_one_door() -> None:
    """Rich's own escape lets through what a terminal obeys."""
    users = {name_of(path) for path in sources("cli") if "rich.markup" in path.read_text()}
    users |= {name_of(path) for path in sources("cli") if "from rich import markup" in path.read_text()}
    assert users == {"cli/markup.py"}


def test_only_the_settings_read_the_environment() -> None:
    readers = {each.split(":")[0] for each in places(ROOMS, reads_environment)}
    assert readers - set(ENVIRONMENT_READERS) == set()


def test_the_loop_imports_numpy_and_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "loop"}
    foreign = {
        (name_of(path), package)
        for path in sources("loop")
        for package in imported_packages(tree_of(path))
        if package not in allowed
    }
    assert foreign == set()


def test_every_adapter_stands_in_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = settings["contracts"][0]["layers"]
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    present = {
        f"adapters.{path.stem}"
        for path in (ROOT / "adapters").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert present - {"adapters.__init__"} <= named


def test_a_test_that_cannot_run_gives_up_through_one_door() -> None:
    """On a build server that door is shut; a bare skip would pass unseen."""

    def is_skip(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and ast.unparse(node) in ("pytest.skip", "pytest.importorskip")

    assert {each.split(":")[0] for each in places(["tests"], is_skip)} == {"tests/machine.py"}


UNPICKLERS = ("pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
EVALUATORS = ("eval", "exec", "compile", "__import__")
FORBIDDEN_CALLS = {
    ("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("os", "system"),
    ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput"), ("tempfile", "mktemp"),
}  # fmt: skip
NETWORK_CLIENTS = (
    "requests",
    "urllib3",
    "aiohttp",
    "ftplib",
    "smtplib",
    "telnetlib",
    "websocket",
    "paramiko",
)


def dangerous(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in EVALUATORS
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
            return (module, name) in FORBIDDEN_CALLS
        case ast.Import(names=names):
            return any(alias.name.split(".")[0] in UNPICKLERS for alias in names)
        case ast.ImportFrom(module=str(module), names=names):
            called = {(module, alias.name) for alias in names}
            return module.split(".")[0] in UNPICKLERS or bool(called & FORBIDDEN_CALLS)
        case ast.keyword(arg="shell" | "allow_pickle", value=ast.Constant(value=False)):
            return False
        case ast.keyword(arg="shell" | "allow_pickle"):
            return True
    return False


def test_nothing_evaluates_unpickles_or_calls_a_shell() -> None:
    assert places(ROOMS, dangerous) == set()


def swallows_everything(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(body=[*_, ast.Raise(exc=None)]):
            return False  # it tidies up and passes the error on
        case (
            ast.ExceptHandler(type=None) | ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException"))
        ):
            return True
    return False


def test_only_the_outermost_shells_swallow_every_error() -> None:
    inner = [room for room in ROOMS if room not in MAY_BE_BROAD]
    assert places(inner, swallows_everything) == set()


@pytest.mark.parametrize(
    "source", ["import os\nos.getenv('A')", "import os\nos.environ['A']", "from os import environ"]
)
def test_the_scan_sees_each_way_to_read_the_environment(source: str) -> None:
    assert any(reads_environment(node) for node in ast.walk(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "import yaml\nyaml.load('x')",
        "from os import system",
        "import os\nos.system('x')",
        "import subprocess\nsubprocess.run('x', shell=True)",
        "import numpy\nnumpy.load('x', allow_pickle=flag)",
    ],
)
def test_the_scan_sees_each_way_to_run_what_somebody_else_wrote(source: str) -> None:
    assert any(dangerous(node) for node in ast.walk(ast.parse(source)))


def test_httpx_is_the_only_client_of_the_network_and_takes_no_orders_from_the_environment() -> None:
    clients: set[tuple[str, str]] = set()
    calls: list[ast.Call] = []
    for path in sources(*ROOMS):
        tree = tree_of(path)
        clients |= {(name_of(path), each) for each in imported_packages(tree) if each in NETWORK_CLIENTS}
        calls += [node for node in ast.walk(tree) if is_httpx_call(node)]
        assert "follow_redirects" not in path.read_text(), name_of(path)
        assert not {"urlopen", "urlretrieve", "build_opener"} & set(path.read_text().split()), name_of(path)
    assert clients == set()
    assert len(calls) >= 2
    for call in calls:
        (said,) = [each.value for each in call.keywords if each.arg == "trust_env"]
        assert isinstance(said, ast.Constant)
        assert said.value is False


def is_httpx_call(node: ast.AST) -> TypeGuard[ast.Call]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="httpx"), attr=name)):
            return name in (
                "Client",
                "AsyncClient",
                "request",
                "stream",
                "get",
                "post",
                "put",
                "patch",
                "delete",
            )
    return False
