"""Changing fields by path and numbers of players, for both kinds of file."""

import copy
from typing import Any

import numpy as np
import pytest

from veaat_migration.scenario import ScenarioError
from veaat_migration.studies.changes import changed, check_path
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import game_of

SCENARIO: dict[str, Any] = {
    "price_max": 30.0, "bandwidth_max": 10.0, "social_coupling": 0.02,
    "avs": [{"name": "a", "satisfaction": 20.0, "delay_sensitivity": 1.5},
            {"name": "av3", "satisfaction": 25.0, "delay_sensitivity": 1.8}],
    "rsus": [{"name": "r", "quality": 1.0, "cost": 2.0}, {"quality": 1.2, "cost": 2.5}],
}  # fmt: skip
PLAIN: dict[str, Any] = {
    "delta": [20, 25, 30], "E": [1.2, 0.9, 0.7], "q": [1.0, 1.2], "c": [2.0, 2.5],
    "zeta": 0.02, "p_max": 30, "b_max": 10,
    "delay": {"D": [100, 200, 300], "s": [[1, 2], [3, 4], [5, 6]], "T0": [7, 8, 9], "Tmax": 1e3},
}  # fmt: skip


def test_a_field_changes_and_the_original_stays() -> None:
    before = copy.deepcopy(SCENARIO)
    content = changed(SCENARIO, [("price_max", 40), ("rsus[1].cost", 3), ("rsus.0.cost", 1)])
    assert content["price_max"] == 40
    assert [rsu["cost"] for rsu in content["rsus"]] == [1, 3]
    changed(SCENARIO, [("n_avs", 5), ("avs.satisfaction", 1), ("delay.enforce", True)])
    assert before == SCENARIO
    plain = copy.deepcopy(PLAIN)
    changed(PLAIN, [("n_rsus", 5), ("n_avs", 9), ("delay.D", 1), ("c[0]", 9)])
    assert plain == PLAIN


def test_a_key_of_a_list_means_all_its_entries() -> None:
    content = changed(SCENARIO, [("rsus.capacity", 10)])
    assert [rsu["capacity"] for rsu in content["rsus"]] == [10, 10]
    matrix = changed(PLAIN, [("delay.s[1][0]", 99)])["delay"]["s"]
    assert matrix == [[1, 2], [99, 4], [5, 6]]


def test_a_coupling_takes_another_form() -> None:
    assert changed(SCENARIO, [("social_coupling.total", 0.1)])["social_coupling"] == {"total": 0.1}
    faded = {**SCENARIO, "social_coupling": {"strength": 1, "range": 5}}
    assert changed(faded, [("social_coupling.total", 0.1)])["social_coupling"] == {"total": 0.1}
    assert changed(faded, [("social_coupling.range", 9)])["social_coupling"]["strength"] == 1
    matrix = {**PLAIN, "eta": [[0, 1], [1, 0]]}
    assert changed(matrix, [("eta.total", 0.1)])["eta"] == {"total": 0.1}
    assert changed(matrix, [("eta[0][1]", 2)])["eta"] == [[0, 2], [1, 0]]


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", "a b", "a=1", "[0]", "0", "a[b]", "a[-1]"])
def test_malformed_paths_are_refused(path: str) -> None:
    with pytest.raises(StudyError, match="must be a path"):
        check_path(path)


def test_paths_that_lead_nowhere_are_refused() -> None:
    with pytest.raises(StudyError, match=r"rsus\.7\.cost: there is no entry 7, the list has 2"):
        changed(SCENARIO, [("rsus.7.cost", 1)])
    with pytest.raises(StudyError, match=r"leads into 2\.0, which has no parts"):
        changed(PLAIN, [("c.x", 1)])
    with pytest.raises(ScenarioError, match=r"price_maxx: unknown key \(did you mean price_max"):
        game_of(changed(SCENARIO, [("price_maxx", 1)]))


def test_players_repeat_the_list_of_the_file() -> None:
    game = game_of(changed(SCENARIO, [("n_rsus", 3), ("n_avs", 5)]))
    np.testing.assert_array_equal(game.satisfaction, [20, 25, 20, 25, 20])
    np.testing.assert_array_equal(game.quality, [1.0, 1.2, 1.0])
    np.testing.assert_array_equal(game.cost[0], [2.0, 2.5, 2.0])
    assert (game.social == 0.02 * (1 - np.eye(5))).all()
    fewer = game_of(changed(SCENARIO, [("n_avs", 1)]))
    np.testing.assert_array_equal(fewer.satisfaction, [20])


def test_numbers_of_players_change_before_anything_else() -> None:
    game = game_of(changed(SCENARIO, [("avs[3].satisfaction", 99), ("n_avs", 4)]))
    np.testing.assert_array_equal(game.satisfaction, [20, 25, 20, 99])


def test_plain_instances_grow_and_shrink_in_every_field() -> None:
    game = game_of(changed(PLAIN, [("n_avs", 4), ("n_rsus", 3)]))
    np.testing.assert_array_equal(game.satisfaction, [20, 25, 30, 20])
    np.testing.assert_array_equal(game.cost, [[2.0, 2.5, 2.0]] * 4)
    assert game.delay is not None
    np.testing.assert_array_equal(
        game.delay.spectral_efficiency, [[1, 2, 1], [3, 4, 3], [5, 6, 5], [1, 2, 1]]
    )
    np.testing.assert_array_equal(game.delay.base_delay, [[7] * 3, [8] * 3, [9] * 3, [7] * 3])
    np.testing.assert_array_equal(game.delay.data, [100, 200, 300, 100])
    pairs = {**PLAIN, "c": [[1, 2], [3, 4], [5, 6]], "capacity": [7, 8]}
    small = game_of(changed(pairs, [("n_avs", 2), ("n_rsus", 1)]))
    np.testing.assert_array_equal(small.cost, [[1], [3]])
    np.testing.assert_array_equal(small.capacity, [7])


def test_as_many_avs_as_rsus_are_told_apart() -> None:
    square = {**PLAIN, "delta": [1, 2], "E": [1, 1], "delay": None, "c": [2.0, 3.0]}
    game = game_of(changed(square, [("n_avs", 3)]))
    np.testing.assert_array_equal(game.cost, [[2.0, 3.0]] * 3)


def test_couplings_of_the_file_stay_with_fewer_players_and_refuse_more() -> None:
    matrix = {**PLAIN, "zeta": [[0, 1, 2], [1, 0, 3], [2, 3, 0]]}
    np.testing.assert_array_equal(game_of(changed(matrix, [("n_avs", 2)])).social, [[0, 1], [1, 0]])
    pairs = {**PLAIN, "zeta": {"pairs": [[1, 2, 5], [2, 3, 6]]}}
    np.testing.assert_array_equal(game_of(changed(pairs, [("n_avs", 2)])).social, [[0, 5], [5, 0]])
    for content in (matrix, pairs):
        with pytest.raises(StudyError, match=r"n_avs=4: zeta is .* for 3 players .*zeta.total"):
            changed(content, [("n_avs", 4)])


def test_too_many_players_are_refused() -> None:
    with pytest.raises(StudyError, match="n_rsus: must be from 1 to 1000, got 1001"):
        changed(SCENARIO, [("n_rsus", 1001)])
