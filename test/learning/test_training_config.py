"""Training files: typed, with errors that name the key."""

from pathlib import Path

import pytest

from veaat_migration.learning.config import describe_keys, load_config, parse_config
from veaat_migration.learning.training_game import load_training_game
from veaat_migration.scenario import ScenarioError

SHIPPED = Path(__file__).parents[2] / "config" / "train"


@pytest.mark.parametrize("file", sorted(SHIPPED.rglob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_files_load_with_their_games(file: Path) -> None:
    config = load_config(file)
    game = load_training_game(config, file)
    assert game.instance.n_avs >= 1
    rates = game.surroundings.arrival_rate, game.surroundings.service_rate
    assert [len(rate) for rate in rates] == [game.instance.n_rsus] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "game: missing"),
        ({"game": "x", "seeds": 3}, "seeds: unknown key"),
        ({"game": "x", "update": {"clip": -1.0}}, r"update\.clip: must be > 0, got -1"),
        ({"game": "x", "update": {"gamma": float("nan")}}, r"update\.gamma: must be"),
        ({"game": "x", "network": {"hidden": [64, 2]}}, r"network\.hidden\[1\]: must be >= 4"),
        ({"game": "x", "network": {"hidden": []}}, r"network\.hidden: must have"),
        ({"game": "x", "pruning": {"start": 0.5, "end": 0.5}}, r"pruning\.end: must be > start"),
        (
            {"game": "x", "environment": {"rounds": 50, "episode": 120}},
            r"environment\.episode: must be a multiple of rounds \(50\)",
        ),
        (
            {"game": "x", "iterations": 5, "stages": {"follower_iterations": 5}},
            r"stages\.follower_iterations: must be < iterations \(5\)",
        ),
        (
            {"game": "x", "stages": {"drawn_prices": 0.5, "nearby_prices": 0.5}},
            r"stages\.drawn_prices, nearby_prices: must sum to less than 1",
        ),
        ({"game": "x", "algorithm": "dqn"}, r"algorithm: must be 'tiny_ma_iei_ppo', "),
    ],
)
def test_faults_are_named_by_path(content: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_config(content, "file.yaml")


def test_every_key_is_described() -> None:
    lines = describe_keys().splitlines()
    assert any(line.startswith("pruning.sparsity ") for line in lines)
    for line in lines:
        if not line.startswith(("name", "description")):
            assert len(line.split(None, 2)) == 3, line


def test_the_digest_follows_the_content() -> None:
    one = parse_config({"game": "x"}, "a")
    same = parse_config({"game": "x", "iterations": one.iterations}, "b")
    other = parse_config({"game": "x", "iterations": one.iterations + 1}, "c")
    assert one.digest() == same.digest() != other.digest()


def test_a_plain_instance_has_the_usual_rates(tmp_path: Path) -> None:
    (tmp_path / "game.json").write_text(
        '{"delta": [20], "E": [1], "q": [1], "c": [2], "p_max": 30, "b_max": 10}'
    )
    config = parse_config({"game": "game.json"}, "x")
    game = load_training_game(config, tmp_path / "train.yaml")
    assert game.surroundings.arrival_rate.tolist() == [4.0]
    assert game.surroundings.service_rate.tolist() == [10.0]
    with pytest.raises(ScenarioError, match=r"nothing\.yaml"):
        load_training_game(parse_config({"game": "nothing.yaml"}, "x"), tmp_path / "train.yaml")
