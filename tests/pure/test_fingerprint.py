# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture was made of: the same for the same, another for anything that is seen."""

from __future__ import annotations

from dataclasses import replace

from genai_render.core import fingerprint
from genai_render.core.request import RenderRequest
from tests.servers.client import canvas


def test_it_is_another_for_what_changes_the_picture_and_for_nothing_else() -> None:
    seen = canvas()
    request = RenderRequest(prompt="golden hour", canvas=seen, seed=1)
    known = fingerprint.of(request)
    for same in (
        request.with_(seed=2),
        request.with_(batch="night/1"),
        request.with_(canvas=replace(seen, view=replace(seen.view, frame=9))),
        request.with_(canvas=replace(seen, color=seen.color.copy())),
    ):
        assert fingerprint.of(same) == known
    depth = seen.depth.copy()
    depth[-1, -1] += 0.001
    for other in (
        request.with_(prompt="night"),
        request.with_(model="gpt-image-2"),
        request.with_(canvas=None),
        request.with_(canvas=replace(seen, depth=depth)),
    ):
        assert fingerprint.of(other) != known
