# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture of a camera by rendering: works anywhere, without a window or a GPU.

A pixel's colour is a blend of the surfaces around its centre, by the film's filter: edges are
smooth. Its depth and normal have to be those of the surface at its very centre: a blend of two
surfaces is a third one that is nowhere. One render has one filter, so these are two renders of the
same copy of the scene: the colour, and a data render of one sample through a filter of (almost) no
width, with no bounces of light. Cycles keeps the scene between them, which is then built only once,
and the data render costs a few per cent of the colour. "fast" makes one render of both with the
narrow filter: the colour's edges are jagged.
"""

from __future__ import annotations

import contextlib
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from mathutils import Matrix, Vector

from ...core import lazy
from ...core.errors import SceneError
from ...core.view.canvas import Canvas, View
from ..settings import scene_settings
from . import camera as camera_frame
from . import cryptomatte, missing_files, notices, placing, scene_copy
from .backface_culling import culled
from .gpu_probe import find_gpu
from .planes import Planes, Sight, flat_planes, read_planes, several_rays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ...core.view.ids import Ids
    from .camera import CameraFrame, RenderShape
    from .scene_copy import SceneCopy
    from .spec import CaptureSpec
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

CYCLES = "CYCLES"
WORKBENCH = "BLENDER_WORKBENCH"
_NEEDS_REAL_GPU = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "HYDRA_STORM")

_EEVEE = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
_CANVAS_ENGINES = {"AUTO": _EEVEE, "EEVEE": _EEVEE, "CYCLES": CYCLES, "WORKBENCH": WORKBENCH}

# Samples per pixel at most, and rays from the camera at most, so that a large picture does not
# take for ever. The denoiser makes up for the rest: a capture guides a picture, it is no final one.
_SAMPLES = {"fast": 8, "auto": 12, "balanced": 24, "quality": 128}
_RAYS = {"fast": 8e6, "auto": 12e6, "balanced": 24e6, "quality": 256e6}
_FEWEST_SAMPLES = 4
_VEIL_SAMPLES = 16  # of smoke alone, whose outline is in its alpha, which no denoiser smooths

_IDS_PIXELS = 1 << 21  # up to here, the objects come with the color: 16 floats more each
_IDS_SAMPLES = 4  # a pixel, where its color is not of Cycles' rays

_Rendered = tuple["NDArray[np.uint8]", Planes, "Ids | None", str]

_CULLS_BACK_FACES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT")  # where a material says so
_LENS = 50.0  # where a view tells none: what is framed is the same with any
_COLOR_SHARE = 0.85  # of a capture's time

_STRIP_PIXELS = 1 << 22  # of the data render in one go: 20 floats each, in Blender and in a file

# What lets more than this of a ray through is not the surface that a viewer means. Blender's own
# half would take what is behind a curtain; none at all would take the gaps of a leaf's picture.
_SURFACE_ALPHA = 0.05
_FIRST_HIT = ("max", "diffuse", "glossy", "transmission", "volume")


class _Meter:
    """How far a capture is, by the samples that Blender says it has done."""

    _SAID = re.compile(r"Sample (\d+)/(\d+)")

    def __init__(self, tell: Callable[[float], None] | None) -> None:
        self._tell = tell
        self._start, self._end = 0.0, 1.0

    def part(self, start: float, end: float) -> None:
        """What comes now takes a capture from `start` to `end`."""
        self._start, self._end = start, end

    def hear(self, stats: str) -> None:
        said = self._SAID.search(stats)
        if said and self._tell is not None:
            done = int(said[1]) / max(1, int(said[2]))
            self._tell(self._start + (self._end - self._start) * min(1.0, done))


def capture_camera(
    context: bpy.types.Context,
    spec: CaptureSpec,
    progress: Callable[[float], None] | None = None,
) -> Canvas:
    """Render a camera of the context's scene. The file is as before, however this ends.

    progress: called with 0 to 1, maybe from another thread, while Blender renders.
    Raises SceneError without a (flat) camera, with no surface in sight, or if a render fails.
    """
    camera = None
    if spec.view is None and spec.placed is None:
        camera = find_camera(context.scene, spec.camera)
        camera_frame.check_camera(camera)
    _need_cycles()
    shape = camera_frame.render_shape(context.scene.render)
    missing = missing_files.notices(context.scene)
    meter = _Meter(progress)
    with (
        tempfile.TemporaryDirectory(prefix="genai_render-") as folder,
        scene_copy.scene_copy(context, meter.hear) as copy,
    ):
        if spec.view is not None:
            eye, name = _from(spec, camera_frame.unit_metres(context.scene)), ""
        else:
            eye = _eye(context, copy, camera, shape, spec)
            name = spec.camera or "placed" if camera is None else camera.name
        _place(copy, eye, spec)
        _set_size(copy.scene, spec.width, spec.height)
        sight = Sight(
            np.array(eye.world.to_3x3(), np.float32),
            eye.frame.fitted(spec.aspect, spec.fit, spec.position),
            spec.width,
            spec.height,
        )
        wanted = scene_engine(copy.scene, spec.engine)
        color, planes, ids, engine = _render(copy, spec, sight, Path(folder), meter)
        told = [*missing, *notices.stand_in(wanted, engine)]
        if not _strokes_can_be_drawn(copy):
            told += notices.left_out_strokes(copy.scene)
        if not np.isfinite(planes.depth).any():
            ids = None
            planes, flat = _without_surface(copy, spec, engine, eye, Path(folder), name)
            told.append(flat)
        told += notices.of_distance(eye.world.translation, planes)
        told += notices.of_magenta(planes, bool(missing))
        told += notices.of_one_color(context.scene, color, planes, eye.world.translation)
        view = _describe(context, copy, name, eye, spec, engine)
        metres = camera_frame.unit_metres(context.scene)
        return _canvas(color, planes, ids, view, metres, tuple(told))


def find_camera(scene: bpy.types.Scene, name: str | None) -> bpy.types.Object:
    """The scene's camera, or the one of that name. Raises SceneError."""
    if name is None:
        if scene.camera is None:
            raise SceneError(
                f'The scene "{scene.name}" has no camera.',
                action="Add a camera, or make one the scene's active camera.",
            )
        return scene.camera
    camera = scene.objects.get(name)
    if camera is None or (camera.type != "CAMERA" and camera != scene.camera):
        raise SceneError(
            f'The scene "{scene.name}" has no camera called "{name}".',
            action="Check the name, or leave it out for the scene's active camera.",
        )
    return camera


