"""Networks that all RSUs and all AVs of a fleet share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.cli import main
from veaat_migration.errors import VeaatError
from veaat_migration.fleet.equilibrium import equilibrium
from veaat_migration.fleet.learned import (
    FOLLOWER_INPUTS,
    LEADER_INPUTS,
    Weights,
    demand_of,
    follower_inputs,
    leader_inputs,
    prices_of,
    read_weights,
    shipped_weights,
)
from veaat_migration.fleet.market import Market


def small(seed: int = 1, hidden: int = 5) -> Weights:
    draw = np.random.default_rng(seed)

    def layers(inputs: int):
        shapes = ((hidden, inputs), (1, hidden))
        return tuple(
            (draw.normal(size=s).astype(np.float32), draw.normal(size=s[0]).astype(np.float32))
            for s in shapes
        )

    return Weights({"leader": layers(LEADER_INPUTS), "follower": layers(FOLLOWER_INPUTS)}, "none")


def market(reach: np.ndarray) -> Market:
    v, r = reach.shape
    draw = np.random.default_rng(v + 10 * r)
    return Market(
        draw.uniform(60.0, 180.0, v), np.e - draw.uniform(1.5, 2.0, v), draw.uniform(0.5, 1.0, r),
        draw.uniform(2.0, 3.0, r), reach, 60.0, 30.0, 0.01, 0.001,
    )  # fmt: skip


REACH = np.array([[True, True, False], [False, True, True], [True, False, False]])


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(small().to_bytes())
    back = read_weights(path)

    assert back.digest == small().digest
    inputs = leader_inputs(market(REACH))
    np.testing.assert_array_equal(back.answer("leader", inputs), small().answer("leader", inputs))


@pytest.mark.parametrize("where", [0, 100, 700, -3])
def test_a_damaged_file_is_refused(where: int, tmp_path: Path) -> None:
    data = bytearray(small().to_bytes())
    data[where] ^= 0x41
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)

    with pytest.raises(VeaatError, match="make it again"):
        read_weights(path)


def test_what_is_no_policy_of_a_fleet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    (first, bias), *rest = small().layers["leader"]
    wrong = replace(small(), layers={**small().layers, "leader": ((first[:, 1:], bias), *rest)})
    for data in (b"", b"x" * 50, wrong.to_bytes()):
        path.write_bytes(data)
        with pytest.raises(VeaatError):
            read_weights(path)
    other = next(Path("config/policies/base").glob("*.safetensors"))
    with pytest.raises(VeaatError, match="no policy of a fleet"):
        read_weights(other)
    with pytest.raises(VeaatError, match="cannot be read"):
        read_weights(tmp_path / "missing.safetensors")


def test_players_see_only_what_is_theirs() -> None:
    """An RSU does not see what AVs would pay, nor RSUs beyond its AVs' reach."""
    one = market(REACH)
    seen = leader_inputs(one)
    richer = replace(one, satisfaction=2.0 * one.satisfaction, offset=0.5 * one.offset)
    np.testing.assert_array_equal(leader_inputs(richer), seen)
    assert one.capacity is None
    short = leader_inputs(replace(one, capacity=np.array([np.inf, 5.0, 1e-9])))
    np.testing.assert_array_equal(short[0], seen[0])
    assert (short[1:] != seen[1:]).any(axis=1).all()
    far = replace(one, cost=one.cost * [1.0, 1.0, 1.1])
    np.testing.assert_array_equal(leader_inputs(far)[:2], seen[:2])

    prices = np.array([5.0, 6.0, 7.0])
    offers = follower_inputs(one, prices)
    elsewhere = follower_inputs(one, np.array([5.0, 6.0, 9.0]))
    np.testing.assert_array_equal(elsewhere[0, :2], offers[0, :2])
    others = replace(one, satisfaction=one.satisfaction * [1.0, 2.0, 1.0])
    np.testing.assert_array_equal(follower_inputs(others, prices)[0], offers[0])


