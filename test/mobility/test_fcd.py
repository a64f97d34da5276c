"""SUMO traces: reading in a stream, and an understandable error for every damage."""

import gzip
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from veaat_migration.mobility.fcd import read_fcd, write_fcd
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

SMALL = """<?xml version="1.0" encoding="UTF-8"?>
<fcd-export>
    <timestep time="10.00">
        <vehicle id="a" x="1.5" y="-2" angle="90.0" type="bus" speed="3.00" pos="7.5" lane="e_0"/>
        <person id="p" x="0" y="0"/>
    </timestep>
    <timestep time="11.00"/>
    <timestep time="12.00">
        <vehicle id="&lt;b&gt;" x="3" y="4"/>
    </timestep>
</fcd-export>
"""


def traffic(seconds: int, vehicles: int = 5) -> Iterator[Snapshot]:
    for second in range(seconds):
        yield Snapshot(
            float(second),
            tuple(
                Vehicle(f"v{k}", 10.0 * k, float(second), 1.0, 0.0, "lane_0", float(second))
                for k in range(vehicles)
            ),
        )


def test_vehicles_are_read_and_persons_are_not(tmp_path: Path) -> None:
    path = tmp_path / "trace.xml"
    path.write_text(SMALL, encoding="utf-8")
    first, empty, last = read_fcd(path)
    assert first == Snapshot(10.0, (Vehicle("a", 1.5, -2.0, 3.0, 90.0, "e_0", 7.5),))
    assert empty.vehicles == ()
    (vehicle,) = last.vehicles
    assert (vehicle.id, vehicle.x, vehicle.lane) == ("<b>", 3.0, "")
    assert math.isnan(vehicle.speed)


@pytest.mark.parametrize("name", ["trace.xml", "trace.xml.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    snapshots = [*traffic(3), Snapshot(3.0, (Vehicle('"<&', 1.0, 2.0),))]
    write_fcd(path, snapshots)
    again = list(read_fcd(path))
    assert again[:3] == snapshots[:3]
    assert again[3].vehicles[0].id == '"<&'
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.xml.gz", tmp_path / "2.xml.gz"
    write_fcd(first, traffic(3))
    write_fcd(second, traffic(3))
    assert first.read_bytes() == second.read_bytes()


def test_compression_is_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "trace.xml"
    path.write_bytes(gzip.compress(SMALL.encode()))
    assert len(list(read_fcd(path))) == 3


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:08:20", 500.0), ("1:00:00:01.5", 86401.5), ("7", 7.0)]
)
def test_human_readable_times_are_understood(tmp_path: Path, text: str, seconds: float) -> None:
    path = tmp_path / "trace.xml"
    path.write_text(f'<fcd-export><timestep time="{text}"/></fcd-export>', encoding="utf-8")
    assert next(read_fcd(path)).time == seconds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"malformed XML before the first timestep: no element found"),
        ("no xml", r"malformed XML before the first timestep: syntax error: line 1"),
        (SMALL.replace("</fcd-export>", ""), r"malformed XML after timestep 12 s"),
        (SMALL.replace("fcd-export", "routes"), r"its root is <routes>, not <fcd-export>"),
        (SMALL.replace('time="11.00"', ""), "a timestep lacks the attribute time"),
        (SMALL.replace('"11.00"', '"noon"'), "must be a number of seconds, got 'noon'"),
        (SMALL.replace('"11.00"', '"nan"'), "must be a number of seconds, got 'nan'"),
        (SMALL.replace('"11.00"', '"1:2:3:4:5"'), "must be a number of seconds"),
        (SMALL.replace('"11.00"', '"10"'), "timestep 10 s comes after 10 s"),
        (SMALL.replace(' x="1.5"', ""), "timestep 10 s: vehicle 'a' lacks the attribute x"),
        (SMALL.replace('"1.5"', '"left"'), "vehicle 'a': x must be a number, got 'left'"),
        (SMALL.replace('"1.5"', '"nan"'), r"vehicle 'a' is at \(nan, -2\)"),
        (SMALL.replace('"3.00"', '"fast"'), "vehicle 'a': speed must be a number, got 'fast'"),
        (SMALL.replace('id="a"', ""), "timestep 10 s: a vehicle lacks the attribute id"),
    ],
)
def test_damage_is_named_with_the_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "trace.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TraceError, match=message) as caught:
        list(read_fcd(path))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_truncated_archive_gives_what_comes_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "trace.xml.gz"
    write_fcd(path, traffic(2000))
    path.write_bytes(path.read_bytes()[:-2000])
    snapshots = read_fcd(path)
    assert next(snapshots).time == 0.0
    with pytest.raises(TraceError, match=r"truncated or damaged after timestep \d+ s"):
        list(snapshots)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.xml.gz"
    write_fcd(path, traffic(2000))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(TraceError, match=r"trace\.xml\.gz: "):
        list(read_fcd(path))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"none\.xml: no such file"):
        next(read_fcd(tmp_path / "none.xml"))
    with pytest.raises(TraceError, match="cannot be read"):
        next(read_fcd(tmp_path))
    with pytest.raises(TraceError, match="cannot be written"):
        write_fcd(tmp_path / "none" / "trace.xml", traffic(1))