def _need_cycles() -> None:
    if "cycles" not in bpy.context.preferences.addons:
        raise SceneError(
            "The Cycles render engine is turned off.",
            "Depth and normals are rendered with it.",
            "Turn on the add-on Cycles Render Engine in the preferences.",
        )


# --- the camera -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Eye:
    """A camera at this frame, in Blender units. focus, aperture: None where all is sharp."""

    world: Matrix
    frame: CameraFrame
    lens: float
    focus: float | None
    aperture: dict[str, float] | None


def _eye(
    context: bpy.types.Context,
    copy: SceneCopy,
    camera: bpy.types.Object | None,
    shape: RenderShape,
    spec: CaptureSpec,
) -> Eye:
    if spec.placed is not None:
        world, frame = placing.frame_of(spec.placed)
        return Eye(world, frame, spec.placed.lens, None, None)
    assert camera is not None
    eye = _look(context, copy, camera, shape)
    return replace(eye, frame=eye.frame.part(*spec.part)) if spec.part else eye


def _look(
    context: bpy.types.Context, copy: SceneCopy, camera: bpy.types.Object, shape: RenderShape
) -> Eye:
    """The camera as drivers, constraints and animation leave it."""
    if context.view_layer.objects.get(camera.name) == camera:
        depsgraph = context.evaluated_depsgraph_get()
    else:  # in an excluded collection: only the camera that a scene looks through is evaluated
        own = copy.scene.camera
        copy.scene.camera = camera
        depsgraph = copy.depsgraph()
        copy.scene.camera = own
    # Read all of it now: what was evaluated goes away with the next change.
    seen = camera.evaluated_get(depsgraph)
    data = camera_frame.check_camera(seen)
    dof = None if data is None else data.dof
    focus = _focus(seen, dof) if dof is not None and dof.use_dof else None
    aperture = None
    if dof is not None and focus is not None:
        names = ("fstop", "blades", "rotation", "ratio")
        aperture = {f"aperture_{name}": getattr(dof, f"aperture_{name}") for name in names}
    frame = camera_frame.frame_of(seen, depsgraph, shape)
    return Eye(
        camera_frame.world_matrix(seen),
        frame,
        camera_frame.FULL_FRAME_MM / frame.width if data is None else data.lens,
        focus,
        aperture,
    )


