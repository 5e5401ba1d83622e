# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over a 3D Viewport: the frame of the next image, and images in its place."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false
from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from mathutils import Matrix

from ...core import images, lazy
from ...core.errors import GenAIError
from ...core.events import PartialImage
from ...core.jobs import Finished, JobEvent, Saved
from .. import addon, background, catalog, redraw
from ..capture import viewport_frame
from ..jobs import listeners, request_builder, session
from ..settings import scene_settings, window_state

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..jobs.work import Place, Work
else:
    np = lazy.module("numpy")

LARGEST_SIDE = 2048  # of a picture on the screen; the file is not touched
KEPT_TEXTURES = 8
MOST_COMPARED = 4
_CATEGORY = "GenAI"

Rectangle = tuple[float, float, float, float]


@dataclass(slots=True)
class Shown:
    """Pictures over one viewport. ids: those to go through, or to compare.

    space: the viewport's address. compared: all at once, side by side.
    """

    ids: list[str]
    index: int
    space: int
    compared: bool = False
    partial: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> str:
        return self.partial or self.ids[self.index]


class Overlay:
    """The pictures that lie over a viewport, and their textures.

    textures: by id, the one used last at the end; floats until they are drawn for the first time.
    drawn: where each picture was drawn last.
    """

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self.textures: dict[str, Any] = {}
        self.drawn: dict[str, Rectangle] = {}
        self._loading: set[str] = set()
        self._shader: Any = None

    def show(self, ids: Sequence[str], index: int, space: int, compared: bool) -> None:
        self.shown = Shown(list(ids), index, space, compared)
        for item_id in ids[:MOST_COMPARED] if compared else [ids[index]]:
            self.load(item_id)
            if compared:
                self.shown.labels[item_id] = _label_of(item_id)
        redraw.viewports()

    def step(self, by: int) -> None:
        shown = self.shown
        if shown is not None and not shown.compared and len(shown.ids) > 1:
            shown.partial = ""
            shown.index = (shown.index + by) % len(shown.ids)
            self.load(shown.current)
            redraw.viewports()

    def hide(self) -> None:
        self.shown = None
        redraw.viewports()

    def forget(self) -> None:
        """Another file has other viewports: an address of the old one may come up again."""
        self.shown = None
        self.drawn.clear()

    # Jobs

    def hear(self, work: Work, event: JobEvent) -> None:
        prefs = addon.preferences()
        if work.place is None or (prefs is not None and not prefs.show_result):
            return
        if isinstance(event, PartialImage):
            self._show_partial(work.job.id, work.place, event)
        elif isinstance(event, Saved):
            self._show_saved(list(work.job.saved), work.place)
        elif isinstance(event, Finished) and self.shown is not None and self.shown.partial:
            # Cancelled or failed half way: what was there before comes back.
            self.shown.partial = ""
            if not self.shown.ids:
                self.hide()

    def _show_partial(self, job: int, place: Place, event: PartialImage) -> None:
        key = f"partial-{job}"
        self.textures.pop(key, None)
        self._loading.discard(key)
        if self.shown is None or self.shown.space != place.space:
            self.shown = Shown([], 0, place.space)
        self.shown.partial = key
        self.load(key, event.image)

    def _show_saved(self, siblings: list[str], place: Place) -> None:
        if self.shown is not None and set(self.shown.ids) & set(siblings):
            # Look on at the one that is being looked at; the new one is a step away.
            current = self.shown.ids[self.shown.index]
            self.shown.ids, self.shown.partial = siblings, ""
            self.shown.index = siblings.index(current)
            redraw.viewports()
            return
        state = window_state.window()
        if state.wipe < 0.05 or state.opacity < 0.05:
            state.wipe = state.opacity = 1.0
        self.show(siblings, len(siblings) - 1, place.space, compared=False)

    # Pictures as textures: decoded in the background, made by the GPU when they are drawn

    def load(self, key: str, data: bytes | None = None) -> None:
        if key in self.textures or key in self._loading:
            return
        path = None
        if data is None:
            with contextlib.suppress(GenAIError):
                path = session.session().store.get(key).image_path
            if path is None:
                return
        self._loading.add(key)
        background.run(lambda: _decode(path, data), lambda floats: self._decoded(key, floats))

    def _decoded(self, key: str, floats: NDArray[np.float32] | None) -> None:
        self._loading.discard(key)
        if floats is not None:
            self.textures[key] = floats
            redraw.viewports()

    def texture(self, key: str) -> Any | None:
        """The picture as a texture; None while it is being read."""
        import gpu

        texture = self.textures.pop(key, None)
        if texture is None:
            self.load(key)
            return None
        if isinstance(texture, np.ndarray):
            height, width = texture.shape[:2]
            data = gpu.types.Buffer("FLOAT", texture.size, texture.ravel())
            texture = gpu.types.GPUTexture((width, height), format="RGBA8", data=data)
        self.textures[key] = texture
        while len(self.textures) > KEPT_TEXTURES:
            del self.textures[next(iter(self.textures))]
        return texture

    def shader(self) -> Any:
        if self._shader is None:
            self._shader = _make_picture_shader()
        return self._shader

    def close(self) -> None:
        self.forget()
        self.textures.clear()
        self._shader = None


