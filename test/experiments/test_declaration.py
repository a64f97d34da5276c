"""The declared studies, and what is said of a bad file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from veaat_migration.errors import VeaatError
from veaat_migration.experiments.declaration import Declaration, load_declaration

SMALL: dict[str, Any] = {
    "game": "base.yaml",
    "methods": {"a": {"label": "A", "train": "a.yaml"}, "b": {"label": "B", "train": "b.yaml"}},
    "studies": {"base": {"methods": ["a"]}, "avs": {"methods": ["a"], "vary": {"n_avs": [1, 2]}}},
    "figures": {"3": {"study": "base", "kind": "learning", "title": "T"}},
}


def test_the_shipped_file_declares_figures_3_to_10(paper: Declaration) -> None:
    assert [f"{n}" for n in range(3, 11)] == [n for n in paper.figures if n.isdecimal()]
    assert paper.seeds == 5
    assert set(paper.labels()) == set(paper.methods)


def test_small_studies_are_the_same_studies(paper: Declaration) -> None:
    small = paper.small()
    assert small.seeds == 2
    assert set(small.studies) == set(paper.studies)
    for name, study in small.studies.items():
        assert study.methods == paper.studies[name].methods
        assert study.share < 0.1
        assert (study.axis is None) == (paper.studies[name].axis is None)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seeds", 0, "seeds: must be >= 1"),
        ("studies.base.methods", ["c"], "studies.base.methods: c is not among the methods"),
        ("studies.base.methods", [], "studies.base.methods"),
        ("studies.avs.vary_training", {"pruning.sparsity": [0.1]}, "one thing may vary"),
        ("figures.3.study", "none", "figures.3.study: there is no study none"),
        ("figures.3.methods", ["b"], "figures.3.methods: study base has no b"),
        ("figures.3.kind", "sizes", "figures.3: in study base nothing varies"),
        ("figures.3.kind", "pie", "figures.3.kind"),
        ("studies.base.sed", 3, "studies.base.sed"),
    ],
)
def test_faults_are_named_by_path(tmp_path: Path, path: str, value: Any, message: str) -> None:
    content = yaml.safe_load(yaml.safe_dump(SMALL))
    *parents, key = path.split(".")
    part = content
    for parent in parents:
        part = part[parent]
    part[key] = value
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(VeaatError) as caught:
        load_declaration(file)
    assert message in str(caught.value)
    assert "bad.yaml" in str(caught.value)