def _from(spec: CaptureSpec, metres: float) -> Eye:
    """As the spec's own view looks."""
    assert spec.view is not None
    world, frame = camera_frame.of_view(spec.view, metres)
    return Eye(world, frame, spec.view.lens_mm or _LENS, None, None)


def _focus(seen: bpy.types.Object, dof: bpy.types.CameraDOFSettings) -> float | None:
    """Along the camera's axis to what it focuses on; None for what is behind it."""
    distance = dof.focus_distance
    if dof.focus_object is not None:
        place = dof.focus_object.matrix_world
        bone = dof.focus_object.pose and dof.focus_object.pose.bones.get(dof.focus_subtarget)
        if bone:
            place = place @ bone.matrix
        distance = -(camera_frame.world_matrix(seen).inverted_safe() @ place.translation).z
    return distance if distance > 0 else None


def _place(copy: SceneCopy, eye: Eye, spec: CaptureSpec) -> None:
    scene_copy.place(
        copy, eye.world, eye.frame.fitted(spec.aspect, spec.fit, spec.position), eye.lens
    )
    if spec.depth_of_field and eye.focus is not None and eye.aperture is not None:
        dof = _dof(copy)
        dof.use_dof = True
        dof.focus_distance = eye.focus
        for name, value in eye.aperture.items():
            setattr(dof, name, value)


def _dof(copy: SceneCopy) -> bpy.types.CameraDOFSettings:
    data = copy.camera.data
    assert isinstance(data, bpy.types.Camera)
    assert data.dof is not None
    return data.dof


def _set_size(scene: bpy.types.Scene, width: int, height: int) -> None:
    scene.render.resolution_x, scene.render.resolution_y = width, height


# --- the renders ----------------------------------------------------------------------------------


def _render(
    copy: SceneCopy, spec: CaptureSpec, sight: Sight, folder: Path, meter: _Meter
) -> _Rendered:
    see_through = scene_copy.lets_light_through()  # culled faces do, too, but not by chance
    with contextlib.ExitStack() as undo:
        if scene_engine(copy.scene, spec.engine) in _CULLS_BACK_FACES:
            undo.enter_context(culled())
        return _render_as_it_is(copy, spec, sight, folder, meter, see_through)


def _render_as_it_is(
    copy: SceneCopy,
    spec: CaptureSpec,
    sight: Sight,
    folder: Path,
    meter: _Meter,
    see_through: bool,
) -> _Rendered:
    engine = color_engine(copy.scene, spec.engine)
    _color_settings(copy.scene, spec)
    copy.scene.render.use_persistent_data = True
    small = spec.width * spec.height <= _STRIP_PIXELS
    one_hit = not see_through and not scene_copy.has_volumes(copy.scene)
    if engine == CYCLES and spec.mode == "fast" and small and one_hit:
        _cycles_color(copy, spec)
        _narrow_filter(copy.scene)
        with _strokes_where_safe(copy):
            color, planes, ids = _render_both(copy, spec, sight, folder)
    else:
        meter.part(0.0, _COLOR_SHARE)
        with _strokes_where_safe(copy):
            color, ids, engine = _render_color(copy, spec, engine, folder)
        meter.part(_COLOR_SHARE, 1.0)
        with scene_copy.without_grease_pencil(copy), scene_copy.without_volumes(copy):
            planes = _render_data(copy, spec, sight, folder, see_through, ids is not None)
            if spec.ids and ids is None:
                ids = _render_ids(copy, spec.width, spec.height, folder)
    return color, planes, ids, engine