def test_memory_does_not_grow_with_the_length_of_the_trace(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        path = tmp_path / f"{seconds}.xml.gz"
        write_fcd(path, traffic(seconds, vehicles=20))
        tracemalloc.start()
        for _ in read_fcd(path):
            pass
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high

    assert peak(600) < 1.5 * peak(100)


def vehicles_line(*names: str) -> str:
    vehicles = "".join(f'<vehicle id="{name}" x="0" y="0"/>' for name in names)
    return f'<timestep time="1">{vehicles}</timestep>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"<fcd-export>{vehicles_line('a', 'b', 'a')}</fcd-export>", "vehicle 'a' appears twice"),
        (
            f'<!DOCTYPE x [<!ENTITY a "b">]><fcd-export>{vehicles_line("a")}</fcd-export>',
            "declares XML entities",
        ),
    ],
)
def test_what_no_simulator_writes_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "trace.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TraceError, match=message):
        list(read_fcd(path))


def test_a_flood_of_vehicles_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veaat_migration.mobility.fcd_parser.MAX_VEHICLES", 2)
    path = tmp_path / "trace.xml"
    path.write_text(f"<fcd-export>{vehicles_line('a', 'b', 'c')}</fcd-export>", encoding="utf-8")
    with pytest.raises(TraceError, match="timestep 1 s: more than 2 vehicles"):
        list(read_fcd(path))


@pytest.mark.parametrize("start", ["<fcd-export><!-- ", '<fcd-export><timestep time="', " "])
def test_endless_content_without_elements_does_not_fill_the_memory(
    tmp_path: Path, start: str
) -> None:
    path = tmp_path / "trace.xml.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(start.encode())
        for _ in range(20):
            stream.write(b" " * (1 << 20))
    with pytest.raises(TraceError, match="no element within 16 MiB"):
        list(read_fcd(path))


def test_timesteps_before_a_damage_are_given(tmp_path: Path) -> None:
    path = tmp_path / "trace.xml"
    good = '<timestep time="0"/>'
    path.write_text(f"<fcd-export>{good}{vehicles_line('a', 'a')}", encoding="utf-8")
    snapshots = read_fcd(path)
    assert next(snapshots).time == 0.0
    with pytest.raises(TraceError, match="appears twice"):
        next(snapshots)


def test_elements_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.xml"
    inner = '<vehicle id="a" x="0" y="0"><vehicle id="b" x="0" y="0"/></vehicle><person id="a"/>'
    path.write_text(
        f'<fcd-export><vehicle id="c"/><timestep time="0">{inner}</timestep></fcd-export>',
        encoding="utf-8",
    )
    (snapshot,) = read_fcd(path)
    assert [vehicle.id for vehicle in snapshot.vehicles] == ["a"]
