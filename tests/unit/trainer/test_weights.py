from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from loop.errors import BadWeights, NotFound
from trainer.channels import channel_sources, require_sources
from trainer.networks import build_network
from trainer.weights import adapt, describe, load_weights, read_description, save_weights

NAME = "mobilenetv2-unet"
CONFIG = describe(NAME, ["vein"], 64, prior=None)
X = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network(NAME, 1).eval()


@pytest.fixture(scope="module")
def file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    return path, save_weights(path, network, CONFIG)


@torch.inference_mode()
def test_a_network_survives_its_file_and_equal_networks_have_equal_digests(
    network: nn.Module, file: tuple[Path, str], tmp_path: Path
) -> None:
    loaded, config = load_weights(*file)
    assert config == CONFIG
    assert torch.equal(loaded(X), network(X))
    channels_last = load_weights(*file)[0].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert save_weights(tmp_path / "again", channels_last, CONFIG) == file[1]


@torch.inference_mode()
def test_half_precision_halves_the_file_and_hardly_changes_the_answer(
    network: nn.Module, tmp_path: Path
) -> None:
    save_weights(tmp_path / "full", network, CONFIG)
    save_weights(tmp_path / "half", network, CONFIG, half=True)
    assert (tmp_path / "half").stat().st_size < 0.55 * (tmp_path / "full").stat().st_size
    loaded, _ = load_weights(tmp_path / "half")
    assert next(loaded.parameters()).dtype == torch.float32
    assert (loaded(X) - network(X)).abs().max() < 0.05


def test_a_missing_a_foreign_a_truncated_and_another_file_are_refused(
    file: tuple[Path, str], tmp_path: Path
) -> None:
    path = tmp_path / "x"
    with pytest.raises(NotFound):
        load_weights(path)
    for data in (b"", b"\x80\x02}q\x00.", file[0].read_bytes()[:-1000], file[0].read_bytes()[:50]):
        path.write_bytes(data)
        with pytest.raises(BadWeights):
            load_weights(path)
    with pytest.raises(BadWeights, match="fetch the file again"):
        load_weights(file[0], "0" * 64)


@pytest.mark.parametrize(
    "change",
    [{"network": "resnet34-unet"}, {"classes": ["a", "b"]}, {"classes": []}, {"size": "64"}, {"mean": 0.4}],
)
def test_a_description_that_does_not_fit_is_refused(
    network: nn.Module, tmp_path: Path, change: dict[str, object]
) -> None:
    save_weights(tmp_path / "x", network, CONFIG | change)
    with pytest.raises(BadWeights):
        load_weights(tmp_path / "x")


