"""The network: shapes, weights from files, and files that are no weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from veaat_migration.qoe.errors import QoeError
from veaat_migration.qoe.features import VggFeatures, load_weights

NARROW = (2, 3, 4, 5, 6)


def test_six_stages_of_halved_sizes(make_weights: Any) -> None:
    stages = VggFeatures(make_weights(NARROW), channels=NARROW)(torch.rand((1, 3, 64, 96)))
    assert [tuple(stage.shape[1:]) for stage in stages] == [
        (3, 64, 96), (2, 64, 96), (3, 32, 48), (4, 16, 24), (5, 8, 12), (6, 4, 6),
    ]  # fmt: skip
    assert all(bool((stage >= 0.0).all()) for stage in stages)


def test_pooling_keeps_a_flat_map_and_the_first_stage_is_two_convolutions(
    make_weights: Any,
) -> None:
    weights = make_weights(NARROW)
    features = VggFeatures(weights, channels=NARROW)
    flat = torch.full((1, 2, 16, 16), 3.0)
    torch.testing.assert_close(features._pooled(flat)[..., 1:-1, 1:-1], flat[..., :6, :6])
    image = torch.rand((1, 3, 32, 32))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    for number in (0, 2):
        layer = torch.nn.Conv2d(*weights[f"features.{number}.weight"].shape[1::-1], 3, padding=1)
        layer.weight.data = weights[f"features.{number}.weight"]
        layer.bias.data = weights[f"features.{number}.bias"]
        x = torch.relu(layer(x))
    torch.testing.assert_close(features(image)[1], x.detach())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt"])
def test_weights_are_read_from_files(tmp_path: Path, make_weights: Any, name: str) -> None:
    weights = {**make_weights(NARROW), "classifier.0.weight": torch.zeros(3)}
    if name.endswith("safetensors"):
        from safetensors.torch import save_file

        save_file(weights, tmp_path / name)
    else:
        torch.save(weights, tmp_path / name)
    loaded = load_weights(tmp_path / name)
    assert loaded.keys() == weights.keys()
    VggFeatures(loaded, channels=NARROW)


class Evil:
    """Would run code when unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("ran",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.safetensors", b"junk", r"w\.safetensors: cannot be read"),
        ("w.pth", b"junk", r"w\.pth: cannot be read"),
        ("w.pth", b"", r"w\.pth: cannot be read"),
        ("w.onnx", b"", r"must end in \.safetensors, \.pth or \.pt"),
    ],
)
def test_files_that_are_no_weights(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(QoeError, match=message):
        load_weights(tmp_path / name)


def test_a_file_with_code_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"features.0.weight": Evil()}, tmp_path / "w.pth")
    with pytest.raises(QoeError, match="cannot be read"):
        load_weights(tmp_path / "w.pth")
    assert "ran" not in capsys.readouterr().out
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(QoeError, match="holds a list"):
        load_weights(tmp_path / "w.pth")
    with pytest.raises(QoeError, match="no such file"):
        load_weights(tmp_path / "none.pth")


def test_weights_that_do_not_fit(make_weights: Any) -> None:
    weights = make_weights(NARROW)
    with pytest.raises(QoeError, match=r"features\.0\.weight: must have the shape \(64, 3, 3, 3\)"):
        VggFeatures(weights)
    missing = {name: tensor for name, tensor in weights.items() if name != "features.12.bias"}
    with pytest.raises(QoeError, match=r"features\.12\.bias: missing"):
        VggFeatures(missing, channels=NARROW)
    broken = {**weights, "features.5.bias": torch.tensor([np.nan, 0.0, 0.0])}
    with pytest.raises(QoeError, match=r"features\.5\.bias: has values that are not finite"):
        VggFeatures(broken, channels=NARROW)
