# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose view an image shows, through edits of edits."""

from __future__ import annotations

import pytest

from genai_render.core.errors import NotFound
from genai_render.core.history.lineage import view_holder


def edit_of(parent: str) -> dict:
    return {"request": {"kind": "edit", "parent": parent}}


def lookup(items: dict):
    def record(item_id: str) -> dict:
        if item_id not in items:
            raise NotFound(f'"{item_id}" is not there.')
        return items[item_id]

    return record


def test_the_view_of_an_edit_is_that_of_what_it_changes():
    made = {"canvas": {"files": 1}, "request": {"kind": "generate", "parent": "z"}}
    items = {"a": made, "b": edit_of("a"), "c": edit_of("b"), "d": {"request": {"parent": "a"}}}
    assert [view_holder(lookup(items), one) for one in "abcd"] == ["a", "a", "a", ""]


def test_what_was_deleted_for_good_has_no_view_and_a_circle_ends():
    items = {"b": edit_of("gone"), "x": edit_of("y"), "y": edit_of("x")}
    assert view_holder(lookup(items), "b") == ""
    assert view_holder(lookup(items), "x") == ""
    with pytest.raises(NotFound):
        view_holder(lookup(items), "gone")
