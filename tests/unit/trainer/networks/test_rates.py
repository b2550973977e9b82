"""Networks that differ in their atrous rates alone are not taken for one another, whatever names them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from loop.errors import BadRequest, BadWeights
from tests.discs import TINY, disc_job
from tests.judged import some_protocol
from trainer.becoming import as_its_base
from trainer.checkpoint import fingerprint
from trainer.comparison.protocol import Plan, read_protocol, write_protocol
from trainer.networks import build_network
from trainer.networks.base import Network
from trainer.training import begin
from trainer.weights import describe, load_weights, read_description, save_weights

PAPER, WIDE = "deeplabv3plus", "deeplabv3plus-wide"
SMALL = "mobilenetv2-unet"
X = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
"""Large enough that the paper's rates see what the wide ones do not: 16 x 16 cells at stride 16."""


@pytest.fixture(scope="module")
def wide() -> Network:
    torch.manual_seed(0)
    return build_network(WIDE, 1).eval()


def before(network: str) -> dict[str, Any]:
    """What a file said of itself before there were two."""
    config = describe(network, ["vessel"], 64)
    config.pop("rates")
    return config


@torch.inference_mode()
def test_an_older_file_is_read_as_the_network_that_it_was(wide: Network, tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_weights(path, wide, before(PAPER))
    loaded, config = load_weights(path)
    assert config == describe(WIDE, ["vessel"], 64) == read_description(path)
    assert torch.equal(loaded(X), wide(X))
    save_weights(path, wide, describe(PAPER, ["vessel"], 64))
    assert not torch.allclose(load_weights(path)[0](X), wide(X), atol=1e-3), "the tensors fit both"


@pytest.mark.parametrize(
    ("older", "now"), [(f"{SMALL}+{PAPER}", f"{SMALL}+{WIDE}"), ("deeplabv3", "deeplabv3"), (WIDE, WIDE)]
)
def test_an_older_file_keeps_its_rates_in_an_ensemble_and_under_other_names(
    older: str, now: str, tmp_path: Path
) -> None:
    save_weights(tmp_path / "model", torch.nn.Linear(1, 1), before(older))
    config = read_description(tmp_path / "model")
    assert (config["network"], config["rates"]) == (now, describe(now, ["vessel"], 64)["rates"])


@pytest.mark.parametrize("rates", [{PAPER: [12, 24, 36]}, {}, None, [6, 12, 18], {WIDE: [6, 12, 18]}])
def test_a_file_of_other_rates_than_its_network_has_is_refused(rates: object, tmp_path: Path) -> None:
    config = describe(PAPER, ["vessel"], 64, rates=rates)
    save_weights(tmp_path / "model", torch.nn.Linear(1, 1), config)
    with pytest.raises(BadWeights, match=r"atrous rates .*need .*\[6, 12, 18\].*the version that trained"):
        read_description(tmp_path / "model")


def test_a_network_without_such_rates_says_none() -> None:
    assert "rates" not in describe(SMALL, ["vessel"], 64)


def test_a_project_that_began_on_older_weights_goes_on_with_their_rates(
    wide: Network, tmp_path: Path
) -> None:
    save_weights(tmp_path / "base", wide, before(PAPER))
    job = disc_job(tmp_path, replace(TINY, network=PAPER), base=str(tmp_path / "base"), classes=("vessel",))
    training = begin(job)
    assert training.job.recipe.network == WIDE
    network = training.network.cpu().eval()
    assert torch.allclose(network(X), wide(X), atol=1e-3)
    fresh = replace(job, base=None)
    assert as_its_base(fresh) == fresh


def test_a_checkpoint_from_before_is_of_another_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = disc_job(tmp_path, replace(TINY, network=PAPER))
    other = disc_job(tmp_path, TINY)
    now, others = fingerprint(job), fingerprint(other)
    monkeypatch.setattr("trainer.checkpoint.atrous_rates", lambda name: {})
    assert fingerprint(job) != now
    assert fingerprint(other) == others, "nothing changes for networks that have always had their rates"


def test_a_comparison_from_before_is_refused_with_the_network_s_name_of_today(tmp_path: Path) -> None:
    path = tmp_path / "protocol.json"
    for networks in ((SMALL, PAPER), (SMALL, WIDE)):
        write_protocol(path, some_protocol(), Plan(networks, 1))
        assert read_protocol(path)[1].networks == networks
        content = json.loads(path.read_text())
        del content["rates"]
        path.write_text(json.dumps(content))
        if PAPER in networks:
            with pytest.raises(BadRequest, match=f"choose another --out, and name {WIDE}"):
                read_protocol(path)
        else:
            assert read_protocol(path)[1].networks == networks
