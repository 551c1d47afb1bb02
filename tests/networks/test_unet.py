"""The U-Net against the paper's definition in plain functions, and weights files that survive damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from lstsr_core.base.errors import InputError
from lstsr_core.networks import weights_files as networks
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import PUBLISHED_STATISTICS, Model, load_model, save_model
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS, unseen_weights, weights_file
from lstsr_core.patches.statistics import Statistics, read_statistics

STATISTICS = Statistics(
    lst_mean_k=300.25, lst_std_k=7.5, ndvi_mean=0.6, ndvi_std=0.17, lst_min_k=251.5, ndvi_max=0.99
)
State = dict[str, Tensor]
FullDisk = Callable[[int], AbstractContextManager[None]]


def published_state(seed: int) -> State:
    """Random weights under the names of the published checkpoints, with the shapes that Method 2 implies."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}

    def convolution(name: str, inputs: int, outputs: int) -> None:
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) / (3 * inputs**0.5)

    def batch_norm(name: str, channels: int) -> None:
        for part, shift in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0)):
            state[f"{name}.{part}"] = shift + 0.2 * torch.randn(channels, generator=generator)
        state[f"{name}.running_var"] = 0.5 + torch.rand(channels, generator=generator)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def double(name: str, inputs: int, middle: int, outputs: int) -> None:
        convolution(f"{name}.0", inputs, middle)
        batch_norm(f"{name}.1", middle)
        convolution(f"{name}.3", middle, outputs)
        batch_norm(f"{name}.4", outputs)

    double("inbloc.bloc", 2, 16, 16)
    for level, (inputs, outputs) in enumerate([(16, 32), (32, 64), (64, 64)], start=1):
        double(f"db{level}.resblock.doubleconv.bloc", inputs, inputs, inputs)
        convolution(f"db{level}.lastconv.0", inputs, outputs)
        batch_norm(f"db{level}.lastconv.1", outputs)
    for level, (inputs, outputs) in enumerate([(128, 32), (64, 16), (32, 16)], start=1):
        double(f"ub{level}.convbloc.bloc", inputs, inputs // 2, outputs)
    convolution("outlay", 16, 1)
    state["outlay.bias"] = torch.randn(1, generator=generator)
    return state


def plain_forward(state: State, inputs: Tensor) -> Tensor:
    """Method 2 line by line."""

    def convolve(features: Tensor, name: str, bias: Tensor | None = None) -> Tensor:
        return functional.conv2d(
            functional.pad(features, [1] * 4, mode="replicate"), state[f"{name}.weight"], bias
        )

    def block(features: Tensor, convolution: str, norm: str) -> Tensor:
        mean, variance, scale, shift = (
            state[f"{norm}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return torch.relu(
            (convolve(features, convolution) - mean) / torch.sqrt(variance + 1e-5) * scale + shift
        )

    def double(features: Tensor, name: str) -> Tensor:
        return block(block(features, f"{name}.0", f"{name}.1"), f"{name}.3", f"{name}.4")

    levels = [double(inputs, "inbloc.bloc")]
    for level in (1, 2, 3):
        pooled = functional.avg_pool2d(levels[-1], 2)
        residual = pooled + double(pooled, f"db{level}.resblock.doubleconv.bloc")
        levels.append(block(residual, f"db{level}.lastconv.0", f"db{level}.lastconv.1"))
    features = levels.pop()
    for level in (1, 2, 3):
        skip = levels.pop()
        features = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
        down, right = skip.shape[2] - features.shape[2], skip.shape[3] - features.shape[3]
        features = functional.pad(features, [right // 2, right - right // 2, down // 2, down - down // 2])
        features = double(torch.cat([features, skip], dim=1), f"ub{level}.convbloc.bloc")
    return convolve(features, "outlay", state["outlay.bias"])


def random_network(seed: int = 80) -> SharpeningUNet:
    torch.manual_seed(seed)
    return SharpeningUNet().eval()


def test_the_network_has_the_papers_size() -> None:
    state = SharpeningUNet().state_dict()
    assert len(state) == 104
    assert sum(tensor.numel() for tensor in state.values()) == 283_906


@pytest.mark.parametrize("shape", [(64, 64), (63, 64), (61, 47), (8, 9)])
def test_published_weights_give_what_the_definition_gives(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Names, order of the parts and padding of odd sizes at once: any slip changes the output."""
    state = published_state(81)
    torch.save(state, tmp_path / "modelB_state_dict.pt")
    network = load_model(tmp_path / "modelB_state_dict.pt").network
    inputs = torch.randn(2, 2, *shape, generator=torch.Generator().manual_seed(82))
    with torch.inference_mode():
        outputs = network(inputs)
        assert outputs.shape == (2, 1, *shape)
        torch.testing.assert_close(outputs, plain_forward(state, inputs), rtol=1e-4, atol=1e-4)


def test_predictions_are_scored_with_the_models_statistics(tmp_path: Path) -> None:
    state = published_state(83)
    torch.save(state, tmp_path / "weights.pt")
    generator = np.random.default_rng(84)
    lst_k, ndvi = generator.normal(303.0, 8.0, (32, 36)), generator.uniform(0.1, 0.9, (32, 36))
    predicted = load_model(tmp_path / "weights.pt").predict_k(lst_k, ndvi)
    scores = torch.tensor(
        np.stack([(lst_k - 303.467) / 8.0529, (ndvi - 0.64476) / 0.16534]), dtype=torch.float32
    )
    expected = plain_forward(state, scores[None])[0, 0].numpy() * 8.0529 + 303.467
    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, expected, atol=2e-3)


def test_own_weights_files_round_trip_exactly(tmp_path: Path) -> None:
    network = random_network()
    save_model(network, STATISTICS, tmp_path / "sif-cnn-sr1.safetensors", {"paper": "arXiv 2502.01204"})
    model = load_model(tmp_path / "sif-cnn-sr1.safetensors")
    assert model.statistics == STATISTICS
    assert model.source == "sif-cnn-sr1.safetensors"
    assert not model.network.training
    loaded = model.network.state_dict()
    assert loaded.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name
    with safetensors.safe_open(tmp_path / "sif-cnn-sr1.safetensors", framework="pt") as stored:
        assert json.loads(stored.metadata()["card"])["paper"] == "arXiv 2502.01204"


@pytest.mark.parametrize("card", [None, {"paper": "arXiv 2502.01204"}, {name: name for name in "abcdefgh"}])
def test_the_same_weights_are_saved_as_the_same_bytes(tmp_path: Path, card: dict[str, str] | None) -> None:
    network = random_network()
    contents = set()
    for attempt in range(6):
        path = tmp_path / f"{attempt}.safetensors"
        save_model(network, STATISTICS, path, card)
        contents.add(path.read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("size", [0, 5_000, 500_000])
def test_a_disk_that_fills_up_leaves_the_previous_weights(
    tmp_path: Path, full_disk: FullDisk, size: int
) -> None:
    path = tmp_path / "sif-cnn-sr1.safetensors"
    save_model(random_network(85), STATISTICS, path)
    before = path.read_bytes()
    with (
        full_disk(size),
        pytest.raises(InputError, match=r"sif-cnn-sr1\.safetensors: cannot be written \(File too large\)"),
    ):
        save_model(random_network(86), STATISTICS, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(InputError, match=r"weights.sc-unet\.safetensors: cannot be written"):
        save_model(random_network(), STATISTICS, tmp_path / "weights" / "sc-unet.safetensors")
    assert (tmp_path / "weights").read_text() == "a file"


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("share", [0.0, 1e-5, 0.001, 0.5, 0.9999])
def test_truncated_weights_are_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(published_state(87), path)
    else:
        save_model(random_network(), STATISTICS, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "not a readable weights file" in refusal(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_missing_weights_are_named(tmp_path: Path, suffix: str) -> None:
    assert "no such file" in refusal(tmp_path / f"weights{suffix}")


class Exploit:
    """Makes a file where a pickle is trusted."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


def test_a_hostile_checkpoint_is_refused_without_effect(tmp_path: Path) -> None:
    torch.save({"outlay.bias": Exploit(tmp_path / "marker")}, tmp_path / "weights.pt")
    assert "not a readable weights file" in refusal(tmp_path / "weights.pt")
    assert not (tmp_path / "marker").exists()


def test_weights_of_another_width_are_told(tmp_path: Path) -> None:
    state = published_state(88)
    state["inbloc.bloc.0.weight"] = torch.zeros(16, 3, 3, 3)
    torch.save(state, tmp_path / "weights.pt")
    message = refusal(tmp_path / "weights.pt")
    assert "another architecture" in message
    assert "(16, 3, 3, 3)" in message
    assert "(16, 2, 3, 3)" in message


@pytest.mark.parametrize(
    "content",
    [
        torch.nn.Linear(3, 4).state_dict(),
        {},
        published_state(89) | {"extra.weight": torch.zeros(3)},
        {name: tensor for name, tensor in published_state(90).items() if not name.startswith("ub2")},
        {"best_loss": 0.1, "model_state_dict": published_state(91)},
        {"epoch": 3, **published_state(92)},
    ],
    ids=[
        "another network",
        "nothing",
        "one tensor more",
        "a level less",
        "a training state",
        "a number beside the tensors",
    ],
)
def test_checkpoints_of_another_architecture_are_refused(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "weights.pt")
    assert "another architecture" in refusal(tmp_path / "weights.pt")


def test_a_checkpoint_that_is_no_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "weights.pt")
    refusal(tmp_path / "weights.pt")


def test_own_weights_without_statistics_are_refused(tmp_path: Path) -> None:
    save_file(random_network().state_dict(), tmp_path / "weights.safetensors")
    assert "statistics" in refusal(tmp_path / "weights.safetensors")


def test_statistics_files_round_trip(tmp_path: Path) -> None:
    (tmp_path / "statistics.json").write_text(json.dumps(asdict(STATISTICS)))
    assert read_statistics(tmp_path / "statistics.json") == STATISTICS


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"lst_mean_k": 300.0}', '{"mean": 300.0}', None])
def test_other_statistics_files_are_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "statistics.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(
        InputError,
        match=r"statistics\.json: not readable as training statistics .*expected JSON with lst_mean_k",
    ):
        read_statistics(path)


@pytest.mark.parametrize(
    "wrong", [{"lst_mean_k": "warm"}, {"ndvi_mean": None}, {"lst_std_k": 0.0}, {"ndvi_std": float("nan")}]
)
def test_statistics_that_cannot_score_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    (tmp_path / "statistics.json").write_text(json.dumps({**asdict(STATISTICS), **wrong}))
    with pytest.raises(InputError, match=next(iter(wrong))):
        read_statistics(tmp_path / "statistics.json")


def test_own_weights_are_looked_for_before_the_published(tmp_path: Path) -> None:
    assert weights_file(tmp_path, "sif-cnn-sr2") is None
    published = tmp_path / "models" / "modelB_2609" / "modelB_state_dict.pt"
    published.parent.mkdir(parents=True)
    published.touch()
    assert weights_file(tmp_path, "sif-cnn-sr2") == published
    assert weights_file(tmp_path / "models", "sif-cnn-sr2") == published
    assert weights_file(tmp_path, "sif-cnn-sr1") is None
    (tmp_path / "sif-cnn-sr2.safetensors").touch()
    assert weights_file(tmp_path, "sif-cnn-sr2") == tmp_path / "sif-cnn-sr2.safetensors"


def test_without_a_directory_the_packages_own_weights_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "PACKAGE_WEIGHTS", tmp_path)
    assert weights_file(None, "sc-unet") is None
    (tmp_path / "sc-unet.safetensors").touch()
    assert weights_file(None, "sc-unet") == tmp_path / "sc-unet.safetensors"
    assert weights_file(tmp_path / "elsewhere", "sc-unet") is None


def test_each_scene_takes_the_weights_that_have_not_seen_it(tmp_path: Path) -> None:
    assert unseen_weights(tmp_path, "57") == tmp_path
    (tmp_path / "folds.csv").write_text("scene,fold\n57,0\n3,1\n12,0\n")
    assert [unseen_weights(tmp_path, scene) for scene in ("57", "3", "12")] == [
        tmp_path / f"fold{k}" for k in (0, 1, 0)
    ]
    with pytest.raises(
        InputError, match=r"folds\.csv: scene 4 is in no fold; leave it out .* or judge it with weights"
    ):
        unseen_weights(tmp_path, "4")


@pytest.mark.parametrize("content", ["pair,fold\n57,0\n", "scene,fold\n57,first\n", "scene,fold\n57\n"])
def test_a_damaged_table_of_folds_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "folds.csv").write_text(content)
    with pytest.raises(InputError, match=r"folds\.csv: not readable as a table of scenes and folds"):
        unseen_weights(tmp_path, "57")


