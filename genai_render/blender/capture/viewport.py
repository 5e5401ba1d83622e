# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour, depth and normals of a 3D Viewport as it is, at any size, drawn by the GPU.

`draw` does what has to be done on the main thread: one draw of the view for colour and depth (two
in the modes that EEVEE draws), one of the evaluated meshes for exact normals, and the reading.
`to_canvas` makes a Canvas of it, and may run anywhere.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false
from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import bpy
from mathutils import Matrix

from ...core import lazy
from ...core.errors import SceneError
from ...core.framing import Size
from ...core.view.canvas import Canvas, View
from .. import addon
from .camera import FULL_FRAME_MM
from .drawn_ids import SAMPLES, DrawnIds, IdsShader, Surfaces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .viewport_frame import Frame
else:
    np = lazy.module("numpy")

_MESHES = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
_BAND = 256  # rows that are developed at a time
_MATCH = 2e-3  # how far a depth of ours may be from the view's, relative, to be the same surface

_VERTEX = """
void main() {
  vec4 seen = modelView * vec4(position, 1.0);
  ahead = -seen.z;
  facing = transpose(inverse(mat3(modelView))) * normal;
  gl_Position = modelViewProjection * vec4(position, 1.0);
}
"""
_FRAGMENT = """
void main() {
  vec3 outward = normalize(facing);
  result = vec4(gl_FrontFacing ? outward : -outward, ahead);
}
"""


