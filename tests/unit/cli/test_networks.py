from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.networks import networks_table
from trainer.networks import NETWORKS

ROOT = Path(__file__).resolve().parents[3]


def test_the_networks_page_holds_the_table_that_the_command_prints() -> None:
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert f"\n{networks_table()}\n" in page, "put in what `./sonoloop networks` prints"


def test_the_table_names_every_network_whole_within_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = CliRunner().invoke(app, ["networks"])
    assert printed.exit_code == 0
    lines = printed.output.splitlines()
    assert [line.split()[0] for line in lines[1 : len(NETWORKS) + 1]] == list(NETWORKS)
    assert max(map(len, lines)) <= 80
    assert all(entry.paper in printed.output for entry in NETWORKS.values())


def test_programs_get_the_table_as_json() -> None:
    printed = CliRunner().invoke(app, ["networks", "--json"])
    found = {row["network"]: row for row in json.loads(printed.output)}
    assert list(found) == list(NETWORKS)
    assert found["resnet34-unet"]["parameters"] == 24_430_097
    assert found["resnet34-unet"]["gmac_512"] == pytest.approx(30.84)
    assert found["resnet34-unet"]["exports"] == ["onnx", "pt2"]


def test_listing_networks_waits_for_no_library() -> None:
    code = "import sys, cli.networks as n; n.networks_table(); print({'torch', 'monai'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(("file", "need"), [("x.pth", "onnx"), ("x", "pt2"), ("nowhere/x.onnx", "folder")])
def test_a_file_that_no_model_can_become_is_refused_before_anything_is_read(
    tmp_path: Path, file: str, need: str
) -> None:
    asked = CliRunner().invoke(
        app, ["model", "export", "p1-v1", str(tmp_path / file), "--home", str(tmp_path)]
    )
    assert asked.exit_code == 1
    assert need in asked.output
    assert list(tmp_path.iterdir()) == []