def _without_surface(
    copy: SceneCopy, spec: CaptureSpec, engine: str, eye: Eye, folder: Path, camera: str
) -> tuple[Planes, str]:
    """Of a view of smoke or strokes alone, what can be had. Raises SceneError if it is empty."""
    things = notices.without_surface(copy.scene)
    if not _strokes_can_be_drawn(copy):
        things = [thing for thing in things if not scene_copy.is_grease_pencil(thing)]
    if things:
        # Again, since only without the world it is known where there is something at all.
        copy.scene.render.film_transparent = True
        with _strokes_where_safe(copy):
            enough = replace(spec, samples=_VEIL_SAMPLES)  # the scene's own are those of the data
            color, *_ = _render_color(copy, replace(enough, ids=False), engine, folder)
        back = eye.world.inverted_safe()
        centers = [
            thing.matrix_world @ (sum((Vector(c) for c in thing.bound_box), Vector()) / 8)
            for thing in things
        ]
        ahead = [-(back @ center).z for center in centers]
        distance = min((far for far in ahead if far > eye.frame.near), default=eye.frame.near)
        planes = flat_planes(color, distance)
        if np.isfinite(planes.depth).any():
            return planes, notices.taken_as_flat(things, distance)
    raise notices.sees_nothing(copy.scene, camera)


def scene_engine(scene: bpy.types.Scene, wanted: str) -> str:
    """The wanted engine, or what the scene is meant for; whether or not that runs here."""
    engine = scene.render.engine if wanted == "auto" else wanted
    if engine == scene_settings.RENDER_ENGINE:  # ours: it draws on what another one has drawn
        engine = _CANVAS_ENGINES[scene_settings.canvas_engine(scene)]
    return engine


def color_engine(scene: bpy.types.Scene, wanted: str) -> str:
    """The engine that draws the colour: the wanted one, or the scene's, or Cycles where that
    needs a GPU that is not here. A software GPU will do for Workbench, but not for EEVEE."""
    engine = scene_engine(scene, wanted)
    if engine == CYCLES:
        return CYCLES
    if engine == WORKBENCH:
        return engine if find_gpu().usable else CYCLES
    if engine in _NEEDS_REAL_GPU:
        return engine if find_gpu().hardware else CYCLES
    return engine


def _strokes_where_safe(copy: SceneCopy) -> contextlib.AbstractContextManager[None]:
    """Grease pencil needs a GPU in any engine: without one it would end Blender."""
    if _strokes_can_be_drawn(copy):
        return contextlib.nullcontext()
    return scene_copy.without_grease_pencil(copy)


def _strokes_can_be_drawn(copy: SceneCopy) -> bool:
    """True also where there are none to draw: a GPU is looked for only if it is needed."""
    return not scene_copy.has_grease_pencil(copy.scene) or find_gpu().usable


def _color_settings(scene: Any, spec: CaptureSpec) -> None:
    render = scene.render
    if not spec.background:
        render.film_transparent = True
    use_srgb_display(scene)


def use_srgb_display(scene: Any) -> None:
    """A canvas is sRGB, whatever display the user works on."""
    devices = scene.display_settings.bl_rna.properties["display_device"].enum_items.keys()
    if scene.display_settings.display_device != "sRGB" and "sRGB" in devices:
        transform, look = scene.view_settings.view_transform, scene.view_settings.look
        scene.display_settings.display_device = "sRGB"
        for name, value in (("view_transform", transform), ("look", look)):
            try:
                setattr(scene.view_settings, name, value)
            except TypeError:  # that display has no such view: its own default stays
                break


