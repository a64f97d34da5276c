"""More or fewer players than a file lists.

Players are taken from the file's list in order; when it ends it starts again, so that 3 AVs with
satisfaction 20, 25, 30 become 20, 25, 30, 20, 25, ... A copy is equal to its original in
everything, its position included, but for the name and its own channel fading.

Couplings given by one number, a total or a distance say by themselves what they are between any
number of players. A coupling matrix or a list of pairs knows only the players of the file: fewer
players keep theirs, more are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veaat_migration.scenario.numbers import MAX_AVS, MAX_RSUS
from veaat_migration.studies.errors import StudyError

N_AVS, N_RSUS = "n_avs", "n_rsus"
COUNTS = (N_AVS, N_RSUS)
"""Names under which a study varies the numbers of players."""

_LIMITS = {N_AVS: MAX_AVS, N_RSUS: MAX_RSUS}


def resize(content: dict[str, Any], key: str, count: int, *, plain: bool) -> None:
    """Change the number of AVs or RSUs.

    Args:
        content: a scenario, or a plain instance that gives ``V`` and ``R``; this mapping and its
            ``delay`` are changed, the lists in them are replaced.
        key: ``n_avs`` or ``n_rsus``.
        count: the new number.
        plain: whether ``content`` is a plain instance.

    Raises:
        StudyError: the count is out of range, or a coupling does not say what it is between
            more players.
    """
    if not 1 <= count <= _LIMITS[key]:
        raise StudyError(f"{key}: must be from 1 to {_LIMITS[key]}, got {count}")
    if plain:
        _resize_plain(content, key, count)
    else:
        _resize_scenario(content, key, count)


def _resize_scenario(content: dict[str, Any], key: str, count: int) -> None:
    items, coupling = ("avs", "social_coupling") if key == N_AVS else ("rsus", "service_coupling")
    listed = content.get(items)
    if not isinstance(listed, list) or not listed:
        return  # loading it says what is wrong
    if isinstance(content.get(coupling), list):
        content[coupling] = _block(content[coupling], coupling, key, count, len(listed))
    players = _repeated(listed, count)
    if count > len(listed):
        players = [
            {name: value for name, value in player.items() if name != "name"}
            if isinstance(player, Mapping)
            else player
            for player in players
        ]
    content[items] = players


def _resize_plain(content: dict[str, Any], key: str, count: int) -> None:
    size_key, coupling = ("V", "zeta") if key == N_AVS else ("R", "eta")
    old = content.get(size_key)
    if type(old) is not int:
        return  # loading it says what is wrong
    content[size_key] = count
    delay = content.get("delay")
    parts = [content, delay] if isinstance(delay, dict) else [content]
    for part in parts:
        for name, value in part.items():
            if not isinstance(value, list) or not value:
                continue
            if key == N_AVS:
                part[name] = _repeated(value, count) if _is_per_av(name, value) else value
            elif name in ("q", "capacity"):
                part[name] = _repeated(value, count)
            elif name in ("c", "s", "T0"):
                part[name] = _columns(name, value, count)
    value = content.get(coupling)
    if isinstance(value, list):
        content[coupling] = _block(value, coupling, key, count, old)
    elif isinstance(value, dict) and isinstance(value.get("pairs"), list):
        content[coupling] = {**value, "pairs": _pairs(value["pairs"], coupling, key, count, old)}


def _is_per_av(name: str, value: list[Any]) -> bool:
    if name == "c":  # one-dimensional: per RSU
        return isinstance(value[0], list)
    return name in ("delta", "E", "alpha", "T_th", "D", "s", "T0", "Tmax")


def _columns(name: str, value: list[Any], count: int) -> list[Any]:
    """Entries per RSU: of a list (``c``), or of every row of more than one entry."""
    if all(isinstance(row, list) for row in value):
        return [_repeated(row, count) if len(row) > 1 or name == "c" else row for row in value]
    return _repeated(value, count) if name == "c" else value


def _repeated(values: list[Any], count: int) -> list[Any]:
    """The first ``count`` of the values repeated for ever."""
    return [values[k % len(values)] for k in range(count)] if values else values


def _block(matrix: list[Any], name: str, key: str, count: int, old: int) -> list[Any]:
    if count > old:
        raise _unknown_couplings(name, key, count, old, "a matrix")
    return [row[:count] if isinstance(row, list) else row for row in matrix[:count]]


def _pairs(pairs: list[Any], name: str, key: str, count: int, old: int) -> list[Any]:
    if count > old:
        raise _unknown_couplings(name, key, count, old, "a list of pairs")

    def stays(entry: Any) -> bool:
        ends = entry[:2] if isinstance(entry, list) else []
        return not all(type(end) is int for end in ends) or all(end <= count for end in ends)

    return [entry for entry in pairs if stays(entry)]


def _unknown_couplings(name: str, key: str, count: int, old: int, kind: str) -> StudyError:
    return StudyError(
        f"{key}={count}: {name} is {kind} for {old} players and says nothing about more; give a "
        f"number or a total, such as --set {name}.total=0.04"
    )
