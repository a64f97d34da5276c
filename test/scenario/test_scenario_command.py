"""`veaat scenario ...` as a user types it."""

import argparse
import os
from pathlib import Path

import pytest

from veaat_migration.commands import scenario as command
from veaat_migration.errors import VeaatError
from veaat_migration.mobility.fcd import read_fcd
from veaat_migration.scenario import build_instance, load_scenario

SMALL_TOWN = ["from-roads", "--columns", "3", "--rows", "2", "--vehicles", "30", "--time", "20"]


def veaat(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="veaat scenario")
    command.configure(parser)
    return command.run(parser.parse_args(words))


def test_a_town_is_made_shown_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plot = tmp_path / "town.yaml", tmp_path / "map.png"
    assert (
        veaat(*SMALL_TOWN, "--avs", "5", "--rsus", "2", "-o", str(file), "--plot", str(plot)) == 0
    )
    scenario = load_scenario(file)
    assert (scenario.name, len(scenario.avs), len(scenario.rsus)) == ("town", 5, 2)
    assert build_instance(scenario).delay is not None
    assert plot.stat().st_size > 10_000
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "5 AVs x 2 RSUs; 30 vehicles on the road" in printed.err
    assert f"wrote {file}" in printed.err
    assert veaat("show", str(file), "--plot", str(plot)) == 0
    assert "town: 5 AVs x 2 RSUs" in capsys.readouterr().out
    assert veaat("check", str(file)) == 0
    assert capsys.readouterr().out == f"{file}: right, 5 AVs x 2 RSUs\n"


def test_the_file_says_how_it_was_made_and_can_be_made_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    options = ["--shape", "ring", "--seed", "7", "--no-delay", "--name", "x"]
    veaat(*SMALL_TOWN, *options, "-o", str(first))
    veaat(*SMALL_TOWN, *options, "-o", str(second))
    text = first.read_text(encoding="utf-8")
    assert text == second.read_text(encoding="utf-8")
    assert text.startswith("# From a generated ring town at 20 s: 6 AVs x 3 RSUs\n# made by: ")
    made_by = text.splitlines()[1].removeprefix("# made by: veaat scenario ").split()
    assert made_by[-1] == "--no-delay"
    assert str(tmp_path) not in text
    again = tmp_path / "c.yaml"
    veaat(*made_by, "--name", "x", "-o", str(again))
    assert again.read_text(encoding="utf-8") == text


def test_without_a_file_the_scenario_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert veaat(*SMALL_TOWN) == 0
    assert "\nname: scenario\n" in capsys.readouterr().out


def test_traffic_of_a_town_is_a_trace_and_gives_the_same_players(tmp_path: Path) -> None:
    trace, direct, read = (tmp_path / name for name in ("t.xml.gz", "direct.yaml", "read.yaml"))
    veaat(*SMALL_TOWN, "--write-fcd", str(trace), "-o", str(direct))
    assert len(list(read_fcd(trace))) == 21
    veaat("from-fcd", str(trace), "--time", "20", "-o", str(read))
    first, second = load_scenario(direct), load_scenario(read)
    assert first.avs == second.avs
    assert first.rsus == second.rsus
    assert second.roads
    plain = tmp_path / "plain.yaml"
    veaat(*SMALL_TOWN, "-o", str(plain))
    assert load_scenario(plain).avs == first.avs


def test_a_time_outside_the_trace_is_one_clear_message(tmp_path: Path) -> None:
    trace = tmp_path / "t.xml"
    veaat(*SMALL_TOWN, "--write-fcd", str(trace), "-o", str(tmp_path / "x.yaml"))
    with pytest.raises(VeaatError, match="time 99 s is after the end: the trace holds 0 s to 20 s"):
        veaat("from-fcd", str(trace), "--time", "99")


def test_check_names_every_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, none = (tmp_path / name for name in ("good.yaml", "bad.yaml", "none.yaml"))
    good.write_text("{delta: [1], E: [1], q: [1], c: [1], p_max: 2, b_max: 2}", encoding="utf-8")
    bad.write_text("avs: [", encoding="utf-8")
    assert veaat("check", str(bad), str(good), str(none)) == 2
    printed = capsys.readouterr()
    assert printed.out == f"{good}: right, 1 AVs x 1 RSUs\n"
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [str(bad), str(none)]


def test_keys_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert veaat("keys") == 0
    assert "| `social_coupling` |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--avs", "0"], "must be a whole number from 1 to 100000, got '0'"),
        (["--avs", "x"], "must be a whole number from 1 to 100000, got 'x'"),
        (["--seed", "-1"], "must be a whole number from 0"),
        (["--radius", "nan"], "must be a number, got 'nan'"),
        (["--radius", "0"], "must be > 0, got 0"),
        (["--radius", "wide"], "must be a number, got 'wide'"),
        (["--window", "-1"], "must be from 0 to 86400 s, got -1"),
        (["--time", "inf"], "must be a number, got 'inf'"),
    ],
)
def test_options_out_of_range_are_refused_by_the_parser(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        veaat(*SMALL_TOWN, *options)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("action", ["from-fcd", "from-roads", "show", "check", "keys"])
def test_every_action_explains_itself(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        veaat(action, "--help")
    assert caught.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) >= 4


REAL_TRACE = os.environ.get("VEAAT_FCD_TRACE", "")
"""A SUMO floating-car trace that covers second 500, to try beside a generated one."""


@pytest.mark.parametrize("given", ["", REAL_TRACE] if REAL_TRACE else [""])
def test_a_busy_trace_gives_twelve_avs_and_four_rsus(tmp_path: Path, given: str) -> None:
    trace, second = given, "500"
    if not given:
        trace, second = str(tmp_path / "trace.xml.gz"), "30"
        veaat("from-roads", "--columns", "5", "--rows", "4", "--vehicles", "120", "--time", second,
              "--write-fcd", trace, "-o", str(tmp_path / "town.yaml"))  # fmt: skip
    file = tmp_path / "real.yaml"
    plot = tmp_path / "map.png"
    assert veaat("from-fcd", trace, "--time", second, "--avs", "12", "--rsus", "4",
                 "-o", str(file), "--plot", str(plot)) == 0  # fmt: skip
    game = build_instance(load_scenario(file))
    assert (game.n_avs, game.n_rsus) == (12, 4)
    assert game.delay is not None
