"""What is kept, when it is good enough to be used again, and when it is not."""

import contextlib
import json
from pathlib import Path

import pytest

from veaat_migration.studies import journal as module
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import Record
from veaat_migration.studies.journal import FILE, Journal, Keys
from veaat_migration.studies.study import Axis, Study

GAME = {"delta": [20], "E": [1], "q": [1], "c": [2], "p_max": 9, "b_max": 9}
STUDY = Study("test", GAME, axes=(Axis("p_max", (8, 9)),))
DONE = Record("certified", n_avs=1, n_rsus=1, metrics={"welfare": float("-inf")})


def test_results_are_found_again_also_infinite_ones(tmp_path: Path) -> None:
    with Journal(tmp_path / "new") as journal:
        journal.add("a", 60.0, DONE)
        assert journal.find("a", 60.0) == DONE
    with Journal(tmp_path / "new") as journal:
        assert journal.find("a", 1e9) == DONE
        assert journal.find("b", 60.0) is None
    with Journal(tmp_path / "new", fresh=True) as journal:
        assert journal.find("a", 60.0) is None


@pytest.mark.parametrize("status", ["cycling", "not_converged", "timed_out"])
def test_more_time_gives_an_open_point_another_try(tmp_path: Path, status: str) -> None:
    with Journal(tmp_path) as journal:
        journal.add("a", 60.0, Record(status))
        assert journal.find("a", 60.0) == Record(status)
        assert journal.find("a", 61.0) is None


def test_a_crash_is_tried_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add("a", 60.0, Record("failed"))
        assert journal.find("a", 60.0) is None


def test_a_line_that_a_kill_cut_off_costs_only_that_line(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add("a", 60.0, DONE)
        journal.add("b", 60.0, DONE)
    path = tmp_path / FILE
    path.write_text(path.read_text()[:-30] + "")
    with Journal(tmp_path) as journal:
        assert journal.find("a", 60.0) == DONE
        assert journal.find("b", 60.0) is None
        journal.add("c", 60.0, DONE)
    with Journal(tmp_path) as journal:
        assert journal.find("c", 60.0) == DONE


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"key": 1}', "5", '{"key": "a", "record": {}}'])
def test_foreign_lines_are_ignored(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n" + json.dumps(
        {"key": "a", "time_limit": 1.0, "record": DONE.to_mapping()}) + "\n")  # fmt: skip
    with Journal(tmp_path) as journal:
        assert journal.find("a", 1.0) == DONE


def test_only_one_study_writes_a_folder(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(StudyError, match="another study is writing it"):
        Journal(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="choose another --output"):
        Journal(tmp_path / "file")


def test_a_full_disk_is_an_error_in_words(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        real = journal._file
        with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
            journal._file = full
            with pytest.raises(StudyError, match="/dev/full: No space left on device"):
                journal.add("a", 60.0, DONE)
        journal._file = real


def test_a_key_changes_with_everything_that_decides_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = STUDY.points()
    keys = [Keys(STUDY).of(first), Keys(STUDY).of(second)]
    for other in (
        Study("test", {**GAME, "b_max": 8}, axes=STUDY.axes),
        Study("test", GAME, axes=STUDY.axes, certify=False),
        Study("test", GAME, axes=STUDY.axes, fixed=(("b_max", 8),)),
    ):
        keys.append(Keys(other).of(other.points()[0]))
    monkeypatch.setattr(module, "code_version", lambda: "another")
    keys.append(Keys(STUDY).of(first))
    assert len(set(keys)) == len(keys)


def test_a_key_does_not_change_with_what_does_not() -> None:
    same = Study("other", dict(reversed(GAME.items())), axes=(Axis("p_max", (1, 8)),),
                 time_limit=1.0)  # fmt: skip
    assert Keys(same).of(same.points()[1]) == Keys(STUDY).of(STUDY.points()[0])