def test_actions_stay_in_range() -> None:
    one = market(REACH)
    assert prices_of(one, np.zeros(3)) == pytest.approx(one.cost)
    assert prices_of(one, np.ones(3)) == pytest.approx(60.0)
    demand = demand_of(one, np.full(REACH.shape, 0.5))
    assert (demand[REACH] == 15.0).all()
    assert (demand[~REACH] == 0.0).all()


def test_a_batch_of_games_is_each_game() -> None:
    """Filled up with players that are not there."""
    one = market(REACH)
    wide = np.zeros((1, 5, 4), dtype=bool)
    wide[0, :3, :3] = REACH

    def fill(values: np.ndarray, size: int) -> np.ndarray:
        return np.concatenate([values, np.ones(size - len(values))])[None]

    batch = Market(
        fill(one.satisfaction, 5), fill(one.offset, 5), fill(one.quality, 4), fill(one.cost, 4),
        wide, 60.0, 30.0, 0.01, 0.001,
    )  # fmt: skip
    prices = np.array([5.0, 6.0, 7.0])
    demand = np.where(REACH, 8.0, 0.0)
    filled = np.zeros((1, 5, 4))
    filled[0, :3, :3] = demand
    padded = np.array([[*prices, 5.0]])

    np.testing.assert_allclose(leader_inputs(batch)[0, :3], leader_inputs(one))
    np.testing.assert_allclose(
        follower_inputs(batch, padded)[0, :3, :3], follower_inputs(one, prices)
    )
    np.testing.assert_allclose(batch.profits(padded, filled)[0, :3], one.profits(prices, demand))
    np.testing.assert_allclose(batch.parts(padded, filled)[0, :3, :3], one.parts(prices, demand))


def test_the_shipped_policy_plays_near_the_equilibrium() -> None:
    weights = shipped_weights()
    assert "veaat fleet train" in weights.training
    draw = np.random.default_rng(4)
    gaps, shares = [], []
    for _ in range(20):
        reach = draw.random((6, 4)) < 0.5
        reach[np.arange(6), draw.integers(4, size=6)] = True
        one = market(reach[:, reach.any(axis=0)])
        exact = equilibrium(one, accuracy=1e-3)
        prices = prices_of(one, weights.answer("leader", leader_inputs(one)))
        demand = demand_of(one, weights.answer("follower", follower_inputs(one, prices)))
        gaps += np.abs(np.log(prices / exact.prices)).tolist()
        best = one.demand(prices[None])[0]
        shares.append(one.parts(prices, demand).sum() / one.parts(prices, best).sum())

    assert np.mean(gaps) < 0.25
    assert min(shares) > 0.97


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_training_learns_and_repeats(tmp_path: Path, monkeypatch, capsys) -> None:
    torch = pytest.importorskip("torch")
    from veaat_migration.fleet import training_games, verdict
    from veaat_migration.fleet.town import Town

    assert torch
    tiny = (Town(blocks=(4, 4), vehicles=40, seconds=20.0),)
    monkeypatch.setattr(training_games, "TOWNS", tiny)
    monkeypatch.setattr(training_games, "JUDGED", tiny)
    for name in ("a", "b"):
        call = [
            "fleet",
            "train",
            "--iterations",
            "150",
            "-o",
            str(tmp_path / f"{name}.safetensors"),
        ]
        assert main(call) == 0

    a, b = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("a", "b"))
    assert a == b
    assert "veaat fleet train --iterations 150" in capsys.readouterr().out
    reaches = training_games.collect(tiny)
    untrained = verdict.judge(small(), reaches)
    trained = verdict.judge(read_weights(tmp_path / "a.safetensors"), reaches)
    assert trained.demand_error < 0.5 * untrained.demand_error


def test_training_needs_a_place_for_its_result(capsys) -> None:
    assert main(["fleet", "train"]) == 2
    assert ".safetensors" in capsys.readouterr().err
