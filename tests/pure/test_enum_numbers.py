# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that Blender's enums give to ids."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from genai_render.core import enum_numbers
from genai_render.core.enum_numbers import EnumNumbers


@given(st.lists(st.text(), unique=True, max_size=60), st.randoms())
def test_a_number_is_of_one_id_in_whatever_order_they_come(ids: list[str], random: object) -> None:
    numbers = EnumNumbers("auto")
    given_out = {id: numbers.of(id) for id in ids}
    shuffled = sorted(ids, reverse=True)
    others = EnumNumbers("auto")
    assert {id: others.of(id) for id in shuffled} == given_out
    assert len(set(given_out.values())) == len(ids)
    for id, number in given_out.items():
        assert numbers.id_of(number) == id
        assert struct.unpack("f", struct.pack("f", number))[0] == number


def test_two_ids_with_one_checksum_get_two_numbers(monkeypatch) -> None:
    monkeypatch.setattr(enum_numbers, "_checksum", lambda text: 7 if "\n" not in text else 8)
    numbers = EnumNumbers("auto")
    assert [numbers.of(id) for id in ("auto", "a", "b", "a", "b")] == [0, 7, 8, 7, 8]
    assert [numbers.id_of(n) for n in (0, 7, 8, 9)] == ["auto", "a", "b", None]
