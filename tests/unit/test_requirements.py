"""The lock files pin public versions and say nothing of the machine that made them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements"
NAMES = ("app", "dev", "label-studio")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;]+)(\s*;.*)?$")


def lines(file: Path) -> list[str]:
    """Those that name packages: without remarks and hashes."""
    text = (line.split(" #")[0].removesuffix("\\").strip() for line in file.read_text().splitlines())
    return [line for line in text if line and not line.startswith(("#", "--hash="))]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, set[str]]:
    """Versions by package; a package may have two where the Python version decides."""
    found: dict[str, set[str]] = {}
    for line in lines(FOLDER / f"{name}.lock"):
        match = PIN.match(line)
        assert match, f"{name}.lock: {line!r} is not a pin"
        found.setdefault(canonical(match["name"]), set()).add(match["version"])
    return found


def direct(name: str) -> list[str]:
    wanted = [line for line in lines(FOLDER / f"{name}.in") if not line.startswith("-r")]
    return [canonical(re.split(r"[\[<>=;!~ ]", line)[0]) for line in wanted]


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_holds_only_public_versions(name: str) -> None:
    local = {
        package for package, versions in pins(name).items() if any("+" in version for version in versions)
    }
    assert local == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_of_a_lock_has_the_hashes_of_its_files(name: str) -> None:
    """uv installs nothing that differs from them."""
    blocks = re.split(r"\n(?=\S)", (FOLDER / f"{name}.lock").read_text())
    assert [block for block in blocks if not re.search(r" --hash=sha256:[0-9a-f]{64}(\s|$)", block)] == []


def test_the_image_for_cpus_is_made_from_the_same_lock_without_cuda_and_hashes_of_torch() -> None:
    command = ["sh", str(ROOT / "deploy" / "without-cuda.sh"), str(FOLDER / "app.lock")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    blocks = re.split(r"\n(?=\S)", text)
    assert [block.strip() for block in blocks if "--hash" not in block] == [
        "torch==2.13.0",
        "torchvision==0.28.0",
    ]
    left_out = pins("app").keys() - {canonical(re.split(r"[\[=]", block)[0]) for block in blocks}
    assert "triton" in left_out
    assert all(re.match("cuda-|nvidia-|triton", each) for each in left_out)


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: file.name)
def test_no_address_and_no_machine_path_stands_in_the_requirements(file: Path) -> None:
    assert not re.search(r"://|--index|--find-links|(^|\s)/\w", file.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_every_direct_requirement_is_pinned(name: str) -> None:
    assert [package for package in direct(name) if package not in pins(name)] == []


def test_the_developers_lock_holds_the_whole_app_lock_so_that_one_environment_serves_both() -> None:
    dev = pins("dev")
    assert {package: dev.get(package) for package in pins("app")} == pins("app")


def test_torch_and_torchvision_are_the_pair_that_was_built_together() -> None:
    app = pins("app")
    assert (app["torch"], app["torchvision"]) == ({"2.13.0"}, {"0.28.0"})


def test_the_packages_that_cannot_share_an_environment_stay_apart() -> None:
    assert "label-studio" not in pins("dev")
    assert "celery" not in pins("label-studio")


def test_no_package_with_a_copyleft_licence_is_chosen() -> None:
    refused = {"albumentationsx", "medpy", "minio", "psycopg", "psycopg2", "pylibjpeg-libjpeg"}
    assert refused.isdisjoint(pins("dev"))


def test_the_project_metadata_take_their_dependencies_from_the_same_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements/app.in"]}
