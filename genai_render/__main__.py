# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m genai_render [SCENE.blend] COMMAND …`, with the bpy module instead of Blender."""

from __future__ import annotations

import sys
from pathlib import Path

from .console import PROGRAM, Console, guarded_stdout
from .core.errors import GenAIError, SceneError


def main(arguments: list[str]) -> int:
    # Before bpy is imported: it prints, too.
    with guarded_stdout() as out:
        try:
            scene = None
            if arguments and arguments[0].lower().endswith(".blend"):
                scene, *arguments = arguments
            try:
                import bpy
            except ImportError:
                print(
                    f'{PROGRAM}: The bpy module is missing. Install it with "pip install bpy", '
                    "or run this inside Blender.",
                    file=sys.stderr,
                )
                return 1
            from .blender import cli

            if scene is not None:
                _open(bpy, Path(scene))
            elif cli.needs_scene(arguments):
                raise SceneError(
                    "No scene was given.",
                    action=f"Write python -m {PROGRAM} SCENE.blend {arguments[0]} …",
                )
            return cli.run(arguments, out)
        except GenAIError as error:
            Console(out, json="--json" in arguments).error(error)
            return error.exit_code
        except KeyboardInterrupt:
            return 130


def _open(bpy, path: Path) -> None:
    if not path.is_file():
        raise SceneError(f'There is no file "{path}".', action="Check the path of the scene.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), load_ui=True)
    except RuntimeError as error:
        why = str(error).removeprefix("Error: ").strip()
        raise SceneError(f'"{path}" cannot be opened.', why, "Is it a .blend file?") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
