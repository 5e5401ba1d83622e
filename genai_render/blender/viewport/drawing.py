# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over a 3D Viewport is drawn with: pictures, boxes, lines and words, in pixels."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false
from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import bpy
from mathutils import Matrix

from .. import addon

Rectangle = tuple[float, float, float, float]
"""Left, bottom, right and top."""
Color = tuple[float, float, float, float]


@contextlib.contextmanager
def pixels(region: bpy.types.Region) -> Iterator[None]:
    """Coordinates in pixels of the region, with nothing of the scene in the way."""
    import gpu

    with gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
        gpu.matrix.load_identity()
        matrix = Matrix.Diagonal((2 / region.width, 2 / region.height, -1.0, 1.0))
        matrix[0][3] = matrix[1][3] = -1.0
        gpu.matrix.load_projection_matrix(matrix)
        gpu.state.depth_test_set("NONE")
        gpu.state.depth_mask_set(False)
        yield


def picture(texture: Any, box: Rectangle, part: float, opacity: float) -> None:
    """The left part (0 to 1) of a picture in a box."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    left, bottom, right, top = box
    edge = left + (right - left) * part
    shader = addon.state(_PictureShader).shader
    batch = batch_for_shader(
        shader,
        "TRI_FAN",
        {
            "position": ((left, bottom), (edge, bottom), (edge, top), (left, top)),
            "corner": ((0, 0), (part, 0), (part, 1), (0, 1)),
        },
    )
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float(
        "pixelToClip", gpu.matrix.get_projection_matrix() @ gpu.matrix.get_model_view_matrix()
    )
    shader.uniform_float("opacity", opacity)
    shader.uniform_sampler("picture", texture)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


# What is drawn here is taken for linear light and encoded when it is stored; a picture is encoded
# already. Blender's own image shaders leave it so, and it would look washed out.
PICTURE_VERTEX = """
void main() {
  place = corner;
  gl_Position = pixelToClip * vec4(position, 0.0, 1.0);
}
"""
_PICTURE_FRAGMENT = """
void main() {
  vec4 color = texture(picture, place);
  vec3 dark = color.rgb / 12.92;
  vec3 bright = pow((color.rgb + 0.055) / 1.055, vec3(2.4));
  result = vec4(mix(dark, bright, step(0.04045, color.rgb)), color.a * opacity);
}
"""


class _PictureShader:
    """Made when it is first drawn with, by the GPU that there is then."""

    def __init__(self) -> None:
        import gpu

        between = gpu.types.GPUStageInterfaceInfo("genai_render_picture")
        between.smooth("VEC2", "place")
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "pixelToClip")
        info.push_constant("FLOAT", "opacity")
        info.sampler(0, "FLOAT_2D", "picture")
        info.vertex_in(0, "VEC2", "position")
        info.vertex_in(1, "VEC2", "corner")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "result")
        info.vertex_source(PICTURE_VERTEX)
        info.fragment_source(_PICTURE_FRAGMENT)
        self.shader = gpu.shader.create_from_info(info)

    def close(self) -> None:
        pass


def shade_outside(region: Any, box: Rectangle, strength: float) -> None:
    left, bottom, right, top = box
    width, height = region.width, region.height
    for one in (
        (0, 0, left, height),
        (right, 0, width, height),
        (left, 0, right, bottom),
        (left, top, right, height),
    ):
        if one[2] > one[0] and one[3] > one[1]:
            fill(one, (0.0, 0.0, 0.0, strength))


def fill(box: Sequence[float], color: Color) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    left, bottom, right, top = box
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    places = ((left, bottom), (right, bottom), (right, top), (left, top))
    batch = batch_for_shader(shader, "TRI_FAN", {"pos": places})
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float("color", color)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def outline(box: Rectangle, color: Color) -> None:
    left, bottom, right, top = box
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    lines(corners, color, 1.0)


def lines(places: list[tuple[float, float]], color: Color, width: float) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": [(x, y, 0.0) for x, y in places]})
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", width * bpy.context.preferences.system.pixel_size)
    shader.uniform_float("color", color)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def handle(x: float, y: float, strength: float) -> None:
    """The grip of the wipe's edge."""
    scale = bpy.context.preferences.system.ui_scale
    half = 10 * scale
    fill((x - half, y - half, x + half, y + half), (0.1, 0.1, 0.1, 0.7 * strength))
    for side in (-1, 1):
        tip = (x + side * half * 0.7, y)
        back = x + side * half * 0.25
        points = [(back, y + half * 0.5), tip, (back, y - half * 0.5)]
        lines(points, (1.0, 1.0, 1.0, strength), 1.5)


def label(x: float, y: float, text: str) -> None:
    import blf

    scale = bpy.context.preferences.system.ui_scale
    blf.size(0, 12 * scale)
    blf.enable(0, blf.SHADOW)
    blf.shadow(0, 3, 0.0, 0.0, 0.0, 0.9)
    blf.color(0, 1.0, 1.0, 1.0, 0.9)
    blf.position(0, x, y, 0)
    blf.draw(0, text)
    blf.disable(0, blf.SHADOW)


def width_of(text: str) -> float:
    """Of what `label` would draw."""
    import blf

    blf.size(0, 12 * bpy.context.preferences.system.ui_scale)
    return blf.dimensions(0, text)[0]


def badge(box: Rectangle, text: str, strength: float) -> None:
    """A button with words."""
    fill(box, (0.1, 0.1, 0.1, 0.6 + 0.3 * strength))
    outline(box, (1.0, 1.0, 1.0, 0.25 + 0.5 * strength))
    left = (box[0] + box[2] - width_of(text)) / 2
    label(left, (box[1] + box[3]) / 2 - 4 * bpy.context.preferences.system.ui_scale, text)
