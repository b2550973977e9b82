"""`model export` on a real home: its database, its storage, a network of random weights."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from adapters.bootstrap import build
from adapters.services.secrets import ensure_secrets
from cli.app import app
from tests.services.homes import NOW, make_home, make_settings
from trainer.networks import build_network
from trainer.weights import describe, save_weights

NETWORK = "mobilenetv2-unet"


@pytest.fixture
def home(tmp_path: Path) -> tuple[Path, str]:
    """A home, and the name of its version that has weights."""
    settings = make_settings(tmp_path)
    make_home(settings, frames=0, held_out=0)
    ensure_secrets(settings.root)
    torch.manual_seed(0)
    weights = tmp_path / "weights"
    digest = save_weights(weights, build_network(NETWORK, 1), describe(NETWORK, ["vein"], 64))
    container = build(settings)
    container.storage.put("models", digest, weights.read_bytes())
    with container.database.write() as uow:
        version = uow.models.add(
            1,
            digest=digest,
            round_id=None,
            origin="scratch",
            config={"network": NETWORK},
            metrics={},
            now=NOW,
        )
        uow.commit()
    container.close()
    return settings.root, version.name


def export(home: Path, version: str, file: Path) -> tuple[int, str]:
    asked = CliRunner().invoke(app, ["model", "export", version, str(file), "--home", str(home)])
    return asked.exit_code, asked.output


def test_a_version_becomes_a_file_that_other_programs_run(home: tuple[Path, str], tmp_path: Path) -> None:
    code, output = export(*home, tmp_path / "vein.onnx")
    assert code == 0, output
    session = onnxruntime.InferenceSession(str(tmp_path / "vein.onnx"))
    assert session.get_inputs()[0].shape == [1, 1, 64, 64]
    code, output = export(*home, tmp_path / "vein.onnx")
    assert code == 1
    assert "there already" in output


def test_a_version_that_is_not_there_is_refused(home: tuple[Path, str], tmp_path: Path) -> None:
    code, output = export(home[0], "p1-v9", tmp_path / "vein.pt2")
    assert code == 1
    assert home[1] in output
    assert not (tmp_path / "vein.pt2").exists()