def _overlay() -> Overlay:
    return addon.state(Overlay)


# What is shown


def shown() -> Shown | None:
    return _overlay().shown


def is_over(space: bpy.types.Space | None) -> bool:
    """Whether a picture lies over this viewport now."""
    known = shown()
    return known is not None and space is not None and space.as_pointer() == known.space


def show(ids: Sequence[str], index: int = 0, space: int = 0, compared: bool = False) -> None:
    """Show pictures of History over a viewport: one of them, or all side by side."""
    _overlay().show(ids, index, space, compared)


def step(by: int) -> None:
    """The next or previous picture."""
    _overlay().step(by)


def hide() -> None:
    """Show the live scene only."""
    _overlay().hide()


def rectangle() -> Rectangle | None:
    """Left, bottom, right and top of the single picture as it was last drawn."""
    overlay = _overlay()
    if overlay.shown is None or overlay.shown.compared:
        return None
    return next(iter(overlay.drawn.values()), None)


def held_textures() -> int:
    return len(_overlay().textures)


def _label_of(item_id: str) -> str:
    """What tells pictures apart that lie side by side."""
    try:
        item = session.session().store.get(item_id)
    except GenAIError:
        return ""
    style = catalog.catalog().styles.get(item.style)
    words = " ".join(item.prompt.split())
    words = words if len(words) <= 40 else words[:39] + "…"
    return f"{words} · {style.label if style is not None else item.style}"


def _decode(path: Path | None, data: bytes | None) -> NDArray[np.float32] | None:
    """In the background: floats of a size that a screen can show; None for a broken file."""
    try:
        if data is None:
            assert path is not None
            data = images.read_file(path)
        pixels = images.decode(data, path.name if path is not None else "The picture")
        return _as_floats(pixels)
    except GenAIError:
        return None


def _as_floats(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 4) float32, row 0 at the bottom, no side longer than LARGEST_SIDE."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if max(height, width) > LARGEST_SIDE:
        picture = Image.fromarray(pixels)
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
        pixels = np.asarray(picture)
        height, width = pixels.shape[:2]
    floats = np.ones((height, width, 4), np.float32)
    np.divide(pixels[::-1], np.float32(255), out=floats[..., : pixels.shape[2]])
    return floats


# Drawing


def _draw() -> None:
    context = bpy.context
    space, region, area = context.space_data, context.region, context.area
    if not isinstance(space, bpy.types.SpaceView3D) or region is None or area is None:
        return
    overlay = _overlay()
    if is_over(space):
        with _pixels(region):
            _draw_pictures(context, overlay, area, region, space)
    elif _frame_wanted(context, area, region):
        with _pixels(region):
            _draw_frame(context, area, region, space)


@contextlib.contextmanager
def _pixels(region: bpy.types.Region) -> Iterator[None]:
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


def _frame_wanted(
    context: bpy.types.Context, area: bpy.types.Area, region: bpy.types.Region
) -> bool:
    if not (
        window_state.window(context).show_frame and scene_settings.settings(context).use_canvas
    ):
        return False
    windows = [other for other in area.regions if other.type == "WINDOW"]
    return region == windows[-1] and tab_visible(area)


def tab_visible(area: bpy.types.Area) -> bool:
    """Whether the sidebar of a viewport shows our tab."""
    for region in area.regions:
        if region.type == "UI":
            return region.width > 1 and region.active_panel_category == _CATEGORY
    return False


def _draw_frame(context: Any, area: Any, region: Any, space: Any) -> None:
    settings = scene_settings.settings(context)
    frame = viewport_frame.frame(context, area, region, space, settings.aspect)
    box = (frame.x, frame.y, frame.x + frame.width, frame.y + frame.height)
    _shade_outside(region, box, 0.35)
    _outline(box, (1.0, 1.0, 1.0, 0.55))
    spec = request_builder.prepared(context).spec
    if spec is not None:
        _label(box[0] + 8, box[1] + 8, spec.text)


def _draw_pictures(context: Any, overlay: Overlay, area: Any, region: Any, space: Any) -> None:
    shown = overlay.shown
    assert shown is not None
    overlay.drawn.clear()
    state = window_state.window(context)
    if shown.compared:
        _draw_compared(overlay, shown, area, region, state)
        return
    key = shown.current
    texture = overlay.texture(key)
    if texture is None:
        return
    aspect = texture.width / texture.height
    frame = viewport_frame.frame(context, area, region, space, aspect)
    box = (frame.x, frame.y, frame.x + frame.width, frame.y + frame.height)
    overlay.drawn[key] = box
    _picture(texture, box, state.wipe, state.opacity)
    _outline(box, (0.0, 0.0, 0.0, 0.5))
    if state.wipe < 1:
        middle = box[0] + state.wipe * (box[2] - box[0])
        _lines([(middle, box[1]), (middle, box[3])], (1.0, 1.0, 1.0, 0.9), 2.0)
    if shown.partial:
        _label(box[0] + 8, box[1] + 8, "Not finished")
    elif len(shown.ids) > 1:
        _label(box[0] + 8, box[1] + 8, f"{shown.index + 1} / {len(shown.ids)}")