def test_upsampling_travels_with_the_weights(tmp_path: Path) -> None:
    for upsampling in ("align-corners", "half-pixel"):
        network = SharpeningUNet(upsampling)
        save_model(network, STATISTICS, tmp_path / "x.safetensors", {"data": {"source": "here"}})
        model = load_model(tmp_path / "x.safetensors")
        assert (model.network.upsampling, model.card["upsampling"]) == (upsampling, upsampling)
        assert model.card["data"] == {"source": "here"}


def test_weights_without_an_upsampling_are_of_the_published_one(tmp_path: Path) -> None:
    network = random_network()
    card = {"card": json.dumps({"statistics": asdict(STATISTICS)})}
    save_file(network.state_dict(), tmp_path / "old.safetensors", card)
    assert load_model(tmp_path / "old.safetensors").network.upsampling == "align-corners"


def test_an_unknown_upsampling_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="upsampling is 'nearest'; expected align-corners or half-pixel"):
        SharpeningUNet("nearest")  # type: ignore[arg-type]
    card = {"card": json.dumps({"statistics": asdict(STATISTICS), "upsampling": "nearest"})}
    save_file(random_network().state_dict(), tmp_path / "odd.safetensors", card)
    assert "not a readable weights file" in refusal(tmp_path / "odd.safetensors")


