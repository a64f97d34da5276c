"""An AV's twin, journal and surroundings out of parameters, without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from veaat_migration.game.delay import Channel
from veaat_migration.mobility.surroundings import Surroundings
from veaat_migration.nodes.specification import (
    ParameterError,
    Value,
    integer,
    integers,
    number,
    numbers,
    text,
)
from veaat_migration.protocol.migration.file_store import FileJournal
from veaat_migration.protocol.migration.store import AT_HOME
from veaat_migration.protocol.migration.twin import Twin
from veaat_migration.service.image import make_image


def make_twin(values: Mapping[str, Value]) -> Twin:
    """The twin as the AV can build it.

    Raises:
        VeaatError: the image cannot be read or made.
    """
    path = text(values, "image_path")
    if path:
        try:
            image = Path(path).expanduser().read_bytes()
        except OSError as error:
            raise ParameterError(f"image_path: {path}: {error.strerror}") from error
    else:
        image = make_image(
            integer(values, "av_id"),
            integer(values, "image_size"),
            seed=integer(values, "seed"),
            cruise_speed=number(values, "cruise_speed"),
        )
    return Twin(image, data=number(values, "data"), cycles=number(values, "cycles"))


def open_journal(values: Mapping[str, Value]) -> FileJournal:
    """The AV's records.

    Raises:
        StoreError: the folder cannot be made or written.
    """
    path = Path(text(values, "journal")).expanduser()
    journal = FileJournal(path, sync=bool(values["sync_writes"]))
    if values["new_twin"] and not path.exists():
        journal.save(AT_HOME)
    return journal


def make_surroundings(values: Mapping[str, Value]) -> Surroundings | None:
    """The RSUs around; None: their places are not known.

    Raises:
        VeaatError: parameters contradict each other.
    """
    rsu_ids = integers(values, "rsu_ids")
    if not rsu_ids:
        return None
    x, y = numbers(values, "rsu_x"), numbers(values, "rsu_y")
    for name, column in (("rsu_x", x), ("rsu_y", y)):
        if len(column) != len(rsu_ids):
            raise ParameterError(
                f"{name}: must have one value for each of rsu_ids ({len(rsu_ids)}), "
                f"got {len(column)}"
            )
    return Surroundings(
        rsu_ids,
        list(zip(x, y, strict=True)),
        number(values, "coverage_radius"),
        hysteresis=number(values, "hysteresis"),
        channel=Channel(
            antenna_gain=number(values, "antenna_gain"),
            carrier_frequency=number(values, "carrier_frequency"),
            transmit_power=number(values, "transmit_power"),
            noise_power=number(values, "noise_power"),
        ),
    )
