from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from loop.errors import BadFrame, BadWeights
from loop.masks import Letterbox
from loop.ports import Segmenter
from tests.discs import draw_disc
from trainer.crf import CrfSettings, dense_crf
from trainer.engine import TorchSegmenter, load_segmenter
from trainer.networks import build_network
from trainer.postprocess import without_specks
from trainer.preprocess import image_to_tensor, letterbox, probs_to_frame
from trainer.recipe_values import SMALLEST
from trainer.uncertainty import MEASURES
from trainer.weights import describe, save_weights

ROOT = Path(__file__).resolve().parents[3]
NAME = "mobilenetv2-unet"
IMAGE = draw_disc(2)[0]


@dataclass(frozen=True)
class Model:
    network: torch.nn.Module
    path: Path
    digest: str


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.manual_seed(1)
    network = build_network(NAME, 1).eval()
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    return Model(network, path, save_weights(path, network, describe(NAME, ["vessel"], 64)))


def segmenter(model: Model, **changes: object) -> TorchSegmenter:
    return load_segmenter(model.path, 1, **({"precision": "float32"} | changes))  # type: ignore[arg-type]


@torch.inference_mode()
def test_it_answers_at_the_frame_s_own_size_with_what_the_network_says(model: Model) -> None:
    loaded: Segmenter = segmenter(model, digest=model.digest)
    probs = loaded.predict(IMAGE)
    assert loaded.classes == ("vessel",)
    assert probs.shape == (1, 80, 100)
    assert probs.dtype == np.float32
    logits = model.network(torch.from_numpy(image_to_tensor(IMAGE, 64))[None])
    expected = probs_to_frame(logits[0].sigmoid().numpy(), Letterbox(80, 100, 64))
    assert np.abs(np.where(probs == 0.5, expected, probs) - expected).max() < 1e-5


def test_the_same_frame_gives_the_same_answer_again_and_from_an_examination(model: Model) -> None:
    loaded = segmenter(model)
    probs = loaded.predict(IMAGE)
    assert (loaded.predict(IMAGE) == probs).all()
    assert (loaded.examine(IMAGE).probs == probs).all()


def test_an_examination_carries_the_scores_that_were_asked_for_and_an_embedding(model: Model) -> None:
    cheap = segmenter(model).examine(IMAGE)
    assert set(cheap.scores) == {"boundary-entropy", "random"}
    assert cheap.embedding.dtype == np.float32
    assert cheap.embedding.ndim == 1
    assert np.isfinite(cheap.embedding).all()
    every = segmenter(model, measures=MEASURES).examine(IMAGE)
    assert set(every.scores) == set(MEASURES)
    assert all(0 <= score <= 1 for score in every.scores.values())


def test_a_mirrored_frame_disagrees_as_much_as_the_frame_itself(model: Model) -> None:
    loaded = segmenter(model, measures=["flip-disagreement"])
    scores = [loaded.examine(np.ascontiguousarray(image)).scores for image in (IMAGE, IMAGE[:, ::-1])]
    assert scores[0]["flip-disagreement"] == pytest.approx(scores[1]["flip-disagreement"], abs=1e-3)


def test_with_several_classes_one_channel_proposes_for_the_prior_class_alone(model: Model) -> None:
    loaded = segmenter(model, classes=["Nerve", "Vein"], prior_class="Vein")
    probs = loaded.predict(IMAGE)
    assert loaded.classes == ("Nerve", "Vein")
    assert not probs[0].any()
    assert (probs[1] == segmenter(model).predict(IMAGE)[0]).all()


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x", build_network(NAME, 2), describe(NAME, ["a", "b"], 64))
    with pytest.raises(BadWeights, match="know any of"):
        load_segmenter(tmp_path / "x", 1, classes=["c"])


def test_once_warm_the_first_model_of_a_process_imports_nothing_more(model: Model) -> None:
    """Imports keep all other threads waiting: of a backend that has just got its first model, readers'."""
    script = f"""
import sys
from pathlib import Path
import numpy as np
from trainer.engine import load_segmenter, warm_up
warm_up()
before = set(sys.modules)
load_segmenter(Path({str(model.path)!r}), 1, precision="float32").predict(np.zeros((64, 64), np.uint8))
print(*sorted(set(sys.modules) - before))
"""
    ran = subprocess.run(  # in a process of its own: in this one all is imported
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []


def test_a_file_with_another_digest_is_refused(model: Model) -> None:
    with pytest.raises(BadWeights):
        segmenter(model, digest="0" * 64)


def test_a_frame_that_is_not_grey_is_refused(model: Model) -> None:
    with pytest.raises(BadFrame):
        segmenter(model).predict(np.zeros((8, 8, 3), np.uint8))


@torch.no_grad()
def test_a_network_whose_numbers_overflow_is_refused_while_it_serves(tmp_path: Path) -> None:
    network = build_network(NAME, 1)
    next(network.segmentation_head.parameters()).fill_(3e38)  # type: ignore[union-attr]
    save_weights(tmp_path / "x", network, describe(NAME, ["vessel"], 64))
    loaded = load_segmenter(tmp_path / "x", 1, precision="float32")
    with pytest.raises(BadWeights, match="roll back"):
        loaded.predict(IMAGE)


def test_a_model_with_a_crf_answers_as_its_probabilities_drawn_to_the_picture(
    model: Model, tmp_path: Path
) -> None:
    settings = CrfSettings(iterations=2)
    config = describe(NAME, ["vessel"], 64, crf=settings.to_dict())
    save_weights(tmp_path / "x", model.network, config)
    loaded = load_segmenter(tmp_path / "x", 1, precision="float32")
    with torch.inference_mode():
        plain = model.network(torch.from_numpy(image_to_tensor(IMAGE, 64))[None])[0].sigmoid().numpy()
    box = Letterbox(80, 100, 64)
    rows, columns = slice(box.new_height), slice(box.new_width)
    drawn = plain.copy()
    drawn[:, rows, columns] = dense_crf(
        letterbox(IMAGE, 64)[rows, columns], plain[:, rows, columns], settings
    )
    expected = without_specks(probs_to_frame(drawn, box), SMALLEST * 80 * 100)
    assert np.abs(loaded.predict(IMAGE) - expected).max() < 1e-4
    assert np.abs(segmenter(model).predict(IMAGE) - expected).max() > 0.01
    assert (loaded.examine(IMAGE).probs == loaded.predict(IMAGE)).all()


@pytest.mark.parametrize("name", ["unet-leakyrelu", "nnunet"])
def test_any_network_serves_and_gives_its_embedding(name: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "x", build_network(name, 1), describe(name, ["vessel"], 64))
    found = load_segmenter(tmp_path / "x", 1, precision="float32").examine(IMAGE)
    assert found.probs.shape == (1, 80, 100)
    assert found.embedding.shape == (512,)


def test_bf16_gives_nearly_the_same_probabilities(model: Model) -> None:
    full, half = (segmenter(model, precision=p).predict(IMAGE) for p in ("float32", "bfloat16"))
    assert np.abs(full - half).mean() < 0.05
