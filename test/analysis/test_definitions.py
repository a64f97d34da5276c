"""Message definitions found on this machine."""

from __future__ import annotations

import pytest

from veaat_migration.analysis.definitions import (
    DefinitionError,
    contained_types,
    definition_text,
    typestore_from,
)


def test_a_definition_contains_the_types_it_needs_and_the_comments():
    text = definition_text("veaat_migration/msg/PriceOffer")
    assert "price of bandwidth [money/MHz]" in text
    for name in ("std_msgs/Header", "builtin_interfaces/Time"):
        assert f"{'=' * 80}\nMSG: {name}\n" in text


def test_contained_types_are_found_in_every_form_of_field():
    text = """
    # Comment Foo bar
    uint8 KIND=1
    string NAME="Foo bar"
    Local a
    other/Thing[] b   # Not/This c
    other/msg/Deep[<=3] c
    string<=5 d
    float64[9] e 1.0
    Local again
    """
    assert contained_types("mine", text) == ["mine/msg/Local", "other/msg/Thing", "other/msg/Deep"]


@pytest.mark.parametrize("name", ["String", "std_msgs/String", "a/srv/B", "a/msg/"])
def test_a_name_that_is_no_message_type_is_refused(name: str):
    with pytest.raises(DefinitionError, match="must look like std_msgs/msg/String"):
        definition_text(name)


def test_a_type_that_is_not_installed_is_named():
    with pytest.raises(DefinitionError, match=r"no_such_msgs/msg/Thing.*source the workspace"):
        definition_text("no_such_msgs/msg/Thing")


def test_a_store_tells_which_definitions_it_could_not_use():
    store, problems = typestore_from(
        [("a_msgs/msg/A", "float64 x"), ("b_msgs/msg/B", "&$ !"), ("c_msgs/msg/C", "")]
    )
    assert "a_msgs/msg/A" in store.types
    assert len(problems) == 2


def test_a_standard_type_of_another_distribution_wins():
    store, problems = typestore_from([("std_msgs/msg/String", "string data\nint32 more")])
    assert problems == []
    assert [name for name, _ in store.fielddefs["std_msgs/msg/String"][1]] == ["data", "more"]
    assert "std_msgs/msg/Header" in store.types
