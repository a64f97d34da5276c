"""Study how the equilibrium changes with any field of a game.

FILE is a scenario, a plain game instance, or a study file (config/sweeps/*.yaml) that names a
game and says what varies. Every point is an exact equilibrium with its certificate, as from
'veaat solve'. Points are solved in parallel. The results folder gets
  results.csv    one row per point: values, utilities, prices, loads, bandwidth, status, ...
  figure.png     one panel per metric; points without a certificate are marked
  points.jsonl   all finished points: after Ctrl-C, a kill or a change of the study, the same
                 command goes on from there and solves only what is new

What varies: --vary FIELD=VALUES, several times for a grid. FIELD is a path such as price_max,
social_coupling.total, rsus.capacity (all RSUs), rsus[0].cost (one, counted from 0), or n_avs and
n_rsus: the file's players in order, from the beginning again when they run out. VALUES are
  10,20,30        a list          log:1:1000:7    7 values, each the same factor further
  2:20:2          2, 4, ..., 20   lin:0:1:5       5 values, evenly spaced
  2:6             2, 3, ..., 6    1,2,5:20:5      all mixed

Couplings between more players: {total: 0.04} is shared out, 0.04 / (V - 1) for each pair; a
number is the same for each pair however many they are. docs/studies.md has more.

Exit status: 0 every point has its certified equilibrium, 1 some have not (see results.csv),
2 an unusable study, 130 interrupted.

Examples:
  # more and more AVs for the same two RSUs
  veaat sweep config/base.yaml --vary n_avs=3:30:3 --set social_coupling.total=0.04

  # two fields: a line for each capacity
  veaat sweep config/base.yaml --vary n_avs=3:30:3 --vary rsus.capacity=5,10,20

  # the paper's Figs. 6 and 8 in theory
  veaat sweep config/sweeps/avs.yaml
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veaat_migration.studies.run import Outcome
    from veaat_migration.studies.study import Study

SUMMARY = "study how the equilibrium changes with any field of a game"

TABLE = "results.csv"
_SHOWN_FAULTS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="scenario, game instance or study file")
    study = parser.add_argument_group("study")
    study.add_argument(
        "--vary", action="append", default=[], metavar="FIELD=VALUES",
        help="a field and its values; may be repeated",
    )  # fmt: skip
    study.add_argument(
        "--set", action="append", default=[], dest="fixed", metavar="FIELD=VALUE",
        help="change a field at all points; may be repeated",
    )  # fmt: skip
    study.add_argument(
        "--metric", action="append", default=[], metavar="NAME",
        help="draw this column of results.csv; may be repeated",
    )  # fmt: skip
    study.add_argument(
        "--certificate", action=argparse.BooleanOptionalAction, default=None,
        help="search for profitable deviations; without, answers are local but quick "
        "(default: with)",
    )  # fmt: skip
    study.add_argument(
        "--time-limit", type=float, metavar="S",
        help="of the search at each point [s] (default: 60); a point that takes more than "
        "twice that in all is stopped",
    )  # fmt: skip
    running = parser.add_argument_group("running")
    running.add_argument(
        "-j", "--jobs", type=int, metavar="N", help="processes (default: one per core)"
    )
    running.add_argument(
        "--fresh", action="store_true", help="solve everything again, forget earlier results"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="folder for the results (default: runs/sweep-<name of FILE>)",
    )  # fmt: skip
    output.add_argument(
        "--plot", type=Path, metavar="FILE",
        help="draw the figure here (.png, .svg, .pdf; default: DIR/figure.png)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the study and write its results."""
    from veaat_migration.parallel import default_jobs
    from veaat_migration.studies.errors import StudyError
    from veaat_migration.studies.journal import FILE as JOURNAL
    from veaat_migration.studies.results import write_csv
    from veaat_migration.studies.run import run_study

    study = _study(args)
    jobs = default_jobs() if args.jobs is None else args.jobs
    if jobs < 1:
        raise StudyError(f"--jobs: must be at least 1, got {jobs}")
    plot = args.plot
    if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
        raise StudyError(f"--plot: must end in .png, .svg or .pdf, got {plot}")
    folder = args.output or Path("runs") / f"sweep-{re.sub(r'[^A-Za-z0-9._-]+', '_', study.name)}"
    if (folder / TABLE).exists() and not (folder / JOURNAL).exists():
        raise StudyError(f"{folder / TABLE}: is not of a study; choose another --output")
    outcome = run_study(study, folder, jobs=jobs, fresh=args.fresh, stream=sys.stderr)
    try:
        write_csv(folder / TABLE, outcome.results)
        written = [folder / TABLE]
        written += _draw(plot or folder / "figure.png", outcome)
    except OSError as error:
        raise StudyError(f"{error.filename}: {error.strerror}") from error
    return _report(study, outcome, written)


