# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets, kept in the scene; and what the panel shows, kept in the window manager.

Nothing here is a secret or names a machine: no key, no server, no path goes into a .blend.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from ...core import cost
from ...core.catalog import Catalog, Model, Option
from ...core.framing import ASPECTS, AUTO, RESOLUTIONS, size_for
from ...core.request import MAX_COUNT, MAX_SEED, OptionValue
from .. import preferences
from . import thumbnails

DEFAULT_MODEL = "offline"
DEFAULT_STYLE = "auto"

# Blender keeps no copy of the texts of a dynamic enum's items: something has to hold them.
_held: dict[str, list[tuple[Any, ...]]] = {}
_catalog: Catalog | None = None


def catalog() -> Catalog:
    """The models and styles there are, read once. `reload_catalog` reads them anew."""
    global _catalog
    if _catalog is None:
        _catalog = preferences.usable_catalog()
    return _catalog


def _number(id: str, default: str) -> int:
    """An item's number in the .blend: the same when the list around it changes."""
    return 0 if id == default else zlib.crc32(id.encode()) & 0x3FFFFFFF | 1


def _model_items(self: Any, context: bpy.types.Context | None) -> list[tuple[Any, ...]]:
    known = catalog().models
    held = _held.get("models", [])
    if [item[0] for item in held] != list(known):  # asked for at every look at a setting
        held = [
            (
                model.id,
                model.label,
                _about(model),
                "URL" if model.online else "DISK_DRIVE",
                _number(model.id, DEFAULT_MODEL),
            )
            for model in known.values()
        ]
        _held["models"] = held
    return held


def _about(model: Model) -> str:
    """What helps to choose: what it does, what it is good at, how fast it is and what it costs."""
    facts = [model.description, model.good_for and f"Good for: {model.good_for}"]
    usd = cost.per_image(model, "1K")
    price = "free" if usd == 0 else f"about {cost.dollars(usd)} each" if usd is not None else ""
    facts.append(", ".join(text for text in (model.speed, price) if text))
    return ".\n".join(text.rstrip(".") for text in facts if text)


def _style_items(self: Any, context: bpy.types.Context | None) -> list[tuple[Any, ...]]:
    items = [
        (
            style.id,
            style.label,
            style.description.rstrip("."),
            thumbnails.style_icon(style),
            _number(style.id, DEFAULT_STYLE),
        )
        for style in catalog().styles.values()
    ] or [("auto", "Auto", "", 0, 0)]
    _held["styles"] = items
    return items


def _aspect_items() -> list[tuple[str, str, str]]:
    wide = [(name, name, f"{name}: {_shape(value)}") for name, value in ASPECTS.items()]
    return [(AUTO, "Auto", "The view's own shape: the camera's, or the viewport's"), *wide]


def _shape(value: float) -> str:
    return "square" if value == 1 else "wide" if value > 1 else "tall"


def _resolution_items() -> list[tuple[str, str, str]]:
    return [
        (name, name, f"As many pixels as a square of {side} × {side}: {size_for('16:9', name)}")
        for name, side in RESOLUTIONS.items()
    ]


class GenAIReference(PropertyGroup):
    """A reference slot. The picture is kept by content in the extension's own folder."""

    digest: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Content", description="SHA-256 of the picture's file", options={"HIDDEN"}
    )
    file_name: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Name", description="What the picture was called when it was chosen"
    )
    role: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Role",
        description="What to take from this picture",
        items=[
            ("free", "Free", "Use it as the prompt says"),
            ("style", "Style", "Take its look, medium and mood, not its content"),
            ("material", "Material", "Take its surfaces, textures and finish"),
            ("subject", "Subject", "Keep the identity of what it shows"),
            ("composition", "Composition", "Take its arrangement, not its content"),
        ],
        default="style",
    )
    weight: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Weight",
        description="How strongly this picture counts",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
    )


