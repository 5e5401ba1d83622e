# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the next image, kept in the scene.

Nothing here is a secret or names a machine: no key, no server, no path goes into a .blend.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations  # else, Python 3.14 has no __annotations__ to add to

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

from ...core.bounds import MAX_COUNT, MAX_SEED
from ...core.framing import ASPECTS, AUTO, RESOLUTIONS, size_for
from .. import translation
from ..translation import CONTEXT
from . import closeness_choice
from .choices import MODEL, STYLE
from .pack_choice import PACK

RENDER_ENGINE = "GENAI_RENDER"
"""What a scene's render engine is called where F12 gives the finished picture."""


def _aspect_items() -> list[tuple[str, str, str]]:
    others = [(name, name, _shape(value)) for name, value in ASPECTS.items()]
    return [(AUTO, "Auto", "The view's own shape: the camera's, or the viewport's"), *others]


def _shape(value: float) -> str:
    return "Square" if value == 1 else "Wide" if value > 1 else "Tall"


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
        translation_context=CONTEXT,
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
        translation_context=CONTEXT,
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
        description="Send the view as color, depth and normals, so that the image keeps its "
        "shapes and camera",
        default=True,
    )
    __annotations__.update(MODEL.properties("Model", "What makes the image"))
    __annotations__.update(STYLE.properties("Style", "The look of the image"))
    aspect: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Aspect Ratio",
        translation_context=CONTEXT,
        description="Width to height",
        items=_aspect_items(),
        default=AUTO,
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
        translation_context=CONTEXT,
        description="What matters more, time or quality",
        items=[
            ("auto", "Auto", "What the model does by itself"),
            ("fast", "Fast", "A quick look"),
            ("balanced", "Balanced", "Between fast and quality"),
            ("quality", "Quality", "The best it can, whatever time it takes"),
        ],
    )
    closeness: closeness_choice.closeness_property()  # pyright: ignore[reportInvalidTypeForm]
    use_seed: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Fixed Seed",
        description="The same seed and settings give the same image, where the model can do that",
    )
    seed: IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Seed", description="Which of the possible images", min=0, max=MAX_SEED
    )
    reference_1: PointerProperty(type=GenAIReference)  # pyright: ignore[reportInvalidTypeForm]
    reference_2: PointerProperty(type=GenAIReference)  # pyright: ignore[reportInvalidTypeForm]
    canvas_engine: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Canvas Engine",
        description="What draws the scene that a render is made from",
        items=[
            ("AUTO", "Automatic", "EEVEE where there is a GPU, else Cycles"),
            ("CYCLES", "Cycles", "Looks the same on every computer"),
            ("EEVEE", "EEVEE", "Needs a GPU; Cycles where there is none"),
            ("WORKBENCH", "Workbench", "Plain shapes and colors, fast"),
        ],
    )
    __annotations__.update(PACK.properties("Pack", "A set of shots that are made in one go"))
    batch_file: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Batch File",
        description="A TOML or JSONL file with pictures to make, in place of the pack",
        subtype="FILE_PATH",
    )
    pack_without: StringProperty(options={"HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]
    pack_direction: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Direction",
        description="The mood and the manner of all shots; empty for what the pack says",
    )
    pack_location: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Location",
        description="Where all shots are set; empty for what the pack says",
    )
    pack_other: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Field",
        description="What else this pack asks for; empty for what the pack says",
    )
    pack_resolution: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Size of Shots",
        description="How many pixels the shots have",
        items=[("PACK", "As the Pack Says", "The pack's own resolution"), *_resolution_items()],
    )
    parent: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Made From",
        description="The History item that these settings were recalled from",
        options={"HIDDEN"},
    )


def settings(context: bpy.types.Context | None = None) -> Any:
    """The scene's GenAISettings."""
    return (context or bpy.context).scene.genai_render


def canvas_engine(scene: Any) -> str:
    """What draws the canvas of a scene that renders with us."""
    return scene.genai_render.canvas_engine if hasattr(scene, "genai_render") else "AUTO"


def references(settings: Any) -> tuple[Any, Any]:
    return settings.reference_1, settings.reference_2


_CLASSES = (GenAIReference, GenAISettings)


def register() -> None:
    translation.compose(about for _, _, about in _resolution_items())
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.genai_render = PointerProperty(type=GenAISettings)


def unregister() -> None:
    del bpy.types.Scene.genai_render
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    for choice in (MODEL, STYLE, PACK):
        choice.forget()
    closeness_choice.forget()
