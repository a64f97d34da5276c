"""How findings are put together."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.doctor.finding import (
    Finding,
    Level,
    exit_status,
    fail,
    ok,
    skip,
    table,
    to_mapping,
    warn,
)

FINDINGS = [ok("python", "3.12.3"), warn("clock", "wrong", "mend it"), skip("disk", "not there")]


def test_only_failures_count():
    assert exit_status(FINDINGS) == 0
    assert exit_status([*FINDINGS, fail("ros", "missing", "install it")]) == 1
    assert exit_status([]) == 0


def test_the_table_says_everything():
    text = table(FINDINGS)

    assert "OK    python  3.12.3" in text
    assert "WARN  clock   wrong\n" in text
    assert "-> mend it" in text
    assert text.endswith("1 OK, 1 WARN, 1 SKIP")


@given(
    st.lists(
        st.builds(
            Finding,
            st.sampled_from(list(Level)),
            st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=20),
            st.text(max_size=300),
            st.text(max_size=300),
        ),
        max_size=5,
    )
)
def test_no_line_is_too_long_and_json_holds_all(findings: list[Finding]):
    for line in table(findings, 100).splitlines():
        assert len(line) <= 100 or " " not in line.strip()
    mapping = json.loads(json.dumps(to_mapping(findings)))
    assert [entry["found"] for entry in mapping["findings"]] == [f.found for f in findings]
    assert sum(mapping["counts"].values()) == len(findings)
    assert mapping["failed"] == bool(exit_status(findings))