@dataclass(slots=True)
class Drawn:
    """What the GPU gave: not a Canvas yet, and nothing of Blender's any more. Row 0 at the bottom.

    color: (H, W, 4) uint8 as the viewport shows it. depth: (H, W) float32, 0 to 1.
    normal: (H, W, 4) float32, camera space and metres ahead, 0 where no mesh of ours is; or None.
    ids: which surface of a mesh each pixel shows, or None.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    normal: NDArray[np.float32] | None
    projection: NDArray[np.float64]
    view: View
    ids: DrawnIds | None = None

    @property
    def anything(self) -> bool:
        """Whether there is a surface."""
        return bool(self.depth.min() < 1.0)


def draw(
    context: bpy.types.Context,
    space: bpy.types.SpaceView3D,
    region: bpy.types.Region,
    frame: Frame,
    size: Size,
    normals: bool = True,
    color: bool = True,
    depth: bool = True,
    geometry: Geometry | None = None,
    ids: bool = False,
) -> Drawn:
    """Draw the part of the view in the frame at that size. Changes nothing that the user sees.

    normals, color, depth: False leaves out the draws that are for these alone, where nobody looks
    at them. What stands in their place means nothing; without color, it is as in Solid mode.
    geometry: the meshes, if they are kept; without, they are looked up.
    ids: with which object each pixel shows, which takes the normals, too; of meshes that are
        kept, what they were made for counts.
    Raises SceneError where the GPU cannot do it.
    """
    limit = _largest_side()
    columns, rows = math.ceil(size.width / limit), math.ceil(size.height / limit)
    colors = np.empty((size.height, size.width, 4), np.uint8)
    depths = np.empty((size.height, size.width), np.float32)
    normal = np.empty((size.height, size.width, 4), np.float32) if normals else None
    if normals and geometry is None:
        geometry = Geometry(context, space, ids)
    shading = _shading_of(context, space) if color else "SOLID"
    samples = None
    if geometry is not None and geometry.surfaces is not None:
        samples = np.empty((len(SAMPLES), size.height, size.width), np.uint32)
    with _clean_view(space):
        for column in range(columns):
            for row in range(rows):
                left, right = (size.width * (column + i) // columns for i in (0, 1))
                bottom, top = (size.height * (row + i) // rows for i in (0, 1))
                tile = Size(right - left, top - bottom)
                projection = _tile(frame.projection, size, left, bottom, tile)
                part = slice(bottom, top), slice(left, right)
                view = context, space, region, frame.view_matrix, projection, tile
                with _shaded(space, shading):
                    colors[part], depths[part] = _draw_view(*view)
                if depth and shading != "SOLID":  # EEVEE leaves no depth behind
                    with _shaded(space, "SOLID"):
                        depths[part] = _draw_view(*view)[1]
                if normal is not None and geometry is not None:
                    normal[part] = geometry.draw(frame.view_matrix, projection, tile)
                    if samples is not None:
                        drawn = geometry.draw_ids(frame.view_matrix, projection, tile)
                        samples[(slice(None), *part)] = drawn
    return Drawn(
        colors,
        depths,
        normal,
        np.array(frame.projection, np.float64),
        _describe(context, space, frame, size),
        None if samples is None else _named(geometry, samples),
    )


def to_canvas(
    drawn: Drawn, normals: bool = True, metres: float = 1.0, notices: tuple[str, ...] = ()
) -> Canvas:
    """The Canvas of what was drawn. Touches nothing of Blender's.

    normals: False leaves them at zero, where nobody looks at them.
    metres: how long one unit of what was drawn is.
    notices: what is known of the scene besides.
    """
    color = np.ascontiguousarray(drawn.color[::-1])
    depth = np.ascontiguousarray(drawn.depth[::-1])
    normal = np.zeros((*depth.shape, 3), np.float32)
    # In bands: a picture of 8K at once would take gigabytes for what is between.
    bands = [slice(top, top + _BAND) for top in range(0, len(depth), _BAND)]
    for rows in bands:
        _straighten(color[rows], drawn.view.engine)
        covered = depth[rows] < 1.0
        depth[rows] = np.where(covered, _metres(depth[rows], drawn.projection), np.inf)
    for rows in bands:
        ours = None if drawn.normal is None else drawn.normal[::-1][rows]
        _put_normals(normal, depth, rows, ours, drawn.projection, normals)
    ids = None
    if drawn.ids is not None and drawn.normal is not None:
        # Where something lies before our meshes, such as hair, nobody knows what it is.
        with np.errstate(invalid="ignore"):
            ahead = drawn.normal[::-1, :, 3]
            ids = drawn.ids.ids(hidden=depth < ahead * (1 - _MATCH))
    depth, view = _in_front(depth, drawn.view)
    if metres != 1.0:
        depth, view = depth * np.float32(metres), _scaled(view, metres)
    return Canvas(color, depth, normal, view, notices=notices, ids=ids)


def _straighten(color: NDArray[np.uint8], engine: str) -> None:
    """Undo, in place, that colours were multiplied by their alpha."""
    alpha = color[..., 3]
    edge = (alpha > 0) & (alpha < 255)
    if not edge.any():
        return
    part = color[edge].astype(np.float32)
    # EEVEE's light was multiplied by alpha before it became colours for a display, which
    # bends it about like this (exactly: like the view transform).
    power = 0.4 if engine in ("MATERIAL", "RENDERED") else 1.0
    part[:, :3] = np.minimum(part[:, :3] * (255 / part[:, 3:]) ** power, 255)
    color[edge] = (part + 0.5).astype(np.uint8)


def _put_normals(
    normal: NDArray[np.float32],
    depth: NDArray[np.float32],
    rows: slice,
    ours: NDArray[np.float32] | None,
    projection: NDArray[np.float64],
    fill: bool,
) -> None:
    """Fill a band of normals: with ours where they are of the surface that is seen; elsewhere,
    if `fill`, from how the depth changes.
    """
    here = depth[rows]
    missing = np.isfinite(here)
    if ours is not None:
        with np.errstate(invalid="ignore"):
            same = np.abs(ours[..., 3] - here) <= _MATCH * np.abs(here)
        known = missing & ours[..., :3].any(-1) & same
        normal[rows][known] = ours[known][:, :3]
        missing &= ~known
    if fill and missing.any():
        found = _normals_from_depth(depth, projection, rows)
        normal[rows][missing] = found[missing]


def _scaled(view: View, metres: float) -> View:
    """A view in other units, in metres."""
    world = np.array(view.camera_to_world)
    world[:3, 3] *= metres
    # From metres back to the units that the matrix is made for, before anything else.
    projection = np.array(view.projection_matrix) @ np.diag([1 / metres] * 3 + [1.0])
    if view.projection == "PERSP":
        projection *= metres  # the same picture, with w in metres again
    focus = view.focus_distance
    return replace(
        view,
        camera_to_world=_rows(world),
        projection_matrix=_rows(projection),
        near=view.near * metres,
        far=view.far * metres,
        focus_distance=None if focus is None else focus * metres,
    )


def _in_front(depth: NDArray[np.float32], view: View) -> tuple[NDArray[np.float32], View]:
    """The same view from so far back that all of it is ahead: an orthographic viewport sees what
    is behind it, too.
    """
    nearest = float(depth.min(initial=np.inf))
    if view.projection != "ORTHO" or not math.isfinite(nearest) or nearest > 0:
        return depth, view
    back = 2 / view.projection_matrix[1][1] - nearest  # as far as the view is high
    matrix = np.array(view.camera_to_world)
    matrix[:3, 3] += matrix[:3, 2] * back
    projection = np.array(view.projection_matrix)
    projection[2, 3] += projection[2, 2] * back
    moved = replace(
        view,
        camera_to_world=_rows(matrix),
        projection_matrix=_rows(projection),
        near=view.near + back,
        far=view.far + back,
    )
    return depth + np.float32(back), moved


def _largest_side() -> int:
    import gpu

    return max(256, min(4096, gpu.capabilities.max_texture_size_get()))


def _tile(projection: Matrix, size: Size, left: int, bottom: int, tile: Size) -> Matrix:
    matrix = Matrix.Identity(4)
    matrix[0][0] = size.width / tile.width
    matrix[0][3] = (size.width - 2 * left - tile.width) / tile.width
    matrix[1][1] = size.height / tile.height
    matrix[1][3] = (size.height - 2 * bottom - tile.height) / tile.height
    return matrix @ projection


_OWN_ENGINES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")


def is_rendered_elsewhere(context: bpy.types.Context, space: bpy.types.SpaceView3D) -> bool:
    """Whether the viewport shows what an engine such as Cycles renders bit by bit, which it does
    for the window only, never for us.
    """
    return space.shading.type == "RENDERED" and context.scene.render.engine not in _OWN_ENGINES


def is_drawn_by_eevee(context: bpy.types.Context, space: bpy.types.SpaceView3D) -> bool:
    """Whether to draw it once more would take a second EEVEE, with Blender waiting for it."""
    if space.shading.type == "RENDERED":
        return context.scene.render.engine in ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT")
    return space.shading.type == "MATERIAL"


def _shading_of(context: bpy.types.Context, space: bpy.types.SpaceView3D) -> str:
    """What is drawn for colour: the viewport's own mode, or the nearest that can be drawn."""
    if space.shading.type == "WIREFRAME":
        return "SOLID"
    return "MATERIAL" if is_rendered_elsewhere(context, space) else space.shading.type