def crafted(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    """Bytes in safetensors' format that say whatever they like."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


NOTES = {"sonoloop": json.dumps({"sonoloop": CONFIG})}


def claiming(dtype: str = "F32", shape: Sequence[int] = (1,), **config: object) -> bytes:
    notes = {"sonoloop": json.dumps({"sonoloop": CONFIG | config})}
    return crafted({"__metadata__": notes} | tensor(dtype, [*shape], 4), b"abcd")


def tensor(dtype: str, shape: list[int], end: int) -> dict[str, object]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


CRAFTED = {
    "a header longer than the file": crafted({}, length=2**62),
    "a header of 20 MB": crafted(b"{" + b" " * 20_000_000 + b"}"),
    "a header nested 90,000 times": crafted(b'{"__metadata__":' + b"[" * 90_000 + b"]" * 90_000 + b"}"),
    "notes nested 90,000 times": crafted({"__metadata__": {"sonoloop": "[" * 90_000 + "]" * 90_000}}),
    "notes that are a list": crafted({"__metadata__": {"sonoloop": "[1]"}} | tensor("F32", [1], 4), b"abcd"),
    "a tensor of 2^80 numbers": crafted(tensor("F32", [2**40, 2**40], 4), b"abcd"),
    "a tensor of Python objects": crafted(tensor("O", [1], 4), b"abcd"),
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "ten million classes": claiming(classes=["a"] * 10_000_000),
    "classes that are no names": claiming(classes=[1, {}]),
    "a side of 2^40 px": claiming(size=2**40),
    "a side of 10^400 px": claiming(size=10**400),
    "a network by a path": claiming(network="../../x"),
    "a network whose name is a megabyte": claiming(network="x" * 1_000_000),
    "an ensemble of a thousand": claiming(network="+".join(["resnet34-unet"] * 1000)),
    "an ensemble with a stranger": claiming(network="resnet34-unet+x"),
    "a class without a name": claiming(classes=["vein", " "]),
    "two classes of one name": claiming(classes=["vein", "artery", "vein"]),
    "a class that rings the bell": claiming(classes=["\x07\x1b[2J"]),
    "one class that is a number": claiming(classes=[1]),
    "a CRF of a billion px": claiming(crf={"near": 1e9}),
    "a CRF of half a round": claiming(crf={"iterations": 2.5}),
    "a CRF of 10^400 px": claiming(crf={"place": 10**400}),
    "numbers of 8 bits": claiming(dtype="F8_E4M3", shape=[4]),
    "offsets that are none": crafted({"__metadata__": NOTES, "a": {"dtype": "F32", "data_offsets": []}}),
    "a format that is a list": crafted({"__metadata__": NOTES, "a": {"dtype": [], "data_offsets": [0, 0]}}),
    "formats of two kinds": crafted(
        {"__metadata__": NOTES}
        | {
            name: {"dtype": kind, "data_offsets": [0, 0]}
            for name, kind in {"a": 1, "b": "F8", "c": None}.items()
        }
    ),
    "a byte too few": claiming()[:-1],
    "a byte too many": claiming() + b"x",
    "a CRF of a billion rounds": claiming(crf={"iterations": 10**9}),
    "a CRF that is no settings": claiming(crf=[1]),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_refused_in_a_short_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CRAFTED[name])
    with pytest.raises(BadWeights) as refused:
        load_weights(tmp_path / "x")
    assert len(refused.value.message) < 400
    with pytest.raises(BadWeights) as refused:
        read_description(tmp_path / "x")
    assert len(refused.value.message) < 400


def test_a_file_with_two_classes_of_one_name_is_refused_by_that_name(tmp_path: Path) -> None:
    """Its first channel would have stood for both. Upper and lower case tell classes apart, as ever."""
    config = describe(NAME, ["vein", "artery", "vein"], 64)
    save_weights(tmp_path / "x", build_network(NAME, 3), config)
    for read in (load_weights, read_description):
        with pytest.raises(BadWeights, match=r"2 classes called 'vein'; need a name of its own.*named once"):
            read(tmp_path / "x")
    save_weights(tmp_path / "x", build_network(NAME, 2), describe(NAME, ["vein", "Vein"], 64))
    assert load_weights(tmp_path / "x")[1]["classes"] == ["vein", "Vein"]


def test_what_a_file_says_of_itself_is_read_without_its_weights(
    file: tuple[Path, str], tmp_path: Path
) -> None:
    said = load_weights(file[0])[1]
    assert said["network"]
    assert read_description(file[0]) == said
    whole = file[0].read_bytes()
    for data in (whole[:-1000], whole[:-1], whole + b"\0", whole[:1000]):
        (tmp_path / "cut").write_bytes(data)
        with pytest.raises(BadWeights, match=f"{len(data)} bytes.*if it was cut short"):
            read_description(tmp_path / "cut")
    with pytest.raises(NotFound):
        read_description(tmp_path / "nowhere")


def test_a_file_of_a_terabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room
    with pytest.raises(BadWeights, match="1024 GiB"):
        load_weights(tmp_path / "x")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network = build_network(NAME, 1)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = float("nan")
    save_weights(tmp_path / "x", network, CONFIG)
    with pytest.raises(BadWeights, match="NaN"):
        load_weights(tmp_path / "x")


def test_weights_too_large_for_the_network_are_refused(tmp_path: Path) -> None:
    network = build_network(NAME, 1).double()
    save_weights(tmp_path / "x", network, CONFIG)
    assert next(load_weights(tmp_path / "x")[0].parameters()).dtype == torch.float32
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = 1e300
    save_weights(tmp_path / "x", network, CONFIG)
    with pytest.raises(BadWeights, match="infinite"):
        load_weights(tmp_path / "x")


def test_a_single_channel_stands_for_the_prior_class_or_its_namesake_or_the_first() -> None:
    assert channel_sources(["vessel"], ["Vein", "Artery"]) == [0, None]
    assert channel_sources(["vessel"], ["Vein", "Artery"], "Artery") == [None, 0]
    assert channel_sources(["artery"], ["Vein", "Artery"]) == [None, 0]
    assert channel_sources(["vein"], ["Gefäß"]) == [0]
    assert channel_sources(["a", "b"], ["b", "c", "a"]) == [1, None, 0]


def test_a_name_in_another_case_is_the_same_where_only_one_can_be_meant() -> None:
    assert channel_sources(["artery", "NERVE"], ["Nerve", "Artery", "Vein"]) == [1, 0, None]
    assert channel_sources(["Vein", "vein"], ["vein", "VEIN"]) == [1, None]
    assert channel_sources(["vein", "nerve"], ["Vein", "VEIN"]) == [None, None]


def test_weights_that_know_no_class_are_refused_with_both_lists() -> None:
    assert require_sources(["a", "b"], ["c", "B"]) == [None, 1]
    with pytest.raises(BadWeights, match=r"weights of Artery, Nerve; need some that know any of Vein; name"):
        require_sources(["Artery", "Nerve"], ["Vein"])
    with pytest.raises(BadWeights) as refused:
        require_sources([f"class {number}" for number in range(254)], ["Vein"])
    assert len(refused.value.message) < 400


@torch.inference_mode()
def test_adapted_weights_propose_as_before_for_the_prior_class_and_nothing_for_the_others(
    network: nn.Module,
) -> None:
    torch.manual_seed(3)
    adapted = adapt(network, CONFIG, ["Nerve", "Vein"], "Vein").eval()
    logits = adapted(X)
    assert torch.equal(logits[:, 1:], network(X))
    assert logits[:, 0].sigmoid().mean() < 0.2
    torch.manual_seed(3)
    again = adapt(network, CONFIG, ["Nerve", "Vein"], "Vein").eval()
    assert torch.equal(again(X), logits), "the fresh channel follows the seed"


@torch.inference_mode()
def test_weights_of_the_same_classes_are_taken_whole(network: nn.Module) -> None:
    assert torch.equal(adapt(network, CONFIG, ["vein"]).eval()(X), network(X))


@torch.inference_mode()
@pytest.mark.parametrize("name", ["fcn16s", "deeplabv2", "mobilenetv2-unet+vnet"])
def test_another_class_list_takes_over_the_channels_it_knows_whatever_the_network(name: str) -> None:
    torch.manual_seed(0)
    first = build_network(name, 2).eval()
    adapted = adapt(first, describe(name, ["a", "b"], 64), ["b", "c", "a"]).eval()
    old, new = first(X), adapted(X)
    assert torch.allclose(new[:, [2, 0]], old, atol=1e-5)
    assert not torch.allclose(new[:, 1], old[:, 0], atol=1e-2)


def test_a_network_whose_paper_ends_with_a_crf_says_so_and_others_do_not() -> None:
    assert describe("deeplabv1", ["a"], 64)["crf"]["iterations"] >= 1
    assert describe("deeplabv1", ["a"], 64, crf=None)["crf"] is None
    assert "crf" not in describe("resnet34-unet", ["a"], 64)
