"""`veaat solve` as a person or a program sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from veaat_migration.cli import main

BASE = """
delta: [20, 25, 30]
alpha: [1.5, 1.8, 2.0]
T_th: 1
q: [1.0, 1.2]
c: [2.0, 2.5]
zeta: 0.02
eta: 0.02
p_max: 30
b_max: 10
"""


def game(folder: Path, extra: str = "") -> str:
    path = folder / "game.yaml"
    path.write_text(BASE + extra)
    return str(path)


def test_a_person_sees_who_earns_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", game(tmp_path)]) == 0

    text = capsys.readouterr().out
    assert text.startswith("3 AVs x 2 RSUs: certified in ")
    assert "4.3586" in text
    assert "29.8496" in text


def test_without_a_certificate_nothing_is_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", game(tmp_path), "--no-certificate"]) == 0

    text = capsys.readouterr().out
    assert "unchecked" in text
    assert "largest gain" not in text


def test_a_program_reads_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", game(tmp_path), "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "certified"
    assert answer["p"] == pytest.approx([4.3586, 5.3812], abs=1e-4)
    assert answer["exploitability"]["max_rel"] <= 1e-9
    assert answer["delivered_share"] == [1.0, 1.0]


def test_rationing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:

    (tmp_path / "game.yaml").write_text(
        BASE.replace("alpha: [1.5, 1.8, 2.0]\nT_th: 1\n", "E: [-2, -1, -1.5]\ncapacity: 1\n")
    )
    capsys.readouterr()

    assert main(["solve", str(tmp_path / "game.yaml")]) == 0
    assert "deliver only a share of the demand: 1 (" in capsys.readouterr().out


def test_many_avs_get_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "game.json"
    many = {
        "delta": [20.0 + k % 7 for k in range(50)],
        "E": 0.9,
        "q": [1.0, 1.2],
        "c": [2.0, 2.5],
        "zeta": {"total": 0.04},
        "p_max": 30,
        "b_max": 30,
    }
    path.write_text(json.dumps(many))

    assert main(["solve", str(path)]) == 0
    assert "utility of the AVs: " in capsys.readouterr().out