def _render_color(
    copy: SceneCopy, spec: CaptureSpec, engine: str, folder: Path
) -> tuple[NDArray[np.uint8], Ids | None, str]:
    """With which object each pixel shows, where the same rays tell it."""
    try:
        _use_engine(copy.scene, engine)
    except TypeError:
        if spec.engine != "auto":
            raise SceneError(
                f'"{engine}" is not a render engine of this Blender.',
                action="Choose another one, or leave it to the scene.",
            ) from None
        engine = CYCLES
    if engine == CYCLES:
        _cycles_color(copy, spec)
    elif hasattr(copy.scene, "eevee"):
        eevee = copy.scene.eevee
        eevee.taa_render_samples = min(eevee.taa_render_samples, _samples(spec, 64))
    path = folder / "color.png"
    small = spec.width * spec.height <= _IDS_PIXELS
    if not (spec.ids and engine == CYCLES and small):
        _save_as_png(copy.scene)
        _run(copy, path)
        return _read_png(path), None, engine
    _no_passes(copy.layer)
    cryptomatte.ask(copy.layer)
    _save_as_exr(copy.scene)
    passes = folder / "color.exr"
    _run(copy, passes)
    ids = cryptomatte.read(passes, copy.scene)
    passes.unlink()
    return _picture_of_render(copy, path), ids, engine


def _use_engine(scene: Any, engine: str) -> None:
    # Setting it, even to the same, makes Blender evaluate all of the scene again.
    if scene.render.engine != engine:
        scene.render.engine = engine


def _cycles_color(copy: SceneCopy, spec: CaptureSpec) -> None:
    import _cycles  # part of the Cycles add-on  # pyright: ignore[reportMissingImports]

    cycles = copy.scene.cycles
    _use_engine(copy.scene, CYCLES)
    if hasattr(cycles, "use_layer_samples"):
        cycles.use_layer_samples = "IGNORE"
    cycles.samples = _samples(spec, cycles.samples)
    if _cycles.with_openimagedenoise:
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        cycles.denoising_prefilter = "ACCURATE" if spec.mode == "quality" else "FAST"
    cycles.use_denoising = copy.layer.cycles.use_denoising = bool(_cycles.with_openimagedenoise)


def _samples(spec: CaptureSpec, at_most: int) -> int:
    if spec.samples is not None:
        return spec.samples
    affordable = int(_RAYS[spec.mode] / (spec.width * spec.height))
    return max(1, min(at_most, _SAMPLES[spec.mode], max(_FEWEST_SAMPLES, affordable)))


def _narrow_filter(scene: Any) -> None:
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    if hasattr(scene.cycles, "use_pixel_jitter"):
        scene.cycles.use_pixel_jitter = False


def _render_data(
    copy: SceneCopy,
    spec: CaptureSpec,
    sight: Sight,
    folder: Path,
    see_through: bool,
    had_ids: bool,
) -> Planes:
    """In strips, so that a large picture fits into memory."""
    cycles = copy.scene.cycles
    _first_hit_only(copy)
    _narrow_filter(copy.scene)
    cycles.samples = 1
    _data_passes(copy.layer)
    if had_ids:
        # Turned off between two renders of the same scene, Cryptomatte leaves wrong normals.
        cryptomatte.ask(copy.layer)
    else:
        copy.layer.use_pass_cryptomatte_object = see_through
    _save_as_exr(copy.scene)
    strips = math.ceil(spec.width * spec.height / _STRIP_PIXELS)
    parts = []
    for index in range(strips):
        path = folder / f"data-{index}.exr"
        top = _strip(copy.scene, spec.height, index, strips)
        _run(copy, path)
        several = None
        if see_through:
            cycles.samples = several_rays(spec.width * spec.height)
            several = path.with_stem(f"{path.stem}-several")
            _run(copy, several)
            cycles.samples = 1
        parts.append(read_planes(path, sight, top, several))
        for read in (path, several):
            if read is not None:
                read.unlink()
    if strips == 1:
        return parts[0]
    return Planes(
        np.concatenate([part.depth for part in parts]),
        np.concatenate([part.normal for part in parts]),
        np.concatenate([part.albedo for part in parts]),
    )