@contextlib.contextmanager
def _clean_view(space: bpy.types.SpaceView3D) -> Iterator[None]:
    """Without overlays and gizmos; the user's settings are back afterwards."""
    with _put((space.overlay, "show_overlays", False), (space, "show_gizmo", False)):
        yield


@contextlib.contextmanager
def _shaded(space: bpy.types.SpaceView3D, type: str) -> Iterator[None]:
    """In a shading mode, without see-through; as it was afterwards."""
    shading = space.shading
    values: list[tuple[Any, str, Any]] = []
    if type == "SOLID":
        values = [(shading, "type", type), (shading, "show_xray", False)]
    elif type != shading.type:  # Material Preview instead of a render: with the render's light
        lit = ("use_scene_lights", "use_scene_world")
        values = [(shading, "type", type), *((shading, name, True) for name in lit)]
    with _put(*values):
        yield


@contextlib.contextmanager
def _put(*values: tuple[Any, str, Any]) -> Iterator[None]:
    """Set properties (owner, name, value) in that order, and back."""
    kept: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, value in values:
            before = getattr(owner, name)
            if before != value:
                kept.append((owner, name, before))
                setattr(owner, name, value)
        yield
    finally:
        for owner, name, before in reversed(kept):
            setattr(owner, name, before)


def _draw_view(
    context: bpy.types.Context,
    space: bpy.types.SpaceView3D,
    region: bpy.types.Region,
    view_matrix: Matrix,
    projection: Matrix,
    size: Size,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    import gpu

    offscreen = _offscreen(size, "RGBA8")
    try:
        offscreen.draw_view3d(
            context.scene,
            context.view_layer,
            space,
            region,
            view_matrix,
            projection,
            do_color_management=True,
            draw_background=False,
        )
        with offscreen.bind():
            framebuffer = gpu.state.active_framebuffer_get()
            color = framebuffer.read_color(0, 0, size.width, size.height, 4, 0, "UBYTE")
            depth = framebuffer.read_depth(0, 0, size.width, size.height)
    finally:
        offscreen.free()
    return (
        _array(color, np.uint8).reshape(size.height, size.width, 4),
        _array(depth, np.float32).reshape(size.height, size.width),
    )


def _offscreen(size: Size, format: str) -> Any:
    import gpu

    try:
        return gpu.types.GPUOffScreen(size.width, size.height, format=format)
    except (RuntimeError, MemoryError) as error:
        raise SceneError(
            "The graphics card cannot draw the view at that size.",
            f"({error})",
            "Choose a lower resolution.",
        ) from error


def _array(buffer: Any, dtype: type) -> NDArray[Any]:
    # A buffer of one dimension is copied as a block; of several, element by element.
    buffer.dimensions = math.prod(buffer.dimensions)
    return np.array(buffer, dtype=dtype)


class Geometry:
    """The evaluated meshes of the view as they are now, drawn as normals in floats.

    It holds them on the graphics card: to be kept as long as the scene does not change.
    ids: whether it is to be asked which object each pixel shows.
    """

    def __init__(
        self, context: bpy.types.Context, space: bpy.types.SpaceView3D, ids: bool = False
    ) -> None:
        self._things: list[tuple[Any, Matrix, int, int]] = []
        self.surfaces = Surfaces(context.scene) if ids else None
        batches: dict[int, Any] = {}
        depsgraph = context.evaluated_depsgraph_get()
        for instance in depsgraph.object_instances:
            thing = instance.object
            if thing.type not in _MESHES or not instance.show_self:
                continue
            owner = instance.parent if instance.is_instance else thing
            if owner is None or not owner.original.visible_in_viewport_get(space):
                continue
            if thing.display_type in ("WIRE", "BOUNDS"):
                continue
            key = thing.data.as_pointer() if thing.type == "MESH" else thing.as_pointer()
            if key not in batches:
                batches[key] = _batch(thing, ids)
            if batches[key] is not None:
                first, slots = 0, 0
                if self.surfaces is not None:
                    instancer = owner if instance.is_instance else None
                    first, slots = self.surfaces.of(thing, instancer)
                matrix = instance.matrix_world.copy()
                self._things.append((batches[key], matrix, first, slots))

    def draw(self, view_matrix: Matrix, projection: Matrix, size: Size) -> NDArray[np.float32]:
        import gpu

        offscreen = _offscreen(size, "RGBA32F")
        shader = addon.state(_NormalShader).shader
        try:
            with offscreen.bind():
                framebuffer = gpu.state.active_framebuffer_get()
                framebuffer.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
                gpu.state.depth_test_set("LESS_EQUAL")
                gpu.state.depth_mask_set(True)
                gpu.state.face_culling_set("NONE")
                gpu.state.blend_set("NONE")
                for batch, matrix, *_ in self._things:
                    seen = view_matrix @ matrix
                    gpu.state.front_facing_set(seen.is_negative)
                    shader.bind()
                    shader.uniform_float("modelView", seen)
                    shader.uniform_float("modelViewProjection", projection @ seen)
                    batch.draw(shader)
                gpu.state.front_facing_set(False)
                gpu.state.depth_test_set("NONE")
                gpu.state.depth_mask_set(False)
                pixels = framebuffer.read_color(0, 0, size.width, size.height, 4, 0, "FLOAT")
        finally:
            offscreen.free()
        return _array(pixels, np.float32).reshape(size.height, size.width, 4)

    def draw_ids(self, view_matrix: Matrix, projection: Matrix, size: Size) -> NDArray[np.uint32]:
        """(SAMPLES, H, W): the number of the surface at each of these places of a pixel."""
        import gpu

        offscreen = _offscreen(size, "RGBA8")
        shader = addon.state(IdsShader).shader
        out = np.empty((len(SAMPLES), size.height, size.width), np.uint32)
        try:
            with offscreen.bind():
                framebuffer = gpu.state.active_framebuffer_get()
                for place, (x, y) in enumerate(SAMPLES):
                    moved = Matrix.Identity(4)
                    moved[0][3], moved[1][3] = -2 * x / size.width, -2 * y / size.height
                    framebuffer.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
                    gpu.state.depth_test_set("LESS_EQUAL")
                    gpu.state.depth_mask_set(True)
                    gpu.state.face_culling_set("NONE")
                    gpu.state.blend_set("NONE")
                    shader.bind()
                    for batch, matrix, first, slots in self._things:
                        seen = moved @ projection @ view_matrix @ matrix
                        shader.uniform_float("modelViewProjection", seen)
                        shader.uniform_float("first", float(first))
                        shader.uniform_float("last", float(first + slots - 1))
                        batch.draw(shader)
                    gpu.state.depth_test_set("NONE")
                    gpu.state.depth_mask_set(False)
                    color = framebuffer.read_color(0, 0, size.width, size.height, 4, 0, "UBYTE")
                    # Red, green and blue are the bytes of the number, the lowest first.
                    numbers = _array(color, np.uint8).view("<u4") & 0xFFFFFF
                    out[place] = numbers.reshape(size.height, size.width)
        finally:
            offscreen.free()
        return out


def _named(geometry: Geometry | None, samples: NDArray[np.uint32]) -> DrawnIds | None:
    if geometry is None or geometry.surfaces is None:
        return None
    return geometry.surfaces.named(samples)


def _batch(thing: bpy.types.Object, ids: bool) -> Any:
    """All triangles of an evaluated object with the normal of each corner; None if it has none.

    ids: with the slot of its material, too.
    """
    import gpu

    mesh = thing.data if thing.type == "MESH" else thing.to_mesh()
    if mesh is None:
        return None
    try:
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        if count == 0:
            return None
        vertices, corners = np.empty(count * 3, np.int32), np.empty(count * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", vertices)
        mesh.loop_triangles.foreach_get("loops", corners)
        places = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", places)
        slots = np.empty(count, np.int32)
        if ids:
            mesh.loop_triangles.foreach_get("material_index", slots)
        facing = np.empty(len(mesh.corner_normals) * 3, np.float32)
        mesh.corner_normals.foreach_get("vector", facing)
    finally:
        if thing.type != "MESH":
            thing.to_mesh_clear()
    form = gpu.types.GPUVertFormat()
    form.attr_add(id="position", comp_type="F32", len=3, fetch_mode="FLOAT")
    form.attr_add(id="normal", comp_type="F32", len=3, fetch_mode="FLOAT")
    if ids:
        form.attr_add(id="slot", comp_type="F32", len=1, fetch_mode="FLOAT")
    buffer = gpu.types.GPUVertBuf(form, count * 3)
    buffer.attr_fill("position", np.ascontiguousarray(places.reshape(-1, 3)[vertices]))
    buffer.attr_fill("normal", np.ascontiguousarray(facing.reshape(-1, 3)[corners]))
    if ids:
        buffer.attr_fill("slot", np.repeat(slots.astype(np.float32), 3))
    return gpu.types.GPUBatch(type="TRIS", buf=buffer)


class _NormalShader:
    """Made when it is first drawn with, by the GPU that there is then."""

    def __init__(self) -> None:
        import gpu

        between = gpu.types.GPUStageInterfaceInfo("genai_render_normals")
        between.smooth("VEC3", "facing")
        between.smooth("FLOAT", "ahead")
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "modelViewProjection")
        info.push_constant("MAT4", "modelView")
        info.vertex_in(0, "VEC3", "position")
        info.vertex_in(1, "VEC3", "normal")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "result")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        self.shader = gpu.shader.create_from_info(info)

    def close(self) -> None:
        pass


