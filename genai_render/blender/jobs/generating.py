# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is prepared to a job: the view is captured at the size that was priced, and it goes
through the session's gate."""

# Blender's stubs do not know what a context always has here.
# pyright: reportArgumentType=false
from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import bpy

from ...core.errors import SceneError
from ..capture import missing_files, viewport, viewport_frame
from ..capture.camera import unit_metres
from . import request_builder, session
from .work import Place, Work

if TYPE_CHECKING:
    from ...core.preflight import Prepared


def generate(context: bpy.types.Context) -> Work:
    """Start what the panel shows. Raises a GenAIError that says why it cannot be."""
    prepared = request_builder.prepared(context)
    if prepared.problem is not None:  # a script may call what the button does not allow
        raise prepared.problem
    view = viewport_frame.find_view(context)
    if prepared.canvas_size is None:
        return submit(context, prepared)
    if view is None or bpy.app.background:
        raise SceneError(
            "There is no 3D Viewport to take the view from.",
            action="Open one, or use the command line.",
        )
    area, region, space = view
    frame = viewport_frame.frame(context, area, region, space, prepared.canvas_size.aspect)
    return _captured(context, prepared, view, frame)


def generate_wider(
    context: bpy.types.Context, item_id: str, aspect: str, position: tuple[float, float]
) -> Work:
    """Make an image of History again, with more of the scene around its view.

    position: where in the new frame the old one lies. Raises what stands against it.
    """
    prepared = request_builder.wider(item_id, aspect)
    if prepared.problem is not None:
        raise prepared.problem
    view = viewport_frame.find_view(context)
    if view is None or bpy.app.background:
        raise SceneError(
            "There is no 3D Viewport to take the view from.",
            action="Open one, or use the command line.",
        )
    canvas = session.session().store.canvas(item_id)
    assert canvas is not None, "it was checked"
    assert prepared.canvas_size is not None, "it was checked"
    frame = viewport_frame.wider(
        canvas.view, prepared.canvas_size.aspect, position, unit_metres(context.scene)
    )
    return _captured(context, prepared, view, frame)


def _captured(
    context: bpy.types.Context,
    prepared: Prepared,
    view: tuple[bpy.types.Area, bpy.types.Region, bpy.types.SpaceView3D],
    frame: viewport_frame.Frame,
) -> Work:
    """Draw what is in the frame, and send it."""
    area, region, space = view
    size = prepared.canvas_size
    assert size is not None, "it was checked"
    with context.temp_override(area=area, region=region):
        drawn = viewport.draw(bpy.context, space, region, frame, size, ids=True)
    request = prepared.request
    if not drawn.anything and not (request is not None and request.references):
        raise SceneError(
            "There is nothing in the view.", action="Turn it to your objects, or show them."
        )
    to_canvas = functools.partial(
        viewport.to_canvas,
        drawn,
        metres=unit_metres(context.scene),
        notices=tuple(missing_files.notices(context.scene)),
    )
    return session.session().submit(prepared, place_of(context), to_canvas, prepared.notices)


def submit(context: bpy.types.Context, prepared: Prepared) -> Work:
    """Start what needs no view captured. Raises what stands against it."""
    return session.session().submit(prepared, place_of(context), said=prepared.notices)


def place_of(context: bpy.types.Context) -> Place | None:
    """The viewport that is meant, where a result will be shown; None if there is none."""
    view = viewport_frame.find_view(context)
    if view is None:
        return None
    area, region, space = view
    matrix = viewport_frame.region_data(space, area, region).view_matrix
    return Place(
        space.as_pointer(),
        region.as_pointer(),
        context.scene.session_uid,
        tuple(value for row in matrix for value in row),
    )
