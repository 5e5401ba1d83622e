# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets, kept in the scene; and what the panel shows, kept in the window manager.

Nothing here is a secret or names a machine: no key, no server, no path goes into a .blend.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
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

from ..core import cost
from ..core.catalog import Catalog, Model, Option, Style
from ..core.enum_numbers import number_before
from ..core.errors import InvalidInput, NotFound
from ..core.framing import ASPECTS, AUTO, RESOLUTIONS, size_for
from ..core.request import MAX_COUNT, MAX_SEED, OptionValue
from . import preferences, previews
from .id_choice import Entry, IdChoice

DEFAULT_MODEL = "offline"
DEFAULT_STYLE = "auto"

_catalog: Catalog | None = None
_entries: dict[str, Mapping[str, Entry]] = {}
_by_number: dict[str, dict[int, str]] = {}


def catalog() -> Catalog:
    """The models and styles there are, read once. `reload_catalog` reads them anew."""
    global _catalog
    if _catalog is None:
        _catalog = preferences.usable_catalog()
    return _catalog


def _forget_catalog() -> None:
    global _catalog
    _catalog = None
    _entries.clear()
    _by_number.clear()


def _model_entries() -> Mapping[str, Entry]:
    if "models" not in _entries:
        _entries["models"] = {
            model.id: Entry(model.label, _about(model), "URL" if model.online else "DISK_DRIVE")
            for model in catalog().models.values()
        }
    return _entries["models"]


def _about(model: Model) -> str:
    """What helps to choose: what it does, what it is good at, how fast it is and what it costs."""
    facts = [model.description, model.good_for and f"Good for: {model.good_for}"]
    usd = cost.per_image(model, "1K")
    price = "free" if usd == 0 else f"about {cost.dollars(usd)} each" if usd is not None else ""
    facts.append(", ".join(text for text in (model.speed, price) if text))
    return ".\n".join(text.rstrip(".") for text in facts if text)


def _style_entries() -> Mapping[str, Entry]:
    if "styles" not in _entries:
        _entries["styles"] = {
            style.id: Entry(style.label, style.description.rstrip("."), previews.style_icon(style))
            for style in catalog().styles.values()
        }
    return _entries["styles"]


def _from_number(what: str, number: int) -> str | None:
    """The model or style that a number in an older .blend stands for."""
    if what not in _by_number:
        known, default = (
            (catalog().models, DEFAULT_MODEL)
            if what == "models"
            else (catalog().styles, DEFAULT_STYLE)
        )
        _by_number[what] = {number_before(id, default): id for id in (*known, default)}
    return _by_number[what].get(number)


def _why_missing() -> str:
    return preferences.models_problem() or (
        "It is from a file, server or workflow that was removed, or is on another computer."
    )


def _missing(what: str, id: str) -> NotFound:
    return NotFound(
        f'The {what} "{id}" is missing.',
        _why_missing(),
        f"Choose another {what}, or add it again in the preferences.",
    )


MODEL = IdChoice(
    *("model", "model_id", DEFAULT_MODEL),
    entries=_model_entries,
    from_number=lambda number: _from_number("models", number),
    reason=_why_missing,
)
STYLE = IdChoice(
    *("style", "style_id", DEFAULT_STYLE),
    entries=_style_entries,
    from_number=lambda number: _from_number("styles", number),
    reason=_why_missing,
)


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
    __annotations__.update(MODEL.properties("Model", "What makes the image"))
    __annotations__.update(STYLE.properties("Style", "The look of the image"))
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
    from . import history_view

    history_view.invalidate()


def _get_page(self: Any) -> int:
    from . import history_view

    return history_view.page_number()


def _set_page(self: Any, value: int) -> None:
    from . import history_view

    history_view.go_to_page(value)


def _overlay_changed(self: Any, context: bpy.types.Context) -> None:
    from . import redraw

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
    """The model that is chosen. Raises NotFound, with the reason, if it is missing."""
    id = MODEL.id_of(settings)
    model = catalog().models.get(id)
    if model is None:
        raise _missing("model", id)
    return model


def known_model(settings: Any) -> Model | None:
    """The model that is chosen; None if it is missing."""
    return catalog().models.get(MODEL.id_of(settings))


def chosen_style(settings: Any) -> Style:
    """The style that is chosen. Raises NotFound, with the reason, if it is missing."""
    id = STYLE.id_of(settings)
    style = catalog().styles.get(id)
    if style is None:
        raise _missing("style", id)
    return style


def references(settings: Any) -> tuple[Any, Any]:
    return settings.reference_1, settings.reference_2


# Options: one property group for each model, made from what the catalogue says of it.

_option_groups: dict[str, type[PropertyGroup]] = {}
_option_choices: dict[tuple[str, str], IdChoice] = {}
"""The options that are chosen from a list, by model and option."""
_OPTIONS = "genai_render_options"


def _identifier(id: str) -> str:
    """A catalogue id as a Python name; ids that would collide stay apart."""
    plain = re.sub(r"\W", "_", id)
    return plain if plain == id else f"{plain}_{zlib.crc32(id.encode()):08x}"