def test_half_pixel_results_do_not_depend_on_the_window_and_aligned_corners_do() -> None:
    # 160 pixels from any edge nothing of it is left, if the window
    # starts at a multiple of the U-Net's 8 pixels.
    inputs = torch.randn(1, 2, 400, 32, generator=torch.Generator().manual_seed(94))
    for upsampling, agrees in (("half-pixel", True), ("align-corners", False)):
        torch.manual_seed(95)
        network = SharpeningUNet(upsampling).eval()
        with torch.inference_mode():
            whole, window = network(inputs), network(inputs[:, :, 8:])
        assert torch.allclose(whole[:, :, 168:], window[:, :, 160:], rtol=1e-5, atol=1e-6) == agrees


def test_derivative_of_the_network_is_that_of_finite_differences() -> None:
    for upsampling in ("align-corners", "half-pixel"):
        torch.manual_seed(96)
        network = SharpeningUNet(upsampling).double().train()
        inputs = torch.randn(2, 2, 16, 16, dtype=torch.float64)
        weight = network.inlet[0].weight
        target = torch.randn(2, 1, 16, 16, dtype=torch.float64)

        def loss(
            network: SharpeningUNet = network, inputs: torch.Tensor = inputs, target: torch.Tensor = target
        ) -> torch.Tensor:
            return functional.huber_loss(network(inputs), target)

        (gradient,) = torch.autograd.grad(loss(), weight)
        for index in ((0, 0, 0, 0), (3, 1, 1, 2), (15, 0, 2, 1)):
            step, values = 1e-6, []
            for sign in (1.0, -1.0):
                with torch.no_grad():
                    weight[index] += sign * step
                    values.append(float(loss()))
                    weight[index] -= sign * step
            assert float(gradient[index]) == pytest.approx(
                (values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-9
            )


def random_model(seed: int, tmp_path: Path) -> Model:
    torch.save(published_state(seed), tmp_path / "weights.pt")
    return load_model(tmp_path / "weights.pt")


@pytest.mark.parametrize("shape", [(96, 64), (80, 104)])
def test_an_image_in_pieces_is_each_piece_alone(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Also where they do not come out even: the last pieces are what is left."""
    model, random = random_model(94, tmp_path), np.random.default_rng(94)
    lst_k, ndvi = random.normal(300.0, 5.0, shape), random.uniform(-0.2, 0.9, shape)
    output_k = model.predict_k(lst_k, ndvi, 32)
    assert output_k.shape == shape
    for row in range(0, shape[0], 32):
        for column in range(0, shape[1], 32):
            piece = np.s_[row : row + 32, column : column + 32]
            np.testing.assert_allclose(output_k[piece], model.predict_k(lst_k[piece], ndvi[piece]), atol=1e-4)
    whole = model.predict_k(lst_k, ndvi)
    assert abs(output_k - whole).max() > 0.01  # seams
    np.testing.assert_array_equal(model.predict_k(lst_k, ndvi, 128), whole)


@pytest.mark.parametrize("rest", [1, 7])
def test_a_rest_too_small_for_the_network_joins_the_last_piece(tmp_path: Path, rest: int) -> None:
    model, random = random_model(95, tmp_path), np.random.default_rng(95)
    lst_k, ndvi = random.normal(300.0, 5.0, (64 + rest, 40)), random.uniform(-0.2, 0.9, (64 + rest, 40))
    output_k = model.predict_k(lst_k, ndvi, 32)
    for piece in (np.s_[:32, :32], np.s_[:32, 32:], np.s_[32:, :32], np.s_[32:, 32:]):
        np.testing.assert_allclose(output_k[piece], model.predict_k(lst_k[piece], ndvi[piece]), atol=1e-4)


@pytest.mark.parametrize("method", ["sif-cnn-sr1", "sif-cnn-sr2", "sc-unet"])
def test_published_checkpoint_fills_the_network(published_pairs: Path, method: str) -> None:
    path = weights_file(published_pairs, method)
    assert path is not None
    model = load_model(path)
    stored = torch.load(
        published_pairs / "models" / PUBLISHED_CHECKPOINTS[method], map_location="cpu", weights_only=True
    )
    inputs = torch.randn(1, 2, 60, 64, generator=torch.Generator().manual_seed(93))
    with torch.inference_mode():
        torch.testing.assert_close(model.network(inputs), plain_forward(stored, inputs), rtol=1e-4, atol=1e-4)
    assert model.statistics == PUBLISHED_STATISTICS
