# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera of the scene frames, fitted into a picture of any aspect ratio.

The picture's pixels are square. The camera's frame keeps its shape (its pixel aspect and the
region it is cropped to are part of that); the rest of the picture shows more around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import bpy
from mathutils import Matrix

from ...core.errors import SceneError
from ...core.framing import fit_view

if TYPE_CHECKING:
    from ...core.view.canvas import Matrix4, View

FULL_FRAME_MM = 36.0


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """A rectangle that is looked through: at distance 1 (perspective), or everywhere (ortho).

    In Blender units; x to the right, y up, the camera's axis at 0, 0.
    """

    width: float
    height: float
    center_x: float
    center_y: float
    perspective: bool
    near: float
    far: float

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def projection(self) -> Matrix:
        """Camera space to OpenGL's clip space."""
        x, y = 2 / self.width, 2 / self.height
        near, far = self.near, self.far
        if self.perspective:
            return Matrix(
                (
                    (x, 0, x * self.center_x, 0),
                    (0, y, y * self.center_y, 0),
                    (0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)),
                    (0, 0, -1, 0),
                )
            )
        return Matrix(
            (
                (x, 0, 0, -x * self.center_x),
                (0, y, 0, -y * self.center_y),
                (0, 0, -2 / (far - near), -(far + near) / (far - near)),
                (0, 0, 0, 1),
            )
        )

    def fitted(
        self,
        aspect: float,
        how: Literal["extend", "crop"],
        position: tuple[float, float] = (0.5, 0.5),
    ) -> CameraFrame:
        """This frame, with more around it (or less of it), in another aspect ratio.

        position: the share of what is added that is left of it, and above it.
        """
        framing = fit_view(self.aspect, aspect, how)
        width = self.width * framing.scale_x
        # The width decides: no rounding may squash the picture.
        height = width / aspect
        return CameraFrame(
            width,
            height,
            self.center_x + (width - self.width) * (0.5 - position[0]),
            self.center_y + (height - self.height) * (position[1] - 0.5),
            self.perspective,
            self.near,
            self.far,
        )

    def part(self, left: float, bottom: float, width: float, height: float) -> CameraFrame:
        """A part of it, 0 to 1."""
        return CameraFrame(
            self.width * width,
            self.height * height,
            self.center_x + self.width * (left + width / 2 - 0.5),
            self.center_y + self.height * (bottom + height / 2 - 0.5),
            self.perspective,
            self.near,
            self.far,
        )


def check_camera(camera: bpy.types.Object) -> bpy.types.Camera | None:
    """The camera's data. Raises SceneError for a kind that has no flat picture plane.

    None where a scene looks through another thing, as Blender allows: a lamp, an empty, a mesh.
    """
    data = camera.data
    if not isinstance(data, bpy.types.Camera):
        return None
    if data.type not in ("PERSP", "ORTHO"):
        kind = "panoramic" if data.type == "PANO" else "custom"
        raise SceneError(
            f'The camera "{camera.name}" is {kind}, which cannot be captured.',
            "Depth and normals need a flat picture.",
            "Set its Lens Type to Perspective or Orthographic, or choose another camera.",
        )
    return data


def region(render: bpy.types.RenderSettings) -> tuple[float, float, float, float]:
    """The part of the camera's frame that a render gives: left, right, bottom, top, 0 to 1.

    A render region alone is a way to test a part of a picture: all of it is captured. With "Crop
    to Render Region" the region is the picture.
    """
    if render.use_border and render.use_crop_to_border:
        left, right = render.border_min_x, render.border_max_x
        bottom, top = render.border_min_y, render.border_max_y
        if right - left > 1e-6 and top - bottom > 1e-6:
            return left, right, bottom, top
    return 0.0, 1.0, 0.0, 1.0


@dataclass(frozen=True, slots=True)
class RenderShape:
    """What of the render settings decides on a camera's frame. region: see `region`."""

    width: int
    height: int
    pixel_width: float
    pixel_height: float
    region: tuple[float, float, float, float]


def render_shape(render: bpy.types.RenderSettings) -> RenderShape:
    return RenderShape(
        render.resolution_x,
        render.resolution_y,
        render.pixel_aspect_x,
        render.pixel_aspect_y,
        region(render),
    )