def _study(args: argparse.Namespace) -> Study:
    from veaat_migration.bringup.scenarios import find_scenario
    from veaat_migration.studies.changes import check_path
    from veaat_migration.studies.errors import StudyError
    from veaat_migration.studies.players import COUNTS
    from veaat_migration.studies.ranges import parse_values
    from veaat_migration.studies.study import Axis
    from veaat_migration.studies.study_file import check_change, check_metric, load_study

    study = load_study(find_scenario(args.file))
    axes = {axis.path: axis for axis in study.axes}
    fixed = list(study.fixed)
    for text in args.vary:
        path, values = _split("--vary", text, "n_avs=2:20:2")
        try:
            axes[path] = Axis(check_path(path), parse_values(values, whole=path in COUNTS))
        except StudyError as error:
            raise StudyError(f"--vary {text}: {error}") from error
    for text in args.fixed:
        path, value = _split("--set", text, "price_max=40")
        parsed = parse_values(value, whole=path in COUNTS)
        if len(parsed) != 1:
            raise StudyError(f"--set {text}: must be one value; --vary takes several")
        fixed.append(check_change(f"--set {text}", path, parsed[0]))
    if not axes:
        raise StudyError(
            "nothing varies; say what, such as --vary n_avs=2:20:2 or --vary price_max=10,20,30"
        )
    figure = study.figure
    if args.metric:
        figure = dataclasses.replace(figure, metrics=tuple(map(check_metric, args.metric)))
    return dataclasses.replace(
        study,
        axes=tuple(axes.values()),
        fixed=tuple(fixed),
        figure=figure,
        certify=study.certify if args.certificate is None else args.certificate,
        time_limit=study.time_limit if args.time_limit is None else args.time_limit,
    )


def _split(option: str, text: str, example: str) -> tuple[str, str]:
    from veaat_migration.studies.errors import StudyError

    path, separator, value = text.partition("=")
    if not separator:
        raise StudyError(f"{option} {text}: must be FIELD=VALUES, such as {example}")
    return path.strip(), value.strip()


def _draw(path: Path, outcome: Outcome) -> list[Path]:
    from veaat_migration.studies.plot import write_figure

    return [path] if write_figure(path, outcome.results) else []


def _report(study: Study, outcome: Outcome, written: list[Path]) -> int:
    """Say what came out; the exit status."""
    from veaat_migration.studies.progress import GOOD
    from veaat_migration.studies.study import label
    from veaat_migration.studies.trends import trends

    records = outcome.results.records
    counts = Counter(records[number].status for number in sorted(records))
    summary = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    known = f" ({outcome.reused} from before)" if outcome.reused else ""
    print(f"{study.name}: {len(records)} points{known}: {summary or 'none'}")
    faulty = [point for point in study.points()
              if point.number in records and records[point.number].reason]  # fmt: skip
    for point in faulty[:_SHOWN_FAULTS]:
        record = records[point.number]
        print(f"  {record.status}: {label(point, study.paths)}: {record.reason}")
    if len(faulty) > _SHOWN_FAULTS:
        print(f"  ... and {len(faulty) - _SHOWN_FAULTS} more; see results.csv")
    if outcome.results.x is not None and not outcome.interrupted:
        for sentence in trends(outcome.results):
            print(f"  {sentence}")
    print("wrote " + ", ".join(map(str, written)))
    if outcome.interrupted:
        print(
            f"interrupted after {len(records)} of {len(study.points())} points; "
            "the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    return 0 if all(status in GOOD for status in counts) else 1
