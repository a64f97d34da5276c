"""Parameters of the nodes that move twins: ``twin_host``, ``twin_vehicle`` and ``traffic``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from veaat_migration.game.delay import Channel
from veaat_migration.game.experience import Reputation
from veaat_migration.mobility.coverage import HYSTERESIS
from veaat_migration.mobility.position_watch import MAX_SPEED, TIMEOUT
from veaat_migration.nodes.common_parameters import EXECUTOR, MAX_ID, setting
from veaat_migration.nodes.specification import Kind, ParameterSpec, Value
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.pilot import PilotConfig

ConfigT = TypeVar("ConfigT")


def _time(config: type[Any], name: str, text: str, **rest: Any) -> ParameterSpec:
    limits = {"above": 0.0, "maximum": 86_400.0} | rest
    return setting(config, name, Kind.DOUBLE, text, unit="s", **limits)


PROTOCOL: tuple[ParameterSpec, ...] = (
    _time(
        MigrationConfig,
        "lease",
        "an owner acts this long after its last claim that the AV answered; all nodes the same",
    ),
    setting(
        MigrationConfig,
        "clock_drift",
        Kind.DOUBLE,
        "most by which one machine's clock runs faster than another's, as a share",
        minimum=0.0,
        maximum=0.5,
    ),
    _time(MigrationConfig, "retransmit_period", "what was not answered is said again after this"),
    _time(MigrationConfig, "progress_period", "time between two messages about progress"),
    _time(
        MigrationConfig,
        "inquiry_period",
        "time between two claims of those who hold a copy and do not own it",
    ),
    _time(
        MigrationConfig, "peer_timeout", "a migration ends when source or target is silent so long"
    ),
    _time(
        MigrationConfig,
        "handover_timeout",
        "a migration ends when the target of a source that has stopped is silent so long",
    ),
    _time(
        MigrationConfig,
        "recovery_timeout",
        "the AV turns to another copy when the owner is silent so long; infinite: never",
        maximum=math.inf,
        infinite=True,
    ),
    setting(
        MigrationConfig,
        "chunk_size",
        Kind.INTEGER,
        "piece of an image in one message",
        unit="B",
        minimum=1,
        maximum=2**20,
    ),
    setting(
        MigrationConfig,
        "window",
        Kind.INTEGER,
        "most pieces that are under way",
        minimum=1,
        maximum=190,
    ),
    setting(
        MigrationConfig,
        "image_retries",
        Kind.INTEGER,
        "times that an image may arrive damaged as a whole",
        minimum=1,
        maximum=1000,
    ),
    setting(
        MigrationConfig,
        "reuse_images",
        Kind.BOOL,
        "a target that has the same image as a backup need not receive it again",
    ),
    setting(
        MigrationConfig,
        "size_max",
        Kind.INTEGER,
        "largest image that is taken",
        unit="B",
        minimum=1,
        maximum=2**40,
    ),
)
"""Settings of the protocol; see docs/twins.md."""

_PLACE = (
    ParameterSpec("x", Kind.DOUBLE, "where the RSU stands; NaN: not told", math.nan, unit="m"),
    ParameterSpec("y", Kind.DOUBLE, "the same", math.nan, unit="m"),
)
_RADIUS = ParameterSpec(
    "coverage_radius",
    Kind.DOUBLE,
    "farthest distance at which an RSU serves",
    math.inf,
    unit="m",
    above=0.0,
    infinite=True,
)

TWIN_HOST: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "rsu_id", Kind.INTEGER, "identity, unique among the RSUs", minimum=1, maximum=MAX_ID
    ),
    ParameterSpec("store", Kind.STRING, "folder for twins, of this RSU alone"),
    ParameterSpec(
        "sync_writes",
        Kind.BOOL,
        "wait for the disk at each write, so that twins survive a loss of power as well as the end "
        "of the process",
        True,
    ),
    ParameterSpec(
        "arrival_rate",
        Kind.DOUBLE,
        "lambda_j, arrival of other jobs",
        0.0,
        unit="1/s",
        minimum=0.0,
    ),
    ParameterSpec(
        "service_rate",
        Kind.DOUBLE,
        "mu_j, service of other jobs, > arrival_rate",
        10.0,
        unit="1/s",
        above=0.0,
    ),
    ParameterSpec(
        "compute", Kind.DOUBLE, "f_j, for re-instantiation", 40.0, unit="GHz", above=0.0
    ),
    ParameterSpec("seed", Kind.INTEGER, "seed of the other jobs", 0, minimum=0),
    ParameterSpec(
        "storage",
        Kind.INTEGER,
        "room for images; a twin that does not fit is refused; 0: no limit",
        0,
        unit="B",
        minimum=0,
        maximum=2**50,
    ),
    ParameterSpec(
        "max_twins",
        Kind.INTEGER,
        "most twins that are kept or on their way here; 0: no limit",
        0,
        minimum=0,
        maximum=10**6,
    ),
    *_PLACE,
    _RADIUS,
    ParameterSpec(
        "quality",
        Kind.DOUBLE,
        "q_j (Eq. 4) that this RSU offers with the merit it begins with; NaN: service_quality is "
        "not published",
        math.nan,
        above=0.0,
    ),
    ParameterSpec(
        "merit", Kind.DOUBLE, "n_j, good migrations so far, where the store knows none", 0.0,
        minimum=0.0, maximum=1e9,
    ),
    setting(
        Reputation, "newcomer", Kind.DOUBLE, "k of an RSU without any migration", above=0.0,
        maximum=1e6,
    ),
    setting(
        Reputation, "highest", Kind.DOUBLE, "limit of k after very many good ones", above=0.0,
        maximum=1e6,
    ),
    setting(
        Reputation, "half_migrations", Kind.DOUBLE, "good migrations for half of the gain",
        above=0.0, maximum=1e9,
    ),
    setting(
        Reputation, "failure_share", Kind.DOUBLE, "share of its merit that a failure costs",
        minimum=0.0, maximum=0.999,
    ),
    *PROTOCOL,
    ParameterSpec(
        "status_period",
        Kind.DOUBLE,
        "longest time between two host_status",
        1.0,
        unit="s",
        minimum=0.05,
        maximum=3600.0,
    ),
    EXECUTOR,
)  # fmt: skip

TWIN_VEHICLE: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "av_id", Kind.INTEGER, "identity, unique among the AVs", minimum=1, maximum=MAX_ID
    ),
    ParameterSpec("journal", Kind.STRING, "file for what this AV decides, of this AV alone"),
    ParameterSpec(
        "sync_writes",
        Kind.BOOL,
        "wait for the disk at each decision, so that it survives a loss of power",
        True,
    ),
    ParameterSpec(
        "new_twin",
        Kind.BOOL,
        "without a journal: this AV has never deployed its twin. false: it looks for its twin "
        "first. true with a lost journal may make a second owner",
        False,
    ),
    ParameterSpec(
        "image_path", Kind.STRING, "file of the twin's image; empty: made of image_size bytes", ""
    ),
    ParameterSpec(
        "image_size",
        Kind.INTEGER,
        "size of a made image",
        1_000_000,
        unit="B",
        minimum=256,
        maximum=2**32,
    ),
    ParameterSpec("seed", Kind.INTEGER, "seed of a made image", 0, minimum=0),
    ParameterSpec(
        "cruise_speed",
        Kind.DOUBLE,
        "configuration of the agent in a made image",
        13.9,
        unit="m/s",
        minimum=0.0,
        maximum=100.0,
    ),
    ParameterSpec(
        "data",
        Kind.DOUBLE,
        "D_i that a transfer counts as; 0: as many as the image has",
        0.0,
        unit="Mbit",
        minimum=0.0,
    ),
    ParameterSpec(
        "cycles", Kind.DOUBLE, "C_i, work to re-instantiate it", 5.0, unit="Gcycles", minimum=0.0
    ),
    ParameterSpec(
        "rsu_ids",
        Kind.INTEGER_ARRAY,
        "RSUs whose place is known; left out: the AV never asks by itself",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec("rsu_x", Kind.DOUBLE_ARRAY, "x of each of rsu_ids in the frame of odom", [],
                  unit="m"),
    ParameterSpec("rsu_y", Kind.DOUBLE_ARRAY, "y of each of rsu_ids", [], unit="m"),
    _RADIUS,
    ParameterSpec(
        "hysteresis",
        Kind.DOUBLE,
        "how far beyond the radius a covered AV stays covered",
        HYSTERESIS,
        unit="m",
        minimum=0.0,
    ),
    ParameterSpec(
        "horizon",
        Kind.DOUBLE,
        "the AV asks when it leaves its owner's coverage within this time, for RSUs that it "
        "reaches within this time",
        10.0,
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
    ParameterSpec("antenna_gain", Kind.DOUBLE, "A, channel gain coefficient",
                  Channel.antenna_gain, above=0.0),
    ParameterSpec("carrier_frequency", Kind.DOUBLE, "f, frequency of the carrier",
                  Channel.carrier_frequency, unit="GHz", above=0.0),
    ParameterSpec("transmit_power", Kind.DOUBLE, "rho, power of the sender",
                  Channel.transmit_power, unit="dBm", minimum=-100.0, maximum=100.0),
    ParameterSpec("noise_power", Kind.DOUBLE, "sigma^2, power of the noise",
                  Channel.noise_power, unit="dBm", minimum=-250.0, maximum=100.0),
    ParameterSpec(
        "default_efficiency",
        Kind.DOUBLE,
        "s_ij of links that are not known",
        10.0,
        unit="bit/s/Hz",
        above=0.0,
        maximum=100.0,
    ),
    ParameterSpec("odometry_timeout", Kind.DOUBLE, "age at which a position is stale",
                  TIMEOUT, unit="s", above=0.0, maximum=3600.0),
    ParameterSpec("max_speed", Kind.DOUBLE,
                  "a vehicle that seems to go faster has a new origin of its odometry",
                  MAX_SPEED, unit="m/s", above=0.0),
    setting(PilotConfig, "automatic", Kind.BOOL,
            "ask without being told to: at home, or when the AV leaves its owner's coverage"),
    setting(PilotConfig, "settle_rounds", Kind.INTEGER,
            "rounds of the game that must pass after the AV has begun to ask for offers",
            minimum=0, maximum=10**6),
    _time(PilotConfig, "negotiation_timeout", "longest time that the game may take"),
    _time(PilotConfig, "retry_period", "time after a failed migration before the AV asks again"),
    _time(PilotConfig, "avoid_period",
          "time for which a target that refused, died or lost bytes is not asked by itself"),
    setting(PilotConfig, "pace_change", Kind.DOUBLE,
            "relative change of the link at which the transfer's pace is set anew",
            above=0.0, maximum=10.0),
    ParameterSpec("telemetry_period", Kind.DOUBLE, "time between two telemetry messages",
                  0.1, unit="s", minimum=0.005, maximum=60.0),
    ParameterSpec("service_timeout", Kind.DOUBLE,
                  "time without a new action from which on it counts as downtime",
                  0.5, unit="s", above=0.0, maximum=3600.0),
    *PROTOCOL,
    ParameterSpec("status_period", Kind.DOUBLE, "longest time between two twin_status",
                  0.25, unit="s", minimum=0.02, maximum=3600.0),
    EXECUTOR,
)  # fmt: skip


def config_of(config: type[ConfigT], values: Mapping[str, Value]) -> ConfigT:
    """Settings out of parameters of the same names.

    Raises:
        VeaatError: settings contradict each other.
    """
    names = [item.name for item in dataclasses.fields(config)]  # type: ignore[arg-type]
    return config(**{name: values[name] for name in names})