def camera_aspect(scene: bpy.types.Scene) -> float:
    """Width over height of what the scene's cameras frame, as a viewer sees it."""
    shape = render_shape(scene.render)
    left, right, bottom, top = shape.region
    width = shape.width * shape.pixel_width * (right - left)
    height = shape.height * shape.pixel_height * (top - bottom)
    return width / height


def frame_of(
    camera: bpy.types.Object, depsgraph: bpy.types.Depsgraph, shape: RenderShape
) -> CameraFrame:
    """What the (evaluated) camera, or what stands for one, frames with these render settings."""
    data = camera.data
    seen = camera.calc_matrix_camera(
        depsgraph,
        x=shape.width,
        y=shape.height,
        scale_x=shape.pixel_width,
        scale_y=shape.pixel_height,
    )
    if isinstance(data, bpy.types.Camera):
        perspective, near, far = data.type == "PERSP", data.clip_start, data.clip_end
    else:  # only Blender knows them: from the third row of `CameraFrame.projection`
        perspective = True
        near, far = seen[2][3] / (seen[2][2] - 1), seen[2][3] / (seen[2][2] + 1)
    width, height = 2 / seen[0][0], 2 / seen[1][1]
    if perspective:
        center_x, center_y = seen[0][2] / seen[0][0], seen[1][2] / seen[1][1]
    else:
        center_x, center_y = -seen[0][3] / seen[0][0], -seen[1][3] / seen[1][1]
    left, right, bottom, top = shape.region
    return CameraFrame(
        width * (right - left),
        height * (top - bottom),
        center_x + width * ((left + right) / 2 - 0.5),
        center_y + height * ((bottom + top) / 2 - 0.5),
        perspective,
        near,
        far,
    )


def look_through(data: bpy.types.Camera, frame: CameraFrame, lens: float) -> None:
    """Set up a camera so that its picture, with square pixels, is exactly this frame."""
    data.clip_start, data.clip_end = frame.near, frame.far
    data.sensor_fit = "HORIZONTAL"
    if frame.perspective:
        data.type = "PERSP"
        # Blender allows no sensor and no lens below 1 mm.
        sensor = frame.width * lens
        grown = max(1.0, 1.0 / lens, 1.0 / sensor)
        data.lens, data.sensor_width = lens * grown, sensor * grown
    else:
        data.type = "ORTHO"
        data.sensor_width = FULL_FRAME_MM
        data.ortho_scale = frame.width
    data.shift_x = frame.center_x / frame.width
    data.shift_y = frame.center_y / frame.width


def world_matrix(camera: bpy.types.Object) -> Matrix:
    """Camera space to world, in Blender units: a camera's scale means nothing to it."""
    matrix = camera.matrix_world.copy()
    for column in range(3):
        matrix.col[column] = matrix.col[column].normalized()  # pyright: ignore[reportIndexIssue]
    return matrix


def unit_metres(scene: bpy.types.Scene) -> float:
    """How many metres one Blender unit is."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else units.scale_length


def projection_in_metres(seen: Matrix, perspective: bool, metres: float) -> Matrix4:
    """A projection matrix for camera space in Blender units, as one for camera space in metres."""
    if metres == 1.0:
        return rows(seen)
    scaled = seen @ Matrix.Diagonal((1 / metres, 1 / metres, 1 / metres, 1.0))
    return rows(scaled * metres if perspective else scaled)


def of_view(view: View, metres: float) -> tuple[Matrix, CameraFrame]:
    """Where a view is seen from and what it frames, in Blender units."""
    world = Matrix(view.camera_to_world)
    world.translation /= metres
    seen = view.projection_matrix
    perspective = view.projection == "PERSP"
    width, height = 2 / seen[0][0], 2 / seen[1][1]
    if perspective:
        center_x, center_y = seen[0][2] / seen[0][0], seen[1][2] / seen[1][1]
    else:
        width, height = width / metres, height / metres
        center_x, center_y = (-seen[i][3] / seen[i][i] / metres for i in (0, 1))
    frame = CameraFrame(
        width, height, center_x, center_y, perspective, view.near / metres, view.far / metres
    )
    return world, frame


def rows(matrix: Matrix) -> Matrix4:
    return tuple((row[0], row[1], row[2], row[3]) for row in matrix)
