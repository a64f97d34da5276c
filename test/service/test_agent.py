"""The light agent: its state, and that it goes on wherever it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.service.agent import Agent, Mind, Sensed

NUMBERS = st.floats(-1e6, 1e6)
SENSED = st.builds(
    Sensed,
    session=st.integers(1, 2**63),
    sequence=st.integers(1, 2**40),
    stamp=st.floats(0.0, 1e9),
    x=NUMBERS,
    y=NUMBERS,
    vx=st.floats(-50.0, 50.0),
    vy=st.floats(-50.0, 50.0),
)


def drive(agent: Agent, mind: Mind, first: int, last: int) -> Mind:
    for n in range(first, last + 1):
        mind, _ = agent.step(mind, Sensed(7, n, 0.1 * n, 1.0 * n, 2.0, 10.0, 0.0))
    return mind


@given(st.lists(SENSED, min_size=1, max_size=5))
def test_a_mind_survives_as_bytes(many: list[Sensed]):
    agent, mind = Agent(13.9), Mind()
    for sensed in many:
        mind, action = agent.step(mind, sensed)
        assert Mind.from_bytes(mind.to_bytes()) == mind
        assert action.speed >= 0.0
        assert math.isfinite(action.heading)


def test_it_goes_on_elsewhere_as_if_it_had_stayed():
    agent = Agent(13.9)
    stayed = drive(agent, Mind(), 1, 20)
    moved = Mind.from_bytes(drive(agent, Mind(), 1, 10).to_bytes())
    assert drive(Agent(13.9), moved, 11, 20) == stayed


def test_its_history_tells_what_it_has_sensed():
    agent = Agent(13.9)
    one, _ = agent.step(Mind(), Sensed(7, 1, 0.1, 1.0, 2.0, 3.0, 4.0))
    other, _ = agent.step(Mind(), Sensed(7, 1, 0.1, 1.0, 2.0, 3.0, 4.5))
    assert one.history != other.history


def test_what_was_answered_is_not_answered_again():
    mind = drive(Agent(13.9), Mind(), 1, 5)
    assert mind.has_answered(Sensed(7, 5, 0.5, 0.0, 0.0, 0.0, 0.0))
    assert not mind.has_answered(Sensed(7, 6, 0.6, 0.0, 0.0, 0.0, 0.0))
    assert not mind.has_answered(Sensed(8, 1, 0.6, 0.0, 0.0, 0.0, 0.0))


def test_the_model_smooths_and_the_plan_nears_the_cruising_speed():
    agent = Agent(12.0)
    mind = drive(agent, Mind(), 1, 10)
    after, action = agent.step(mind, Sensed(7, 11, 1.1, 111.0, 2.0, 10.0, 0.0))
    expected = mind.x + mind.vx * 0.1
    assert expected < after.x < 111.0
    assert 10.0 < action.speed <= 12.0
    assert action.heading == 0.0


@given(st.binary(max_size=200))
def test_other_bytes_make_a_new_mind(content: bytes):
    mind = Mind.from_bytes(content)
    assert mind.steps == 0


@pytest.mark.parametrize("number", [math.nan, math.inf, -1e300, 1e9])
@pytest.mark.parametrize("field", ["x", "y", "vx", "vy"])
def test_senseless_telemetry_is_told(field: str, number: float):
    sound = Sensed(1, 1, 0.0, 5e6, -5e6, 50.0, -50.0)
    assert sound.is_sound
    assert not sound._replace(**{field: number}).is_sound


def test_a_stamp_or_a_count_without_meaning_is_told():
    sound = Sensed(1, 1, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert not sound._replace(stamp=math.nan).is_sound
    assert not sound._replace(sequence=0).is_sound
