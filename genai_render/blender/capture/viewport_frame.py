# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a 3D Viewport becomes the image: in pixels of the region, and as matrices."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ...core.framing import fit_view, ratio
from .camera import (
    camera_aspect,
    frame_of,
    of_view,
    projection_in_metres,
    render_shape,
    unit_metres,
    world_matrix,
)

if TYPE_CHECKING:
    from ...core.view.canvas import View

_MARGIN = 6  # pixels
_SAME_PIXELS = 3  # that two views of the same place may be apart, which numbers of 32 bits cause


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of a region, in pixels from its bottom left, and how it is seen.

    projection takes camera space to the clip space of the rectangle, not of the region.
    """

    x: float
    y: float
    width: float
    height: float
    view_matrix: Matrix
    projection: Matrix
    camera: str = ""

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def part(self, crop: tuple[float, ...], aspect: float) -> Frame:
        """A part of it (left, bottom, width and height, 0 to 1), and of that what fits in."""
        left, bottom, width, height = crop
        fit = fit_view(self.aspect * width / height, aspect, "crop")
        left += width * (1 - fit.scale_x) / 2
        bottom += height * (1 - fit.scale_y) / 2
        width, height = width * fit.scale_x, height * fit.scale_y
        matrix = _part_matrix((left, bottom), (left + width, bottom + height))
        return Frame(
            self.x + self.width * left,
            self.y + self.height * bottom,
            self.width * width,
            self.height * height,
            self.view_matrix,
            matrix @ self.projection,
            self.camera,
        )


def find_view(
    context: bpy.types.Context,
) -> tuple[bpy.types.Area, bpy.types.Region, bpy.types.SpaceView3D] | None:
    """The 3D Viewport that is meant: the one of the context, else the largest of the window.

    In quad view, its region is the one under the mouse if that is known, else the free one.
    """
    area = context.area
    if area is None or area.type != "VIEW_3D":
        window = context.window or next(iter(context.window_manager.windows), None)
        if window is None:
            return None
        views = [area for area in window.screen.areas if area.type == "VIEW_3D"]
        if not views:
            return None
        area = max(views, key=lambda one: one.width * one.height)
    regions = [region for region in area.regions if region.type == "WINDOW"]
    region = context.region
    if region is None or region not in regions:
        # The last of a quad view is the top right one: the user's own perspective.
        region = regions[-1]
    return area, region, area.spaces.active  # pyright: ignore[reportReturnType]


def region_data(
    space: bpy.types.SpaceView3D, area: bpy.types.Area, region: bpy.types.Region
) -> bpy.types.RegionView3D:
    """The view of one region: in quad view, each has its own."""
    if region.data is not None:
        return region.data  # pyright: ignore[reportReturnType]
    return space.region_3d


def aspect_of(
    context: bpy.types.Context,
    area: bpy.types.Area,
    region: bpy.types.Region,
    space: bpy.types.SpaceView3D,
    aspect: str | float,
) -> float:
    """Width to height of `frame`, without its matrices."""
    rv3d = region_data(space, area, region)
    if rv3d.view_perspective == "CAMERA" and _camera(context, space) is not None:
        return _ratio(aspect, camera_aspect(context.scene))
    left, bottom, right, top = _clear_frame(context, area, region)
    return _ratio(aspect, (right - left) / (top - bottom))


def frame(
    context: bpy.types.Context,
    area: bpy.types.Area,
    region: bpy.types.Region,
    space: bpy.types.SpaceView3D,
    aspect: str | float,
) -> Frame:
    """Where the image is in the region. Never squashed: in camera view, the camera's own frame
    with that aspect ratio; else the largest rectangle that nothing lies over.

    aspect: by name, or width over height.
    """
    rv3d = region_data(space, area, region)
    if rv3d.view_perspective == "CAMERA" and _camera(context, space) is not None:
        return _camera_frame(context, region, space, rv3d, aspect)
    left, bottom, right, top = _clear_frame(context, area, region)
    width, height = right - left, top - bottom
    wanted = _ratio(aspect, width / height)
    fit = fit_view(width / height, wanted, "crop")
    framed_width, framed_height = width * fit.scale_x, height * fit.scale_y
    x = left + (width - framed_width) / 2
    y = bottom + (height - framed_height) / 2
    part = _part_matrix(
        (x / region.width, y / region.height),
        ((x + framed_width) / region.width, (y + framed_height) / region.height),
    )
    return Frame(
        x, y, framed_width, framed_height, rv3d.view_matrix.copy(), part @ rv3d.window_matrix
    )


def wider(view: View, aspect: float, position: tuple[float, float], metres: float) -> Frame:
    """What a view would see in another shape, with more around what it saw.

    position: the share of what is added that is left of that, and above it. metres: how long a
    unit of the scene is.
    """
    world, seen = of_view(view, metres)
    projection = seen.fitted(aspect, "extend", position).projection()
    return Frame(*(0.0, 0.0, aspect, 1.0), world.inverted(), projection, view.camera)


def _ratio(aspect: str | float, auto: float) -> float:
    return ratio(aspect, auto) if isinstance(aspect, str) else aspect


def _camera(context: bpy.types.Context, space: bpy.types.SpaceView3D) -> bpy.types.Object | None:
    camera = space.camera if space.use_local_camera else context.scene.camera
    return camera if camera is not None and camera.type == "CAMERA" else None


def _camera_frame(
    context: bpy.types.Context,
    region: bpy.types.Region,
    space: bpy.types.SpaceView3D,
    rv3d: bpy.types.RegionView3D,
    aspect: str | float,
) -> Frame:
    camera = _camera(context, space)
    assert camera is not None
    # Not evaluated_depsgraph_get: this is asked while Blender draws, when nothing may be evaluated.
    depsgraph = context.view_layer.depsgraph
    evaluated = camera.evaluated_get(depsgraph)
    # The same frame as a capture without a window has, with shift, border and pixel aspect.
    framed = frame_of(evaluated, depsgraph, render_shape(context.scene.render))
    projection = framed.fitted(_ratio(aspect, framed.aspect), "extend").projection()
    # Where the camera's clip space lies in the region's: the same rays through another window.
    to_region = rv3d.window_matrix @ projection.inverted()
    corners = []
    for clip_x, clip_y in ((-1.0, -1.0), (1.0, 1.0)):
        point = to_region @ Vector((clip_x, clip_y, 0.0, 1.0))
        corners.append(
            (
                (point.x / point.w * 0.5 + 0.5) * region.width,
                (point.y / point.w * 0.5 + 0.5) * region.height,
            )
        )
    (left, bottom), (right, top) = corners
    matrix = evaluated.matrix_world.normalized()
    return Frame(
        left, bottom, right - left, top - bottom, matrix.inverted(), projection, camera.name
    )


def where_seen(
    context: bpy.types.Context,
    region: bpy.types.Region,
    rv3d: bpy.types.RegionView3D,
    view: View,
) -> tuple[float, float, float, float] | None:
    """Left, bottom, right and top of what a view shows, in pixels of the region; None if the region
    is looked into from another place, so that no rectangle of it shows the same.
    """
    metres = unit_metres(context.scene)
    to_world = np.array(view.camera_to_world, np.float64)
    to_world[:3, 3] /= metres
    projection = np.array(view.projection_matrix, np.float64)
    to_camera = np.diag([1 / metres] * 3 + [1.0]) @ np.linalg.inv(projection)
    to_region = np.array(rv3d.window_matrix, np.float64) @ np.array(rv3d.view_matrix, np.float64)
    middle = max(rv3d.view_distance, 1e-3) * metres
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    planes = []
    for depth in (middle, 4 * middle):
        _, _, z, w = projection @ (0.0, 0.0, -depth, 1.0)
        clip = np.column_stack((corners * w, np.full(4, z), np.full(4, w)))
        seen = clip @ to_camera.T @ to_world.T @ to_region.T
        if (seen[:, 3] <= 0).any():
            return None
        planes.append((seen[:, :2] / seen[:, 3:] * 0.5 + 0.5) * (region.width, region.height))
    near, far = planes
    left, bottom = near[0]
    right, top = near[2]
    straight = np.array([(left, bottom), (right, bottom), (right, top), (left, top)])
    if max(np.abs(near - far).max(), np.abs(near - straight).max()) > _SAME_PIXELS:
        return None
    return (left, bottom, right, top) if left < right and bottom < top else None


def _clear_frame(
    context: bpy.types.Context, area: bpy.types.Area, region: bpy.types.Region
) -> tuple[float, float, float, float]:
    """The clear part without a margin, so that all of the frame's edge is seen."""
    left, bottom, right, top = clear_part(area, region)
    margin = _MARGIN * context.preferences.system.ui_scale
    return left + margin, bottom + margin, right - margin, top - margin


