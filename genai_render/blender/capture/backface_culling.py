# SPDX-License-Identifier: GPL-3.0-or-later
"""Back faces that EEVEE does not draw, left out of a render with Cycles, too.

Cycles has no such setting, and a room that is looked into through its culled walls would be a
closed box. For the time of a capture, such a material is clear where it is seen from behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import bpy

_NAME = "genai_render back faces"


@contextlib.contextmanager
def culled() -> Iterator[None]:
    """Inside, back faces of materials that cull them are clear in Cycles. Afterwards
    every node and link is as before."""
    with contextlib.ExitStack() as undo:
        for material in _materials():
            undo.enter_context(_clear_behind(material))
        yield


def _materials() -> list[bpy.types.Material]:
    return [
        material
        for material in bpy.data.materials
        if material.users and material.use_backface_culling and _output(material) is not None
    ]


def _output(material: bpy.types.Material) -> Any:
    """What Cycles takes the surface from; None where there is none to change."""
    tree = material.node_tree
    # Before Blender 5, a material may have nodes that are not used.
    if tree is None or (bpy.app.version < (5, 0, 0) and not material.use_nodes):
        return None
    output: Any = tree.get_output_node("CYCLES")
    return output if output is not None and output.inputs["Surface"].is_linked else None


@contextlib.contextmanager
def _clear_behind(material: bpy.types.Material) -> Iterator[None]:
    tree: Any = material.node_tree
    socket = _output(material).inputs["Surface"]
    link = socket.links[0]
    source = link.from_socket
    active = tree.nodes.active
    added: list[Any] = []

    def node(kind: str) -> Any:
        made = tree.nodes.new(kind)
        made.name = _NAME
        made.select = False
        added.append(made)
        return made

    def math(operation: str, first: Any, second: Any) -> Any:
        made = node("ShaderNodeMath")
        made.operation = operation
        for index, value in enumerate((first, second)):
            if isinstance(value, float):
                made.inputs[index].default_value = value
            else:
                tree.links.new(value, made.inputs[index])
        return made.outputs[0]

    try:
        hidden = node("ShaderNodeNewGeometry").outputs["Backfacing"]
        if not getattr(material, "use_backface_culling_shadow", False):
            shadow = node("ShaderNodeLightPath").outputs["Is Shadow Ray"]
            hidden = math("MULTIPLY", hidden, math("SUBTRACT", 1.0, shadow))
        mix = node("ShaderNodeMixShader")
        tree.links.new(hidden, mix.inputs[0])
        tree.links.new(source, mix.inputs[1])
        tree.links.new(node("ShaderNodeBsdfTransparent").outputs[0], mix.inputs[2])
        tree.links.new(mix.outputs[0], socket)
        yield
    finally:
        for made in reversed(added):
            tree.nodes.remove(made)
        if not socket.is_linked:
            tree.links.new(source, socket)
        tree.nodes.active = active