def _first_hit_only(copy: SceneCopy) -> None:
    """Sharp, without noise and without light from elsewhere."""
    cycles = copy.scene.cycles
    _use_engine(copy.scene, CYCLES)
    copy.scene.render.use_freestyle = False
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.use_guiding = False
    cycles.use_fast_gi = False
    if hasattr(cycles, "use_layer_samples"):
        cycles.use_layer_samples = "IGNORE"
    for kind in _FIRST_HIT:
        setattr(cycles, f"{kind}_bounces", 0)
    _dof(copy).use_dof = False


def _strip(scene: Any, height: int, index: int, strips: int) -> int:
    """Have only that strip of the picture rendered; the row that it begins with."""
    top, bottom = (height * (index + i) // strips for i in (0, 1))
    if strips > 1:
        render = scene.render
        # A quarter of a pixel keeps the rounding of fractions to pixels off the edge.
        render.use_border = render.use_crop_to_border = True
        render.border_min_x, render.border_max_x = 0.0, 1.0
        render.border_min_y = (height - bottom + 0.25) / height
        render.border_max_y = (height - top + 0.25) / height
    return top


def _render_ids(copy: SceneCopy, width: int, height: int, folder: Path) -> Ids | None:
    """Which object each pixel shows, by some rays of its own through all of the pixel."""
    _first_hit_only(copy)
    copy.scene.cycles.samples = _IDS_SAMPLES
    copy.scene.cycles.pixel_filter_type = "BOX"
    copy.scene.cycles.filter_width = 1.0
    _no_passes(copy.layer)
    cryptomatte.ask(copy.layer)
    _save_as_exr(copy.scene)
    strips = math.ceil(width * height / _STRIP_PIXELS)
    parts = []
    for index in range(strips):
        path = folder / f"ids-{index}.exr"
        _strip(copy.scene, height, index, strips)
        _run(copy, path)
        part = cryptomatte.read(path, copy.scene)
        path.unlink()
        if part is None:
            return None
        parts.append(part)
    return cryptomatte.joined(parts)


def capture_ids(context: bpy.types.Context, view: View) -> Ids:
    """Which object each pixel of a view shows that was captured before, in the scene as it is now.

    Raises SceneError where that cannot be rendered.
    """
    _need_cycles()
    metres = camera_frame.unit_metres(context.scene)
    with (
        tempfile.TemporaryDirectory(prefix="genai_render-") as folder,
        scene_copy.scene_copy(context) as copy,
        scene_copy.without_grease_pencil(copy),
        scene_copy.without_volumes(copy),
    ):
        world, frame = camera_frame.of_view(view, metres)
        scene_copy.place(copy, world, frame, view.lens_mm or _LENS)
        _set_size(copy.scene, view.width, view.height)
        ids = _render_ids(copy, view.width, view.height, Path(folder))
    if ids is None or not ids.things:
        raise SceneError(
            "The view of this image shows nothing in the scene as it is now.",
            action="Open the file that it was made from, or paint a mask.",
        )
    return ids


def _render_both(
    copy: SceneCopy, spec: CaptureSpec, sight: Sight, folder: Path
) -> tuple[NDArray[np.uint8], Planes, Ids | None]:
    _data_passes(copy.layer)
    if spec.ids:
        cryptomatte.ask(copy.layer)
    _save_as_exr(copy.scene)
    path = folder / "data.exr"
    _run(copy, path)
    ids = cryptomatte.read(path, copy.scene) if spec.ids else None
    return _picture_of_render(copy, folder / "color.png"), read_planes(path, sight), ids


def _picture_of_render(copy: SceneCopy, path: Path) -> NDArray[np.uint8]:
    _save_as_png(copy.scene)
    bpy.data.images["Render Result"].save_render(str(path), scene=copy.scene)
    return _read_png(path)


def _no_passes(layer: bpy.types.ViewLayer) -> None:
    for name in layer.bl_rna.properties.keys():  # noqa: SIM118 - not a dictionary
        if name.startswith("use_pass_") and name != "use_pass_combined":
            setattr(layer, name, False)


def _data_passes(layer: bpy.types.ViewLayer) -> None:
    _no_passes(layer)
    for name in ("z", "normal", "diffuse_color", "glossy_color", "transmission_color", "emit"):
        setattr(layer, f"use_pass_{name}", True)
    layer.pass_alpha_threshold = _SURFACE_ALPHA


def _save_as_png(scene: bpy.types.Scene) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGBA"
    settings.color_depth = "8"
    settings.compression = 0
    settings.color_management = "FOLLOW_SCENE"


def _save_as_exr(scene: bpy.types.Scene) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    settings.exr_codec = "NONE"
    settings.color_management = "FOLLOW_SCENE"
    if hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True


def _run(copy: SceneCopy, path: Path) -> None:
    copy.scene.render.filepath = str(path)
    problem = "Blender wrote no picture."
    try:
        _run_operator(copy)
    except RuntimeError as error:
        if not str(error).startswith("Error"):  # what operators report does
            raise
        problem = " ".join(str(error).split())
    if not path.exists():
        raise SceneError(
            "The scene could not be rendered.",
            problem,
            "Render it with F12 to see what is wrong, or choose a lower resolution.",
        )


def _run_operator(copy: SceneCopy) -> None:
    bpy.ops.render.render(write_still=True, scene=copy.scene.name, layer=copy.layer.name)


# --- what they gave -------------------------------------------------------------------------------


def _read_png(path: Path) -> NDArray[np.uint8]:
    limit, Image.MAX_IMAGE_PIXELS = (
        Image.MAX_IMAGE_PIXELS,
        None,
    )  # our own file, and 8192² is wanted
    try:
        with Image.open(path) as picture:
            color = np.array(picture.convert("RGBA"))
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    color[color[..., 3] == 0] = 0
    return color


def _canvas(
    color: NDArray[np.uint8],
    planes: Planes,
    ids: Ids | None,
    view: View,
    metres: float,
    told: tuple[str, ...],
) -> Canvas:
    depth = (planes.depth * np.float32(metres)).astype(np.float32)
    return Canvas(color, depth, planes.normal, view, planes.albedo, told, ids)


def _describe(
    context: bpy.types.Context,
    copy: SceneCopy,
    camera: str,
    eye: Eye,
    spec: CaptureSpec,
    engine: str,
) -> View:
    scene = context.scene
    metres = camera_frame.unit_metres(scene)
    perspective = eye.frame.perspective
    looking = copy.camera.evaluated_get(copy.depsgraph())
    projection = looking.calc_matrix_camera(copy.layer.depsgraph, x=spec.width, y=spec.height)
    world = eye.world.copy()
    world.translation *= metres
    return View(
        width=spec.width,
        height=spec.height,
        projection="PERSP" if perspective else "ORTHO",
        projection_matrix=camera_frame.projection_in_metres(projection, perspective, metres),
        camera_to_world=camera_frame.rows(world),
        near=eye.frame.near * metres,
        far=eye.frame.far * metres,
        lens_mm=eye.lens if perspective else None,
        focus_distance=None if eye.focus is None else eye.focus * metres,
        source="passes",
        engine=engine,
        blender_version=bpy.app.version_string,
        blend_name=bpy.path.basename(bpy.data.filepath),
        scene=scene.name,
        camera=camera,
        frame=scene.frame_current,
    )