class GenAISettings(PropertyGroup):
    """Everything that makes the next image, in the scene."""

    prompt: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Prompt",
        description="What you want to see: light, mood, materials, style",
        maxlen=8000,
        options={"TEXTEDIT_UPDATE"},
    )
    prompt_text: PointerProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Prompt Text",
        description="Take the prompt from this text of the Text Editor instead of the field",
        type=bpy.types.Text,
    )
    enhance: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Describe the Scene",
        description="Add a description of the camera, lights, materials and objects to the prompt",
        default=False,
    )
    use_canvas: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Use the View",
        description="Send the view as colour, depth and normals, so that the image keeps its "
        "shapes and camera",
        default=True,
    )
    model: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Model", description="What makes the image", items=_model_items
    )
    style: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Style", description="The look of the image", items=_style_items
    )
    aspect: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Aspect Ratio", description="Width to height", items=_aspect_items(), default=AUTO
    )
    resolution: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Resolution",
        description="How many pixels the image has",
        items=_resolution_items(),
        default="1K",
    )
    count: IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Images",
        description="How many variations to make at once",
        min=1,
        max=MAX_COUNT,
        default=1,
    )
    mode: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Mode",
        description="What matters more, time or quality",
        items=[
            ("auto", "Auto", "What the model does by itself"),
            ("fast", "Fast", "A quick look"),
            ("balanced", "Balanced", "Between fast and quality"),
            ("quality", "Quality", "The best it can, whatever time it takes"),
        ],
    )
    use_seed: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Fixed Seed",
        description="The same seed and settings give the same image, where the model can do that",
    )
    seed: IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Seed", description="Which of the possible images", min=0, max=MAX_SEED
    )
    reference_1: PointerProperty(type=GenAIReference)  # pyright: ignore[reportInvalidTypeForm]
    reference_2: PointerProperty(type=GenAIReference)  # pyright: ignore[reportInvalidTypeForm]
    parent: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Made From",
        description="The History item that these settings were recalled from",
        options={"HIDDEN"},
    )


def _history_changed(self: Any, context: bpy.types.Context) -> None:
    from ..jobs import history_page

    history_page.invalidate()


def _get_page(self: Any) -> int:
    from ..jobs import history_page

    return history_page.page_number()


def _set_page(self: Any, value: int) -> None:
    from ..jobs import history_page

    history_page.go_to_page(value)


def _overlay_changed(self: Any, context: bpy.types.Context) -> None:
    from .. import redraw

    redraw.viewports()


class GenAIWindow(PropertyGroup):
    """What the panel shows: nothing that makes an image."""

    canvas_view: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show",
        description="What of the view to show in the panel",
        items=[
            ("COLOR", "Color", "The view as it looks", "SHADING_TEXTURE", 0),
            ("DEPTH", "Depth", "How far away everything is, near is white", "DRIVER_DISTANCE", 1),
            ("NORMAL", "Normals", "Which way every surface faces", "NORMALS_FACE", 2),
        ],
        options={"SKIP_SAVE"},
    )
    show_live: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Live",
        description="Keep the picture of the view up to date while you work",
        default=True,
        options={"SKIP_SAVE"},
    )
    show_frame: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show Frame",
        description="Draw over the viewport what will be in the image",
        default=True,
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    wipe: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Wipe",
        description="How much of the frame the image covers, the live scene is to the right",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    opacity: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Opacity",
        description="How much the image hides of the scene behind it",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    search: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Search",
        description="Words of the prompt, model, style, file, scene or camera",
        update=_history_changed,
        options={"SKIP_SAVE", "TEXTEDIT_UPDATE"},
    )
    only_favourites: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Favorites",
        description="Show only what you marked",
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    only_this_file: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This File",
        description="Show only what was made from this .blend file",
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    only_style: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This Style",
        description="Show only what was made in the style that is chosen now",
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    only_model: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This Model",
        description="Show only what was made with the model that is chosen now",
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    period: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="From",
        description="How far back to look",
        items=[
            ("ALL", "Any Time", "Everything"),
            ("DAY", "Today", "Since midnight"),
            ("WEEK", "7 Days", "The last seven days"),
            ("MONTH", "30 Days", "The last thirty days"),
        ],
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    show_bin: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Deleted",
        description="Show what was deleted, to restore it",
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    layout: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Layout",
        description="How History is shown",
        items=[
            ("GRID", "Grid", "Pictures", "IMGDISPLAY", 0),
            ("LIST", "List", "Small pictures with their prompts", "LONGDISPLAY", 1),
        ],
        update=_history_changed,
        options={"SKIP_SAVE"},
    )
    history_page: IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Page",
        description="Which page of History is shown. Drag to leaf through it",
        min=1,
        soft_max=1000,
        get=_get_page,
        set=_set_page,
        options={"SKIP_SAVE"},
    )
    selected: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]


def settings(context: bpy.types.Context | None = None) -> Any:
    """The scene's GenAISettings."""
    return (context or bpy.context).scene.genai_render


def window(context: bpy.types.Context | None = None) -> Any:
    """The GenAIWindow."""
    return (context or bpy.context).window_manager.genai_render


def chosen_model(settings: Any) -> Model:
    """The model that is chosen; the default where it is not in the list any more."""
    models = catalog().models
    return models.get(settings.model) or models[DEFAULT_MODEL]