def _draw_compared(overlay: Overlay, shown: Shown, area: Any, region: Any, state: Any) -> None:
    ids = shown.ids[:MOST_COMPARED]
    textures = {item_id: overlay.texture(item_id) for item_id in ids}
    _fill((0, 0, region.width, region.height), (0.0, 0.0, 0.0, 0.85))  # the scene is in the way
    shapes = [one.width / one.height if one is not None else 1.0 for one in textures.values()]
    for item_id, box in zip(ids, _side_by_side(area, region, shapes), strict=True):
        if textures[item_id] is not None:
            _picture(textures[item_id], box, 1.0, state.opacity)
        _outline(box, (0.0, 0.0, 0.0, 0.6))
        _label(box[0] + 8, box[1] + 8, shown.labels.get(item_id, ""))
        overlay.drawn[item_id] = box


def _side_by_side(area: Any, region: Any, shapes: list[float]) -> list[Rectangle]:
    """A box for each picture, in its own shape (width over height)."""
    left, bottom, right, top = viewport_frame.clear_part(area, region)
    columns = min(2, len(shapes))
    rows = math.ceil(len(shapes) / columns)
    gap = 6.0
    boxes = []
    for number, aspect in enumerate(shapes):
        width = (right - left - gap * (columns + 1)) / columns
        height = (top - bottom - gap * (rows + 1)) / rows
        x = left + gap + (number % columns) * (width + gap)
        y = top - (number // columns + 1) * (height + gap)
        fitted_width = min(width, height * aspect)
        fitted_height = fitted_width / aspect
        x += (width - fitted_width) / 2
        y += (height - fitted_height) / 2
        boxes.append((x, y, x + fitted_width, y + fitted_height))
    return boxes


def _picture(texture: Any, box: Rectangle, part: float, opacity: float) -> None:
    """The left part (0 to 1) of a picture in a box."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    left, bottom, right, top = box
    edge = left + (right - left) * part
    shader = _overlay().shader()
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
_PICTURE_VERTEX = """
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


def _make_picture_shader() -> Any:
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
    info.vertex_source(_PICTURE_VERTEX)
    info.fragment_source(_PICTURE_FRAGMENT)
    return gpu.shader.create_from_info(info)


def _shade_outside(region: Any, box: Rectangle, strength: float) -> None:
    left, bottom, right, top = box
    width, height = region.width, region.height
    for one in (
        (0, 0, left, height),
        (right, 0, width, height),
        (left, 0, right, bottom),
        (left, top, right, height),
    ):
        if one[2] > one[0] and one[3] > one[1]:
            _fill(one, (0.0, 0.0, 0.0, strength))


def _fill(box: Sequence[float], color: tuple[float, float, float, float]) -> None:
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


def _outline(box: Rectangle, color: tuple[float, float, float, float]) -> None:
    left, bottom, right, top = box
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    _lines(corners, color, 1.0)


def _lines(
    places: list[tuple[float, float]], color: tuple[float, float, float, float], width: float
) -> None:
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


def draw_handle(x: float, y: float, strength: float) -> None:
    """The grip of the wipe's edge."""
    scale = bpy.context.preferences.system.ui_scale
    half = 10 * scale
    _fill((x - half, y - half, x + half, y + half), (0.1, 0.1, 0.1, 0.7 * strength))
    for side in (-1, 1):
        tip = (x + side * half * 0.7, y)
        back = x + side * half * 0.25
        points = [(back, y + half * 0.5), tip, (back, y - half * 0.5)]
        _lines(points, (1.0, 1.0, 1.0, strength), 1.5)


def _label(x: float, y: float, text: str) -> None:
    import blf

    scale = bpy.context.preferences.system.ui_scale
    blf.size(0, 12 * scale)
    blf.enable(0, blf.SHADOW)
    blf.shadow(0, 3, 0.0, 0.0, 0.0, 0.9)
    blf.color(0, 1.0, 1.0, 1.0, 0.9)
    blf.position(0, x, y, 0)
    blf.draw(0, text)
    blf.disable(0, blf.SHADOW)


# Registering


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    _overlay().forget()


def _heard(work: Work, event: JobEvent) -> None:
    _overlay().hear(work, event)


_handler: Any = None


def register() -> None:
    global _handler
    if bpy.app.background:
        return
    # Not POST_PIXEL: that is drawn over the gizmos, ours and Blender's.
    _handler = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
    bpy.app.handlers.load_pre.append(_before_load)
    listeners.listen(_heard)


def unregister() -> None:
    global _handler
    if _before_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_before_load)
    if _handler is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handler, "WINDOW")
        _handler = None
