"""Image files, folders, and the command with a network of full width."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from veaat_migration.cli import main
from veaat_migration.game.experience import Reputation, quality_of_experience
from veaat_migration.qoe.errors import QoeError
from veaat_migration.qoe.images import image_pairs, load_image, load_pair


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255.0 * image).round().astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of all of VGG16."""
    from safetensors.torch import save_file

    from veaat_migration.qoe.features import CONVOLUTIONS, VGG16_CHANNELS

    generator = torch.Generator().manual_seed(3)
    tensors, before = {}, 3
    for numbers, width in zip(CONVOLUTIONS, VGG16_CHANNELS, strict=True):
        for number in numbers:
            draw = torch.randn((width, before, 3, 3), generator=generator)
            tensors[f"features.{number}.weight"] = draw * (2.0 / (9 * before)) ** 0.5
            tensors[f"features.{number}.bias"] = torch.zeros(width)
            before = width
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    save_file(tensors, path)
    return path


def test_two_folders_give_a_table_and_the_numbers_of_a_scenario(
    tmp_path: Path, weights: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, distortion in (("a", 0.0), ("sub/b", 0.15)):
        save(tmp_path / "reference" / f"{name}.png", house)
        noise = distortion * np.random.default_rng(0).normal(size=house.shape)
        save(tmp_path / "rendered" / f"{name}.png", (house + noise).clip(0, 1))
    folders = [str(tmp_path / "reference"), str(tmp_path / "rendered")]
    csv = tmp_path / "out.csv"
    options = ["--weights", str(weights), "--csv", str(csv), "--migrations", "50"]
    assert main(["qoe", *folders, *options, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    first, second = result["images"]
    assert (first["name"], first["distance"]) == ("a", 0.0)
    assert 0.05 < second["distance"] < 1.0
    assert result["mean_distance"] == pytest.approx(second["distance"] / 2)
    assert result["quality"] == pytest.approx(
        quality_of_experience(result["mean_distance"], 0.6, Reputation().after(50))
    )
    lines = csv.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "image,distance,quality"
    assert lines[1].startswith("a,0.0,")
    assert len(lines) == 3


def test_one_pair_is_printed_for_people(
    tmp_path: Path, weights: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(save(tmp_path / "a.png", house))
    assert main(["qoe", image, image, "--weights", str(weights)]) == 0
    out = capsys.readouterr().out
    assert "a.png: A-DISTS 0.000000, q 0.9163" in out
    assert "quality: {distortion: 0.0000, distortion_threshold: 0.6, migrations: 0}" in out


def test_mistakes_end_in_one_line(
    tmp_path: Path, weights: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good = str(save(tmp_path / "good.png", house))
    small = str(save(tmp_path / "small.png", house[:20, :20]))
    other = str(save(tmp_path / "other.png", house[:80]))
    text = tmp_path / "text.png"
    text.write_text("no image", encoding="utf-8")
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(good).read_bytes()[:-900])
    for pair, message in (
        ((good, str(tmp_path / "none.png")), "none.png: no such file"),
        ((good, str(text)), "text.png: is no image"),
        ((good, str(cut)), "cut.png: cannot be read"),
        ((good, other), "other.png: has 128 x 80 pixels, its reference"),
        ((small, small), "small.png: images must have 32 pixels a side, got 20 x 20"),
        ((good, str(tmp_path)), "give two images or two folders"),
    ):
        assert main(["qoe", *pair, "--weights", str(weights)]) == 2
        assert message in capsys.readouterr().err
    assert main(["qoe", good, good, "--weights", str(text)]) == 2
    assert "must end in .safetensors" in capsys.readouterr().err
    assert main(["qoe", good, good, "--weights", str(weights), "--device", "none"]) == 2
    assert "device none: cannot be used" in capsys.readouterr().err
    assert main(["qoe", good, good, "--weights", str(weights), "--csv", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_large_images_are_shrunk_and_small_ones_stay(tmp_path: Path) -> None:
    large = save(tmp_path / "large.png", np.random.default_rng(0).random((600, 300, 3)))
    assert load_pair(large, large)[0].shape == (1, 3, 512, 256)
    assert load_pair(large, large, size=0)[0].shape == (1, 3, 600, 300)
    small = save(tmp_path / "small.png", np.zeros((40, 50, 3)))
    assert load_pair(small, small)[0].shape == (1, 3, 40, 50)


def test_modes_of_images(tmp_path: Path) -> None:
    for mode, colour in (("L", 128), ("P", 3), ("RGBA", (255, 0, 0, 0)), ("CMYK", (0, 0, 0, 0))):
        path = tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (40, 40), colour).save(path)
        assert load_image(path).mode == "RGB"
    # What is transparent is white.
    assert load_image(tmp_path / "RGBA.png").getpixel((0, 0)) == (255, 255, 255)
    Image.new("I;16", (40, 40)).save(tmp_path / "16.png")
    with pytest.raises(QoeError, match="save it with 8 bits"):
        load_image(tmp_path / "16.png")


def test_pairs_of_folders(tmp_path: Path, house: Any) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with pytest.raises(QoeError, match="holds no image"):
        image_pairs(first, second)
    for name in ("a.png", "b.png"):
        save(first / name, house)
    save(second / "a.jpg", house)
    with pytest.raises(QoeError, match="second lacks b"):
        image_pairs(first, second)
    save(second / "b.png", house)
    save(second / "c.png", house)
    with pytest.raises(QoeError, match="first lacks c"):
        image_pairs(first, second)
    (second / "c.png").unlink()
    assert [name for name, _, _ in image_pairs(first, second)] == ["a", "b"]
    save(first / "a.bmp", house)
    with pytest.raises(QoeError, match="have the same name"):
        image_pairs(first, second)
