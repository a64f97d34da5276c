"""What the markers node draws, without ROS: plain messages in, shapes out."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veaat_migration.nodes import marker_scene
from veaat_migration.nodes.marker_scene import Canvas, Look, Scene
from veaat_migration.nodes.marker_shapes import Form, Shape, arrowhead, between, circle, rgba

ROOT = Path(__file__).resolve().parents[2]
LOOK = Look(size=10.0, timeout=5.0, forget=60.0)


def host(rsu_id: int = 1, x: float = 0.0, **values: Any) -> Any:
    base: dict[str, Any] = {
        "rsu_id": rsu_id, "x": x, "y": 0.0, "coverage_radius": 200.0, "queue_length": 3,
        "kinds": [4, 6],
    }  # fmt: skip
    return SimpleNamespace(**base | values)


def twin(av_id: int = 1, **values: Any) -> Any:
    base: dict[str, Any] = {
        "av_id": av_id, "x": 50.0, "y": 0.0, "owner_rsu_id": 1, "target_rsu_id": 0, "phase": 0,
        "standing": 0, "bytes_done": 0, "bytes_total": 0, "queue_position": 0,
    }  # fmt: skip
    return SimpleNamespace(**base | values)


def offer(rsu_id: int = 1, price: float = 4.36, closing: bool = False) -> Any:
    return SimpleNamespace(rsu_id=rsu_id, price=price, closing=closing)


def drawn(scene: Scene, now: float) -> dict[tuple[str, int], Shape]:
    shapes = scene.shapes(now)
    found = {shape.key: shape for shape in shapes}
    assert len(found) == len(shapes), "two markers of one name"
    return found


@pytest.fixture
def scene() -> Scene:
    made = Scene(LOOK)
    made.on_host(host(1), 0.0)
    made.on_host(host(2, 300.0), 0.0)
    made.on_offer(offer(), 0.0)
    made.on_twin(twin(), 0.0)
    return made


def test_an_empty_scene_has_nothing() -> None:
    assert Scene(LOOK).shapes(0.0) == []


def test_rsus_have_coverage_and_price(scene: Scene) -> None:
    found = drawn(scene, 1.0)
    assert found["rsus", 2].place[:2] == (300.0, 0.0)
    assert found["coverage", 1].scale[:2] == (400.0, 400.0)
    assert found["prices", 1].text == "RSU 1\n4.36 money/MHz\n1 twin, 3 jobs"
    assert found["prices", 2].text == "RSU 2\n1 twin, 3 jobs"
    for x, y, _ in found["edges", 2].points:
        assert math.hypot(x - 300.0, y) == pytest.approx(200.0)
    scene.on_offer(offer(closing=True), 1.0)
    assert "money" not in drawn(scene, 1.0)["prices", 1].text
    scene.on_host(host(1, coverage_radius=math.inf), 1.0)
    assert ("coverage", 1) not in drawn(scene, 1.0)


def test_vehicles_point_where_they_go(scene: Scene) -> None:
    scene.on_odometry(1, 10.0, 20.0, (0.0, 3.0), 1.0)
    vehicles = drawn(scene, 1.0)["vehicles", 0]
    assert vehicles.form is Form.TRIANGLE_LIST
    assert vehicles.points[0][:2] == pytest.approx((10.0, 26.0))
    assert len(vehicles.points) == len(vehicles.colours) == 3
    # It stands: the heading stays.
    scene.on_odometry(1, 10.0, 20.0, (0.0, 0.0), 1.1)
    assert drawn(scene, 1.1)["vehicles", 0] == vehicles
    # Without a velocity the way it made counts.
    scene.on_odometry(1, 4.0, 20.0, (math.nan, math.nan), 1.2)
    assert drawn(scene, 1.2)["vehicles", 0].points[0][:2] == pytest.approx((-2.0, 20.0))


def test_odometry_wins_over_the_status_as_long_as_it_is_fresh(scene: Scene) -> None:
    scene.on_odometry(1, 10.0, 20.0, (1.0, 0.0), 1.0)
    scene.on_twin(twin(x=99.0), 1.5)
    assert drawn(scene, 1.5)["labels", 1].place[:2] == (10.0, 20.0)
    scene.on_twin(twin(x=99.0), 3.0)
    assert drawn(scene, 3.0)["labels", 1].place[:2] == (99.0, 0.0)


def test_a_twin_rests_at_its_rsu_with_a_line_to_its_vehicle(scene: Scene) -> None:
    found = drawn(scene, 1.0)
    (place,) = found["twins", 0].points
    assert math.hypot(place[0], place[1]) < 20.0
    assert found["links", 0].points == ((50.0, 0.0, 2.0), place)
    assert found["vehicles", 0].colours[0] == found["rsus", 1].colour
    assert ("transfers", 0) not in found
    assert ("phases", 1) not in found


def test_a_twin_travels_as_its_bytes_arrive(scene: Scene) -> None:
    def at(**values: Any) -> tuple[float, str]:
        scene.on_twin(twin(target_rsu_id=2, **values), 1.0)
        found = drawn(scene, 1.0)
        assert len(found["transfers", 0].points) == 4
        return found["twins", 0].points[0][0], found["phases", 1].text

    whole = {"bytes_total": 200}
    assert at(phase=2) == (pytest.approx(9.0), "negotiating")
    assert at(phase=3, bytes_done=0, **whole) == (pytest.approx(9.0), "0 %")
    assert at(phase=3, bytes_done=50, **whole) == (pytest.approx(84.0), "25 %")
    assert at(phase=4, queue_position=2) == (pytest.approx(309.0), "queued, 2 ahead")
    assert at(phase=5) == (pytest.approx(309.0), "re-instantiating")
    assert at(phase=99)[1] == "phase 99"


def test_the_first_way_of_a_twin_begins_in_its_vehicle(scene: Scene) -> None:
    scene.on_twin(twin(owner_rsu_id=0), 1.0)
    assert drawn(scene, 1.0)["twins", 0].points == ((50.0, 0.0, 8.0),)
    scene.on_twin(twin(owner_rsu_id=0, target_rsu_id=2, phase=3, bytes_done=1, bytes_total=2), 1.0)
    found = drawn(scene, 1.0)
    assert found["twins", 0].points[0][0] == pytest.approx(0.5 * (50.0 + 309.0))
    assert ("links", 0) not in found


def test_a_twin_whose_owner_is_silent_is_faint(scene: Scene) -> None:
    scene.on_twin(twin(standing=1), 1.0)
    assert drawn(scene, 1.0)["twins", 0].colours[0][3] < 0.5


def test_what_falls_silent_goes(scene: Scene) -> None:
    canvas = Canvas()
    assert canvas.update(scene.shapes(4.0)) == []
    for rsu_id in (1, 2):
        scene.on_host(host(rsu_id, 300.0 * (rsu_id - 1)), 5.0)
    gone = canvas.update(scene.shapes(6.0))
    assert gone == [("labels", 1), ("links", 0), ("twins", 0), ("vehicles", 0)]
    grey = scene.shapes(11.0)
    assert {shape.namespace for shape in grey} == {"rsus", "prices"}
    assert [shape.text for shape in grey if shape.text] == ["RSU 1\nsilent", "RSU 2\nsilent"]
    assert canvas.update(grey) == [
        ("coverage", 1), ("coverage", 2), ("edges", 1), ("edges", 2),
    ]  # fmt: skip
    assert scene.shapes(66.0) == []
    assert canvas.update([]) == [("prices", 1), ("prices", 2), ("rsus", 1), ("rsus", 2)]
    assert canvas.update([]) == []


def test_many_twins_sit_apart_in_one_marker(scene: Scene) -> None:
    for av_id in range(1, 101):
        scene.on_twin(twin(av_id), 0.0)
    found = drawn(scene, 0.0)
    places = found["twins", 0].points
    assert len(places) == len(found["twins", 0].colours) == 100
    closest = min(math.dist(a, b) for n, a in enumerate(places) for b in places[:n])
    assert closest > 2.0
    assert len({key[0] for key in found}) == 8
    assert not any(shape.namespace == "labels" for shape in quiet().shapes(0.0))


def quiet() -> Scene:
    made = Scene(Look(labels=False))
    made.on_twin(twin(), 0.0)
    return made


def test_strangers_and_nonsense_do_no_harm(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn(scene, 1.0)
    scene.on_host(host(3, math.nan), 1.0)
    scene.on_odometry(1, math.inf, 0.0, (1.0, 0.0), 1.0)
    scene.on_twin(twin(2, owner_rsu_id=77, x=math.nan), 1.0)
    scene.on_twin(twin(3, owner_rsu_id=1, target_rsu_id=77, phase=3, x=1e300), 1.0)
    after = drawn(scene, 1.0)
    assert set(after) == set(before)
    assert len(after["twins", 0].points) == 2
    monkeypatch.setattr(marker_scene, "MOST", 3)
    for number in range(100, 110):
        scene.on_twin(twin(number), 1.0)
        scene.on_host(host(number), 1.0)
    assert scene.refused == 20


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["host", "twin", "offer", "odometry", "wait"]),
            st.integers(1, 4),
            st.integers(0, 6),
            st.floats(-1e9, 1e9),
        ),
        max_size=60,
    )
)
def test_a_viewer_shows_what_the_scene_has(steps: list[tuple[str, int, int, float]]) -> None:
    """Whatever is heard: adding what is drawn and deleting what is said leaves the scene."""
    scene, canvas, screen, now = Scene(LOOK), Canvas(), set(), 0.0
    for kind, who, number, value in steps:
        now += 3.0 if kind == "wait" else 0.1
        if kind == "host":
            scene.on_host(host(who, value), now)
        elif kind == "twin":
            scene.on_twin(
                twin(who, owner_rsu_id=number % 4, target_rsu_id=who, phase=number, x=value), now
            )
        elif kind == "offer":
            scene.on_offer(offer(who, value, closing=number == 0), now)
        elif kind == "odometry":
            scene.on_odometry(who, value, value, (value, 0.0), now)
        shapes = scene.shapes(now)
        screen -= set(canvas.update(shapes))
        screen |= {shape.key for shape in shapes}
        assert screen == {shape.key for shape in shapes}
        for shape in shapes:
            assert all(map(math.isfinite, (*shape.place, *shape.scale, *shape.colour)))
            assert not shape.colours or len(shape.colours) == len(shape.points)
            assert all(map(math.isfinite, (c for point in shape.points for c in point)))


def test_shapes() -> None:
    assert rgba("#ff8000", 0.5) == pytest.approx((1.0, 0.502, 0.0, 0.5), abs=1e-3)
    assert between((0.0, 0.0, 0.0), (2.0, 4.0, 8.0), 0.25) == (0.5, 1.0, 2.0)
    assert len(circle(0.0, 0.0, 0.0, 1.0)) % 2 == 0
    nose, left, right = arrowhead(0.0, 0.0, 1.0, math.pi / 2.0, 10.0)
    assert nose == pytest.approx((0.0, 6.0, 1.0))
    assert left[0] == pytest.approx(-right[0])


def test_no_ros_is_needed() -> None:
    script = "import sys; sys.modules.update(rclpy=None); import veaat_migration.nodes.marker_scene"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