def _metres(raw: NDArray[np.float32], projection: NDArray[np.float64]) -> NDArray[np.float32]:
    """Depth-buffer values as metres along the camera's axis."""
    ndc = raw.astype(np.float64) * 2 - 1
    p = projection
    # clip.z = p22·z + p23 and clip.w = p32·z + p33 with z the camera-space coordinate.
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (p[2, 3] - ndc * p[3, 3]) / (ndc * p[3, 2] - p[2, 2])
    return (-z).astype(np.float32)


def _normals_from_depth(
    depth: NDArray[np.float32], projection: NDArray[np.float64], rows: slice
) -> NDArray[np.float32]:
    """(rows, W, 3) for what has no mesh, such as hair and points: from how the depth changes."""
    height, width = depth.shape
    # With the neighbours above and below, where there are any.
    top, bottom = max(0, rows.start - 1), min(height, rows.stop + 1)
    xs = (np.arange(width) + 0.5) / width * 2 - 1
    ys = 1 - (np.arange(top, bottom) + 0.5) / height * 2
    p = projection
    depth = depth[top:bottom]
    solid = np.where(np.isfinite(depth), depth, 0).astype(np.float64)
    w = p[3, 2] * -solid + p[3, 3]
    x = (xs[None, :] * w - p[0, 2] * -solid - p[0, 3]) / p[0, 0]
    y = (ys[:, None] * w - p[1, 2] * -solid - p[1, 3]) / p[1, 1]
    place = np.stack([x, y, -solid], axis=-1)
    covered = np.isfinite(depth)

    def slope(axis: int) -> NDArray[np.float64]:
        """The nearer neighbour's difference: the farther one may be another surface."""
        ahead = np.diff(place, axis=axis, append=np.take(place, [-1], axis))
        behind = np.diff(place, axis=axis, prepend=np.take(place, [0], axis))
        edge = np.zeros_like(np.take(covered, [0], axis))
        past_first, past_last = ([slice(None)] * 2 for _ in range(2))
        past_first[axis], past_last[axis] = slice(1, None), slice(None, -1)
        there = np.concatenate([covered[tuple(past_first)], edge], axis)
        before = np.concatenate([edge, covered[tuple(past_last)]], axis)
        far = np.where(there, np.abs(ahead[..., 2]), np.inf)
        near = np.where(before, np.abs(behind[..., 2]), np.inf)
        return np.where((far <= near)[..., None], ahead, behind)

    normal = np.cross(slope(1), -slope(0))
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    toward = np.array([0.0, 0.0, 1.0])
    normal = np.where(length > 1e-20, normal / np.maximum(length, 1e-20), toward)
    away = (normal * -place).sum(-1) < 0
    normal[away] *= -1
    first = rows.start - top
    return normal[first : first + min(rows.stop, height) - rows.start].astype(np.float32)


