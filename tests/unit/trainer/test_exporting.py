from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from loop.errors import BadRequest, BadWeights, NotFound
from trainer.exporting import INPUT, OUTPUT, TOLERANCE, export
from trainer.networks import build_network
from trainer.weights import DESCRIPTION, describe, load_weights, save_weights

NAME, SIDE = "mobilenetv2-unet", 96
CONFIG = describe(NAME, ["vein", "artery"], SIDE)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_weights(path, build_network(NAME, 2), CONFIG)
    return path


@pytest.fixture(scope="module")
def expected(weights: Path) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return image, load_weights(weights)[0](image)


def test_an_onnx_file_answers_as_the_model_does_and_carries_its_description(
    weights: Path, expected: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    out = tmp_path / "x.onnx"
    export(weights, "onnx", out)
    onnx.checker.check_model(str(out), full_check=True)
    session = onnxruntime.InferenceSession(str(out))
    assert [each.name for each in (*session.get_inputs(), *session.get_outputs())] == [INPUT, OUTPUT]
    image, logits = expected
    (answer,) = session.run(None, {INPUT: image.numpy()})
    assert np.abs(answer - logits.numpy()).max() < TOLERANCE * float(logits.abs().max())
    assert json.loads(session.get_modelmeta().custom_metadata_map[DESCRIPTION]) == CONFIG


def test_an_exported_program_answers_as_the_model_does_and_carries_its_description(
    weights: Path, expected: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    out = tmp_path / "x.pt2"
    export(weights, "pt2", out)
    extra = {DESCRIPTION: ""}
    program = torch.export.load(out, extra_files=extra)
    image, logits = expected
    with torch.inference_mode():
        assert torch.allclose(program.module()(image), logits, atol=1e-4)
    assert json.loads(extra[DESCRIPTION]) == CONFIG


def test_nothing_that_is_there_is_overwritten(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    out.write_bytes(b"mine")
    with pytest.raises(BadRequest, match="there already"):
        export(weights, "onnx", out)
    assert out.read_bytes() == b"mine"


def test_an_unknown_kind_a_missing_and_a_foreign_file_are_refused_and_nothing_is_written(
    weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.bin"
    with pytest.raises(BadRequest, match="onnx, pt2"):
        export(weights, "tflite", out)
    with pytest.raises(NotFound):
        export(tmp_path / "none", "onnx", out)
    (tmp_path / "cut").write_bytes(weights.read_bytes()[:-1000])
    for path, digest in ((tmp_path / "cut", None), (weights, "0" * 64)):
        with pytest.raises(BadWeights):
            export(path, "pt2", out, digest)
    assert not out.exists()