def references(settings: Any) -> tuple[Any, Any]:
    return settings.reference_1, settings.reference_2


# Options: one property group for each model, made from what the catalogue says of it.

_option_groups: dict[str, type[PropertyGroup]] = {}
_OPTIONS = "genai_render_options"


def _identifier(id: str) -> str:
    """A catalogue id as a Python name; ids that would collide stay apart."""
    plain = re.sub(r"\W", "_", id)
    return plain if plain == id else f"{plain}_{zlib.crc32(id.encode()):08x}"


def _option_property(option: Option) -> Any:
    named = {"name": option.label, "description": option.description.rstrip(".")}
    if option.kind == "bool":
        return BoolProperty(default=bool(option.default), **named)
    if option.kind == "choice":
        labels = [(c, c.replace("_", " ").replace("-", " ").title(), "") for c in option.choices]
        return EnumProperty(items=labels, default=str(option.default), **named)
    if option.kind == "text":
        return StringProperty(default=str(option.default), **named)
    limits: dict[str, Any] = {}
    if option.minimum is not None:
        limits["min"] = int(option.minimum) if option.kind == "int" else option.minimum
    if option.maximum is not None:
        limits["max"] = int(option.maximum) if option.kind == "int" else option.maximum
    if option.kind == "int":
        return IntProperty(default=int(option.default), **limits, **named)
    bounded = option.minimum == 0 and option.maximum == 1
    return FloatProperty(
        default=float(option.default), subtype="FACTOR" if bounded else "NONE", **limits, **named
    )


def _register_options() -> None:
    members: dict[str, Any] = {}
    for model in catalog().models.values():
        if not model.options:
            continue
        group = type(
            f"GenAIOptions_{_identifier(model.id)}",
            (PropertyGroup,),
            {
                "__annotations__": {
                    _identifier(option.id): _option_property(option) for option in model.options
                }
            },
        )
        bpy.utils.register_class(group)
        _option_groups[model.id] = group
        members[_identifier(model.id)] = PointerProperty(type=group)
    everything = type("GenAIOptions", (PropertyGroup,), {"__annotations__": members})
    bpy.utils.register_class(everything)
    _option_groups[""] = everything
    setattr(bpy.types.Scene, _OPTIONS, PointerProperty(type=everything))


def _unregister_options() -> None:
    if hasattr(bpy.types.Scene, _OPTIONS):
        delattr(bpy.types.Scene, _OPTIONS)
    for group in reversed(list(_option_groups.values())):
        bpy.utils.unregister_class(group)
    _option_groups.clear()


def reload_catalog() -> None:
    """Read models and styles anew, with the options that they have now."""
    global _catalog
    _unregister_options()
    _catalog = None
    _held.pop("models", None)
    _register_options()


def option_group(scene: bpy.types.Scene, model: Model) -> Any | None:
    """The property group with the model's options in a scene; None if it has none."""
    everything = getattr(scene, _OPTIONS, None)
    return getattr(everything, _identifier(model.id), None) if everything is not None else None


def draw_options(layout: bpy.types.UILayout, scene: bpy.types.Scene, model: Model) -> None:
    group = option_group(scene, model)
    if group is not None:
        for option in model.options:
            layout.prop(group, _identifier(option.id))


def option_values(scene: bpy.types.Scene, model: Model) -> dict[str, OptionValue]:
    """The model's options that differ from its defaults."""
    group = option_group(scene, model)
    if group is None:
        return {}
    values = {}
    for option in model.options:
        value = getattr(group, _identifier(option.id))
        default = option.default
        same = abs(value - default) < 1e-6 if isinstance(value, float) else value == default  # pyright: ignore[reportOperatorIssue]
        if not same:
            # Blender's floats are 32 bit: 0.7 comes back as 0.699999988.
            values[option.id] = round(value, 6) if isinstance(value, float) else value
    return values


def set_option_values(scene: bpy.types.Scene, model: Model, values: dict[str, OptionValue]) -> None:
    """Set the model's options; those that are not named get their defaults."""
    group = option_group(scene, model)
    if group is None:
        return
    for option in model.options:
        setattr(group, _identifier(option.id), option.value_in(values))


_CLASSES: Sequence[type] = (GenAIReference, GenAISettings, GenAIWindow)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.genai_render = PointerProperty(type=GenAISettings)
    bpy.types.WindowManager.genai_render = PointerProperty(type=GenAIWindow)
    _register_options()


def unregister() -> None:
    global _catalog
    _unregister_options()
    del bpy.types.WindowManager.genai_render
    del bpy.types.Scene.genai_render
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    _held.clear()
    _catalog = None