def _describe(
    context: bpy.types.Context, space: bpy.types.SpaceView3D, frame: Frame, size: Size
) -> View:
    projection = frame.projection
    perspective = projection[3][2] != 0
    near, far = _clips(projection, perspective)
    camera = context.scene.objects.get(frame.camera) if frame.camera else None
    lens = space.lens
    focus = None
    if camera is not None and camera.type == "CAMERA":
        lens = camera.data.lens
        focus = _focus(camera, frame)
    elif frame.camera and perspective:  # one that is placed: on a full frame's long side
        lens = FULL_FRAME_MM / 2 * min(projection[0][0], projection[1][1])
    return View(
        width=size.width,
        height=size.height,
        projection="PERSP" if perspective else "ORTHO",
        projection_matrix=_rows(projection),
        camera_to_world=_rows(frame.view_matrix.inverted()),
        near=near,
        far=far,
        lens_mm=float(lens) if perspective else None,
        focus_distance=focus,
        source="viewport",
        engine=space.shading.type,
        blender_version=bpy.app.version_string,
        blend_name=bpy.path.basename(bpy.data.filepath),
        scene=context.scene.name,
        camera=frame.camera,
        frame=context.scene.frame_current,
    )


def _focus(camera: bpy.types.Object, frame: Frame) -> float | None:
    dof = camera.data.dof  # pyright: ignore[reportAttributeAccessIssue]
    if dof.focus_object is not None:
        ahead = -(frame.view_matrix @ dof.focus_object.matrix_world.translation).z
        return float(ahead) if ahead > 0 else None
    return float(dof.focus_distance) if dof.use_dof else None


def _clips(projection: Matrix, perspective: bool) -> tuple[float, float]:
    a, b = projection[2][2], projection[2][3]
    if perspective:
        return float(b / (a - 1)), float(b / (a + 1))
    return float((b + 1) / a), float((b - 1) / a)


def _rows(matrix: Any) -> tuple[tuple[float, float, float, float], ...]:
    return tuple(tuple(float(v) for v in row) for row in matrix)  # pyright: ignore[reportReturnType]