def _option_property(option: Option) -> Any:
    named = {"name": option.label, "description": option.description.rstrip(".")}
    if option.kind == "bool":
        return BoolProperty(default=bool(option.default), **named)
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


def _option_choice(option: Option) -> IdChoice:
    entries = {
        choice: Entry(choice.replace("_", " ").replace("-", " ").title())
        for choice in option.choices
    }

    def from_number(number: int) -> str | None:
        return option.choices[number] if 0 <= number < len(option.choices) else None

    return IdChoice(
        _identifier(option.id),
        # Not the id itself: Blender allows 63 letters, and one with an ending may be another's.
        f"id_{zlib.crc32(option.id.encode()):08x}",
        str(option.default),
        entries=lambda: entries,
        from_number=from_number,
        reason=lambda: "The model does not offer it any more.",
    )


def _register_options() -> None:
    members: dict[str, Any] = {}
    for model in catalog().models.values():
        if not model.options:
            continue
        annotations: dict[str, Any] = {}
        for option in model.options:
            if option.kind == "choice":
                choice = _option_choice(option)
                _option_choices[model.id, option.id] = choice
                annotations |= choice.properties(option.label, option.description.rstrip("."))
            else:
                annotations[_identifier(option.id)] = _option_property(option)
        group = type(
            f"GenAIOptions_{_identifier(model.id)}",
            (PropertyGroup,),
            {"__annotations__": annotations},
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
    _option_choices.clear()


def reload_catalog() -> None:
    """Read models and styles anew, with the options that they have now."""
    _unregister_options()
    _forget_catalog()
    _register_options()


def option_group(scene: bpy.types.Scene, model: Model) -> Any | None:
    """The property group with the model's options in a scene; None if it has none."""
    everything = getattr(scene, _OPTIONS, None)
    return getattr(everything, _identifier(model.id), None) if everything is not None else None


def missing_choices(scene: bpy.types.Scene, model: Model) -> list[str]:
    """The names of the model's options that are set to what it does not offer any more."""
    group = option_group(scene, model)
    if group is None:
        return []
    return [
        _identifier(option.id)
        for option in model.options
        if (choice := _option_choices.get((model.id, option.id))) and choice.is_missing(group)
    ]


def draw_options(layout: bpy.types.UILayout, scene: bpy.types.Scene, model: Model) -> None:
    group = option_group(scene, model)
    if group is not None:
        missing = missing_choices(scene, model)
        for option in model.options:
            row = layout.row()
            row.alert = _identifier(option.id) in missing
            row.prop(group, _identifier(option.id))


def _option_value(group: Any, model: Model, option: Option) -> OptionValue:
    choice = _option_choices.get((model.id, option.id))
    return getattr(group, _identifier(option.id)) if choice is None else choice.id_of(group)


def option_values(scene: bpy.types.Scene, model: Model) -> dict[str, OptionValue]:
    """The model's options that differ from its defaults."""
    group = option_group(scene, model)
    if group is None:
        return {}
    values = {}
    for option in model.options:
        value = _option_value(group, model, option)
        default = option.default
        same = abs(value - default) < 1e-6 if isinstance(value, float) else value == default  # pyright: ignore[reportOperatorIssue]
        if not same:
            # Blender's floats are 32 bit: 0.7 comes back as 0.699999988.
            values[option.id] = round(value, 6) if isinstance(value, float) else value
    return values


def set_option_values(
    scene: bpy.types.Scene, model: Model, values: Mapping[str, OptionValue]
) -> list[str]:
    """Set the model's options; those that are not named get their defaults.

    The names of those that the model does not have, or not with such a value, are given back. A
    choice that is not offered any more is set all the same, and shown as missing.
    """
    group = option_group(scene, model)
    unknown = [id for id in values if id not in {option.id for option in model.options}]
    if group is None:
        return unknown
    for option in model.options:
        value = values.get(option.id, option.default)
        choice = _option_choices.get((model.id, option.id))
        if choice is not None:
            choice.choose(group, str(value))
            continue
        try:
            option.check(value)
        except InvalidInput:
            unknown.append(option.id)
            value = option.default
        setattr(group, _identifier(option.id), value)
    return unknown


@bpy.app.handlers.persistent
def _keep_ids(*_: object) -> None:
    """In a file of an older version, numbers become ids while it is known what they stand for."""
    for scene in bpy.data.scenes:
        if scene.library is not None:
            continue
        MODEL.keep_id(scene.genai_render)
        STYLE.keep_id(scene.genai_render)
        for (model_id, _option), choice in _option_choices.items():
            choice.keep_id(option_group(scene, catalog().models[model_id]))


_CLASSES: Sequence[type] = (GenAIReference, GenAISettings, GenAIWindow)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.genai_render = PointerProperty(type=GenAISettings)
    bpy.types.WindowManager.genai_render = PointerProperty(type=GenAIWindow)
    _register_options()
    bpy.app.handlers.load_post.append(_keep_ids)


def unregister() -> None:
    if _keep_ids in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_keep_ids)
    _unregister_options()
    del bpy.types.WindowManager.genai_render
    del bpy.types.Scene.genai_render
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    for choice in (MODEL, STYLE):
        choice.forget()
    _forget_catalog()