def clear_part(area: bpy.types.Area, region: bpy.types.Region) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of the part that no header, toolbar or sidebar lies over."""
    left, bottom, right, top = 0.0, 0.0, float(region.width), float(region.height)
    quad = sum(1 for other in area.regions if other.type == "WINDOW") > 1
    if quad or not bpy.context.preferences.system.use_region_overlap:
        return left, bottom, right, top
    for other in area.regions:
        if other.type == "WINDOW" or other.width <= 1 or other.height <= 1:
            continue
        x, y = other.x - region.x, other.y - region.y
        if other.alignment == "LEFT" and x <= left + 1:
            left = max(left, x + other.width)
        elif other.alignment == "RIGHT" and x + other.width >= right - 1:
            right = min(right, x)
        elif other.alignment == "TOP":
            top = min(top, y)
        elif other.alignment == "BOTTOM":
            bottom = max(bottom, y + other.height)
    if right - left < 64 or top - bottom < 64:
        return 0.0, 0.0, float(region.width), float(region.height)
    return left, bottom, right, top


def _part_matrix(low: tuple[float, float], high: tuple[float, float]) -> Matrix:
    """What, put before a projection, makes a part of its picture (0 to 1) the whole of it."""
    width, height = high[0] - low[0], high[1] - low[1]
    matrix = Matrix.Identity(4)
    matrix[0][0], matrix[0][3] = 1 / width, -(low[0] + high[0] - 1) / width
    matrix[1][1], matrix[1][3] = 1 / height, -(low[1] + high[1] - 1) / height
    return matrix


def is_seen_by(context: bpy.types.Context, camera: bpy.types.Object, view: View) -> bool:
    """Whether a camera, where it is now, frames a view."""
    metres = unit_metres(context.scene)
    depsgraph = context.evaluated_depsgraph_get()
    evaluated = camera.evaluated_get(depsgraph)
    framed = frame_of(evaluated, depsgraph, render_shape(context.scene.render))
    projection = framed.fitted(view.aspect, "extend").projection()
    wanted = np.array(view.projection_matrix, np.float64)
    seen = np.array(projection_in_metres(projection, framed.perspective, metres), np.float64)
    place = np.array(view.camera_to_world, np.float64)
    place[:3, 3] /= metres
    here = np.array(world_matrix(evaluated), np.float64)
    # Where in the picture a ray goes; what is only about near and far does not matter.
    same_frame = np.allclose(seen[[0, 1, 3]], wanted[[0, 1, 3]], rtol=2e-3, atol=2e-3)
    return same_frame and np.allclose(here, place, rtol=1e-3, atol=1e-3)


def go_to(
    context: bpy.types.Context,
    area: bpy.types.Area,
    region: bpy.types.Region,
    space: bpy.types.SpaceView3D,
    view: View,
) -> None:
    """Turn a viewport to a view: to its camera where that is still in place, else freely, with
    the lens or the zoom that shows as much of the scene in the frame.
    """
    metres = unit_metres(context.scene)
    matrix = Matrix(view.camera_to_world)
    matrix.translation /= metres
    rv3d = region_data(space, area, region)
    camera = _camera(context, space)
    if view.camera and camera is not None and camera.name == view.camera:
        turned = camera.matrix_world.normalized()
        if all((turned[row] - matrix[row]).length < 1e-3 for row in range(4)):
            rv3d.view_perspective = "CAMERA"
            return
    rv3d.view_perspective = view.projection
    _turn(rv3d, matrix)
    # How much is seen depends on the size of the region, too: measure it, and mend it.
    seen = frame(context, area, region, space, view.aspect)
    wanted = view.projection_matrix[1][1] * (metres if view.projection == "ORTHO" else 1.0)
    scale = wanted / seen.projection[1][1]
    if view.projection == "ORTHO":
        rv3d.view_distance /= scale
        _turn(rv3d, matrix)
    elif abs(scale - 1) > 1e-3:
        space.lens *= scale


def _turn(rv3d: bpy.types.RegionView3D, matrix: Matrix) -> None:
    rv3d.view_matrix = matrix.inverted()
    rv3d.update()
