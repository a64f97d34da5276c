"""Study files: what they mean, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from veaat_migration.errors import VeaatError
from veaat_migration.studies.evaluate import game_of
from veaat_migration.studies.study import label
from veaat_migration.studies.study_file import load_study

ROOT = Path(__file__).resolve().parents[2]
BASE = str(ROOT / "config" / "base.yaml")


def write(folder: Path, **content: Any) -> Path:
    path = folder / "study.yaml"
    whole = {"base": BASE, "vary": {"price_max": "20,30"}, **content}
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "sweeps").glob("*.yaml")), ids=str)
def test_every_point_of_the_shipped_studies_is_a_game(path: Path) -> None:
    study = load_study(path)
    games = [game_of(study.game(point)) for point in study.points()]
    assert len(games) >= 5


def test_the_shipped_studies_have_the_capacity_and_couplings_of_the_paper() -> None:
    for name, axis in (("avs", "n_avs"), ("rsus", "n_rsus")):
        study = load_study(ROOT / "config" / "sweeps" / f"{name}.yaml")
        assert study.paths == (axis,)
        for point in study.points():
            game = game_of(study.game(point))
            assert game.capacity is not None
            assert (game.capacity == 10.0).all()
            assert game.social[0, 1] == pytest.approx(0.04 / (game.n_avs - 1))
            assert game.service[0, 1] == pytest.approx(0.02 / (game.n_rsus - 1))


def test_a_study_is_variants_times_a_grid(tmp_path: Path) -> None:
    study = load_study(
        write(
            tmp_path,
            set={"n_avs": 4},
            vary={"price_max": "20,30", "rsus.capacity": [5, None]},
            variants={"plain": {}, "dear": {"rsus.cost": 4}},
        )
    )
    points = study.points()
    assert [point.number for point in points] == list(range(1, 9))
    assert [point.values for point in points[:4]] == [(20, 5), (20, None), (30, 5), (30, None)]
    assert label(points[4], study.paths) == "dear, price_max=20, rsus.capacity=5"
    assert points[4].changes == (
        ("n_avs", 4), ("rsus.cost", 4), ("price_max", 20), ("rsus.capacity", 5)
    )  # fmt: skip
    assert game_of(study.game(points[5])).capacity is None


def test_the_base_is_found_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "game.json").write_text(
        '{"delta": [20], "E": [1], "q": [1], "c": [2], "p_max": 9, "b_max": 9}'
    )
    study = load_study(write(tmp_path, base="game.json", vary={"p_max": "8:9"}))
    assert [game_of(study.game(point)).price_max for point in study.points()] == [8, 9]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"vari": {}}, "vari: unknown key (did you mean vary?)"),
        ({"fixed": {}}, "fixed: unknown key"),
        ({"vary": {}}, "vary: must have at least 1 entry"),
        ({"vary": {"n_avs": "1.5"}}, "vary.n_avs: 1.5: must be whole numbers from 1"),
        ({"vary": {"n_avs": [2, 0]}}, "n_avs: must be whole numbers from 1, got 0"),
        ({"vary": {"price_max": [[1]]}}, "vary.price_max: must be numbers or words, got [1]"),
        ({"vary": {"price max": [1]}}, "'price max': must be a path such as price_max"),
        ({"vary": {"price_max": []}}, "price_max: no values"),
        ({"set": {"n_rsus": 2.5}}, "set: n_rsus must be a whole number from 1, got 2.5"),
        ({"plot": {"metrics": ["price"]}}, "metric 'price': must be one of av_utility_mean, "),
        ({"plot": {"x": "cost"}}, "plot.x: must be a field that varies (price_max), got cost"),
        ({"plot": {"log": ["z"]}}, "plot.log[0]: must be 'x' or 'y', got 'z'"),
        ({"time_limit": 0}, "time_limit: must be > 0, got 0"),
        ({"base": "nowhere.yaml"}, "nowhere.yaml: no such file"),
        ({"vary": {"price_max": "0:1000", "bandwidth_max": "0:1000"}}, "at most 100000"),
    ],
)
def test_faults_are_named_with_their_place(
    tmp_path: Path, content: dict[str, Any], problem: str
) -> None:
    with pytest.raises(VeaatError) as caught:
        load_study(write(tmp_path, **content))
    assert problem in str(caught.value)
