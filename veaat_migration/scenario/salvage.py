"""A faulty scenario with its faults replaced, so that the rest of it can still be checked.

pydantic checks the rules between keys only where every single key is right. To report all
faults at once, each faulty value gives way to one that breaks no rule between keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_HARMLESS: dict[str, Any] = {
    "price_max": 1e300,
    "bandwidth_max": 1e300,
    "position": [0.0, 0.0],
    "satisfaction": 1.0,
    "delay_sensitivity": 0.0,
    "delay_threshold": 0.0,
    "max_delay": 1.0,
    "quality": 1.0,
    "cost": 0.0,
    "arrival_rate": 0.0,
    "service_rate": 1e300,
}
_PLAYERS = {"avs": "av_defaults", "rsus": "rsu_defaults"}


def without_faults(
    content: Mapping[Any, Any], faults: Iterable[tuple[str | int, ...]]
) -> dict[Any, Any]:
    """A copy of a scenario's content with harmless values in the place of ``faults``.

    Args:
        content: what was read from the file.
        faults: locations as pydantic gives them, with defaults merged into the players.

    Returns:
        Content that may still be wrong, for instance if there is no list of AVs at all.
    """
    result = {key: value for key, value in content.items() if isinstance(key, str)}
    for items, defaults in _PLAYERS.items():
        common = result.pop(defaults, None)
        if isinstance(result.get(items), list | tuple):
            merged = {**common} if isinstance(common, Mapping) else {}
            result[items] = [
                {**merged, **player} if isinstance(player, Mapping) else {}
                for player in result[items]
            ]
    for location in faults:
        if len(location) >= 3 and location[0] in _PLAYERS:
            players = result.get(str(location[0]))
            if isinstance(players, list) and isinstance(location[1], int):
                _replace(players[location[1]], location[2])
        elif len(location) == 2 and location[0] in _PLAYERS:
            result[str(location[0])][location[1]] = dict(_HARMLESS_PLAYER[str(location[0])])
        elif location and location[0] not in _PLAYERS:
            _replace(result, location[0])
    return result


_HARMLESS_PLAYER: dict[str, dict[str, Any]] = {
    "avs": {
        key: _HARMLESS[key]
        for key in ("position", "satisfaction", "delay_sensitivity", "max_delay")
    },
    "rsus": {key: _HARMLESS[key] for key in ("position", "quality", "cost")},
}


def _replace(mapping: dict[Any, Any], key: str | int) -> None:
    if key in _HARMLESS:
        mapping[key] = _HARMLESS[str(key)]
    else:
        mapping.pop(key, None)
