# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the command line."""

from __future__ import annotations

import argparse
import contextlib
import math
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import bpy

from ...console import PROGRAM
from ...core.actions import POSITIONS, REFERRING
from ...core.batch import ranges
from ...core.errors import InvalidInput
from ...core.framing import ASPECTS, AUTO, RESOLUTIONS
from ...core.request import CLOSENESS, MODES, ROLES
from ...core.view.placement import AROUND

FORMATS = ("png", "webp", "jpeg")

ACTING = {
    "upscale": "make an image larger",
    "cutout": "take the background of an image away",
    "background": "put another background behind what an image shows",
    "reframe": "give an image another shape, with more around it",
    "relight": "put an image under another sun",
    "swap-subject": "put what a reference shows in the place of an image's subject",
    "swap-face": "give the person in an image the face of a reference",
    "material": "make an object in an image of another material",
}
COMMANDS = (
    *("render", "capture", "edit", *ACTING, "video", "model3d", "carry", "texture"),
    *("batch", "pack"),
    *("history", "models", "styles", "packs"),
)
MANIFEST = "blender_manifest.toml"


class _Parser(argparse.ArgumentParser):
    """Raises InvalidInput instead of ending Blender; writes help to the given stream."""

    stream: IO[str] | None = None

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:].rstrip(".") + "."
        raise InvalidInput(sentence, action=f'See "{self.prog} --help".')

    def _print_message(self, message: str, file: Any = None) -> None:
        with contextlib.suppress(OSError):  # nobody reads it, or the disk is full
            super()._print_message(message, _Parser.stream)

    def print_help(self, file: Any = None) -> None:
        super().print_help(file or _Parser.stream)


def parse(arguments: Sequence[str], out: IO[str]) -> argparse.Namespace:
    """Raises InvalidInput for words that make no sense, SystemExit(0) after --help."""
    _Parser.stream = out
    parser = _Parser(
        prog=PROGRAM,
        description="Turn a view of the scene into a finished image.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _render(commands.add_parser("render", help="make images of the scene", allow_abbrev=False))
    _capture(
        commands.add_parser(
            "capture", help="write the canvas only: color, depth, normals", allow_abbrev=False
        )
    )
    _edit(commands.add_parser("edit", help="change an image", allow_abbrev=False))
    for name, text in ACTING.items():
        _acting(commands.add_parser(name, help=text, allow_abbrev=False), name)
    _video(commands.add_parser("video", help="let an image move: a clip of it", allow_abbrev=False))
    _model3d(
        commands.add_parser(
            "model3d", help="make a 3D model of what an image shows", allow_abbrev=False
        )
    )
    _carry(
        commands.add_parser(
            "carry", help="show a picture of History from another camera", allow_abbrev=False
        )
    )
    _texture(
        commands.add_parser(
            "texture", help="bake pictures of History into textures", allow_abbrev=False
        )
    )
    _batch(commands.add_parser("batch", help="make all pictures of a file", allow_abbrev=False))
    _pack(commands.add_parser("pack", help="make the shots of a pack", allow_abbrev=False))
    _history(commands.add_parser("history", help="what was made", allow_abbrev=False))
    listed = (
        *(("models", "the models to choose from"), ("styles", "the styles")),
        ("packs", "the packs of shots"),
    )
    for name, text in listed:
        lists = commands.add_parser(name, help=text, allow_abbrev=False)
        if name == "models":
            _online(lists)
            lists.add_argument(
                "--refresh",
                action="store_true",
                help="ask the providers that have a key for their own lists first, and keep them",
            )
        _json(lists)
    for one in _commands_of(commands):
        _log(one)
    return parser.parse_args(list(arguments))


def _commands_of(commands: Any) -> Iterator[argparse.ArgumentParser]:
    """Every command, and the actions of one that has actions in its place."""
    for one in commands.choices.values():
        actions = [
            action for action in one._actions if isinstance(action, argparse._SubParsersAction)
        ]
        if actions:
            yield from actions[0].choices.values()
        else:
            yield one


def _log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="write the log there, not with Blender's files"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="the log on standard error, too, and more of it"
    )


def _version() -> str:
    """ "genai_render 0.1.0, Blender 5.0.1": of what lies beside this package, or is installed."""
    return f"{PROGRAM} {manifest_version()}, Blender {bpy.app.version_string}"


def manifest_version() -> str:
    package = Path(__file__).resolve().parents[2]
    for folder in (package, package.parent):  # in an extension's zip, and in a source tree
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(tomllib.loads((folder / MANIFEST).read_text("utf-8"))["version"])
    return "of unknown version"


def _online(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--online",
        action="store_true",
        help="allow the network, as GENAI_RENDER_ONLINE=1 does (blender -b: --online-mode)",
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _dollars(text: str) -> float:
    try:
        usd = float(text)
    except ValueError:
        usd = math.nan
    if not 0 <= usd < math.inf:
        raise argparse.ArgumentTypeError(f'"{text}" is not a sum of US dollars')
    return usd


def _making(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what you want to see")
    parser.add_argument("--model", default="offline", metavar="ID", help='see "models"')
    parser.add_argument("--style", default="auto", metavar="ID", help='see "styles"')
    parser.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="PATH[=ROLE[:WEIGHT]]",
        help=f"an image to go by, up to two; roles: {', '.join(ROLES)}; weight 0 to 1",
    )
    parser.add_argument("--resolution", default="1K", metavar="|".join(RESOLUTIONS))
    parser.add_argument("--count", type=int, default=1, metavar="1-4", help="how many variations")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed, the same image")
    parser.add_argument("--mode", default="auto", choices=MODES)
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    _output(parser)


def _output(parser: argparse.ArgumentParser) -> None:
    """Where to, for how much."""
    parser.add_argument("--output", type=Path, metavar="DIR", help="also write the images here")
    parser.add_argument("--format", choices=FORMATS, help="of the images in --output")
    parser.add_argument("--max-cost", type=_dollars, metavar="USD", help="refuse to spend more")
    parser.add_argument(
        "--month-budget",
        type=_dollars,
        metavar="USD",
        help="refuse to spend more in a calendar month, with all that History has of it",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    _online(parser)
    _store(parser)
    _json(parser)


def _framing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--camera", metavar="NAME|all", help="default: the scene's camera")
    parser.add_argument(
        "--aspect", default=AUTO, metavar="RATIO", help=f"{AUTO} or {', '.join(ASPECTS)}"
    )
    parser.add_argument("--frames", metavar="1-24,30", help="default: the current frame")
    parser.add_argument(
        "--viewport",
        action="store_true",
        help="the 3D Viewport as the file shows it, or a camera with its shading (Blender 5.2)",
    )


def _store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--history", type=Path, metavar="DIR", help="another History folder")


def _render(parser: argparse.ArgumentParser) -> None:
    _making(parser)
    _framing(parser)
    parser.add_argument(
        "--closeness",
        default="auto",
        choices=CLOSENESS,
        help="how close to the view, by what the model has for it; an --option counts more",
    )
    parser.add_argument(
        "--keyframes",
        type=int,
        metavar="N",
        help="with --frames: make every Nth frame, carry those between, and write a movie",
    )
    parser.add_argument(
        "--changed",
        action="store_true",
        help="keep what History has of the same view and request, make only the rest",
    )
    parser.add_argument("--no-canvas", action="store_true", help="do not use the scene's view")


def _capture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--resolution", default="1K", metavar="|".join(RESOLUTIONS))
    parser.add_argument("--mode", default="auto", choices=MODES)
    _framing(parser)
    _json(parser)


def _edit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE|ID", help="a file, or an id in History")
    _mask(parser)
    parser.add_argument("--markup", type=Path, metavar="PATH", help="PNG laid over the image")
    _making(parser)


def _mask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mask", type=Path, metavar="PATH", help="PNG, transparent where to edit")
    for kind in ("object", "material", "collection"):
        parser.add_argument(
            f"--{kind}",
            action="append",
            default=[],
            metavar="NAME",
            help=f"change what the image shows of that {kind}; may be repeated",
        )
    parser.add_argument(
        "--recapture",
        action="store_true",
        help="see in the scene as it is now where these are, for images that do not know it",
    )
    parser.add_argument(
        "--invert", action="store_true", help="change what the mask leaves, leave what it changes"
    )
    parser.add_argument(
        "--grow", type=int, default=0, metavar="PIXELS", help="of the mask; below 0 it shrinks"
    )
    parser.add_argument(
        "--feather", type=float, default=0.0, metavar="PIXELS", help="how softly the mask ends"
    )


def _acting(parser: argparse.ArgumentParser, action: str) -> None:
    parser.add_argument("image", metavar="IMAGE|ID", help="a file, or an id in History")
    if action != "relight":
        parser.add_argument(
            "--model", metavar="ID", help='another than the one of this computer: see "models"'
        )
    else:
        parser.set_defaults(model=None)
    if action == "upscale":
        parser.add_argument("--times", type=int, default=2, choices=(2, 4))
        parser.add_argument(
            "--method",
            default="auto",
            choices=("auto", "network", "resample"),
            help="a small network, or resampling, which takes seconds",
        )
    elif action == "reframe":
        parser.add_argument("--aspect", required=True, metavar="RATIO", help=", ".join(ASPECTS))
        parser.add_argument(
            "--position",
            default="center",
            choices=tuple(POSITIONS),
            help="where in the new frame the image lies",
        )
        parser.add_argument("--prompt", default="", metavar="TEXT", help="what is beyond its edges")
        parser.add_argument(
            "--from-scene",
            action="store_true",
            help="let the camera that it was made from see more, and make it again as it was",
        )
    elif action == "relight":
        _light(parser)
    elif action in REFERRING:
        _mask(parser)
        parser.add_argument(
            "--image",
            dest="taken_from",
            type=Path,
            required=action != "material",
            metavar="PATH",
            help="the reference that it is taken from",
        )
        parser.add_argument("--prompt", default="", metavar="TEXT", help="the material, or more")
    else:
        parser.add_argument(
            "--distance",
            type=float,
            default=0.0,
            metavar="METERS",
            help="where the background begins; default: found in the view",
        )
        parser.add_argument(
            "--floor",
            default="auto",
            choices=("auto", "keep", "remove"),
            help="the ground that things stand on",
        )
    if action == "background":
        parser.add_argument(
            "--prompt", default="", metavar="TEXT", help="of the new background; offline: of a sky"
        )
        parser.add_argument("--color", metavar="#RRGGBB", help="offline: one color")
        parser.add_argument("--color-below", metavar="#RRGGBB", help="offline: down to this one")
        parser.add_argument(
            "--image", dest="image_behind", type=Path, metavar="PATH", help="offline: an image"
        )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed, the same image")
    _output(parser)


def _video(parser: argparse.ArgumentParser) -> None:
    _sent_on(parser)
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="how it moves")
    parser.add_argument("--end", metavar="IMAGE|ID", help="the last frame")
    parser.add_argument(
        "--follow",
        choices=("depth", "normal", "grey"),
        help="move as the scene's animation does: a clip of that goes to models that take one",
    )
    parser.add_argument(
        "--start", type=int, metavar="FRAME", help="of the scene, for --follow; default: its first"
    )
    parser.add_argument("--camera", metavar="NAME", help="for --follow; default: the scene's own")
    parser.add_argument("--duration", metavar="SECONDS", help="as the model offers it")
    parser.add_argument("--resolution", metavar="LINES", help="720p, 1080p …, as the model offers")
    parser.add_argument(
        "--aspect", default=AUTO, metavar="RATIO", help=f"{AUTO}, as the image, or 16:9, 9:16 …"
    )


def _model3d(parser: argparse.ArgumentParser) -> None:
    _sent_on(parser)


def _sent_on(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE|ID", help="a file, or an id in History")
    parser.add_argument(
        "--model", metavar="ID", help='see "models"; default: the first that is there'
    )
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, metavar="N", help="where the model has one")
    _output(parser)


def _light(parser: argparse.ArgumentParser) -> None:
    for name, text in (
        ("azimuth", "of the sun in degrees: 0 from behind the camera, 90 from the right"),
        ("elevation", "of the sun in degrees above the horizon"),
        ("sun", "how strong it is, 0 to 3"),
        ("warmth", "of the sun: -1 blue to 1 orange"),
        ("sky", "light from all around, 0 to 3"),
        ("lamps", "how much what glows in the image glows, 0 to 3"),
    ):
        parser.add_argument(f"--{name}", type=float, metavar="N", help=text)
    parser.add_argument("--new-sky", action="store_true", help="draw a sky that goes with it")
    parser.add_argument(
        "--day", type=int, default=0, metavar="2-24", help="so many images, from morning to evening"
    )


def _carry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("item", metavar="ID", help="of a picture in History, made from the scene")
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--camera", metavar="NAME|all", help="the camera, or every other one")
    to.add_argument(
        "--turntable",
        type=int,
        metavar="N",
        help="N views all the way around, of which the picture itself is the first",
    )
    parser.add_argument(
        "--around", metavar="OBJECT", help="what the turntable turns around; default: the scene"
    )
    parser.add_argument(
        "--model", metavar="ID", help="what makes the unseen; default: the picture's own model"
    )
    parser.add_argument(
        "--viewport",
        action="store_true",
        help="seen with the shading of the file's 3D Viewport (Blender 5.2)",
    )
    _output(parser)


def _texture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "items", nargs="+", metavar="ID", help="of pictures in History, made from the scene"
    )
    parser.add_argument(
        "--views", choices=AROUND, help="first carry the first picture into views from all around"
    )
    parser.add_argument(
        "--object",
        action="append",
        default=[],
        metavar="NAME",
        help="that gets a texture; may be repeated; default: all that the scene shows",
    )
    parser.add_argument(
        "--size", default="2K", choices=tuple(RESOLUTIONS), help="of each texture at most"
    )
    parser.add_argument(
        "--uvs",
        default="auto",
        choices=("auto", "own", "new"),
        help="an object's own, or a new layer; auto: its own where they do not overlap",
    )
    parser.add_argument(
        "--lit", action="store_true", help="the scene's light falls on the textures"
    )
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--save", action="store_true", help="save the scene's own file")
    to.add_argument(
        "--save-as", type=Path, metavar="FILE.blend", help="save the textured scene there"
    )
    parser.add_argument(
        "--model", metavar="ID", help="what makes the unseen of --views; default: the picture's own"
    )
    parser.add_argument(
        "--viewport",
        action="store_true",
        help="--views with the shading of the file's 3D Viewport (Blender 5.2)",
    )
    _output(parser)


def _batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="TOML or JSONL, see the guide")
    parser.add_argument("--shard", metavar="N/M", help="only the Nth of M parts")
    _many(parser)


def _many(parser: argparse.ArgumentParser) -> None:
    """How many pictures are made in one go."""
    parser.add_argument("--jobs", type=int, metavar="N", help="how many are made at once")
    begun = parser.add_mutually_exclusive_group()
    begun.add_argument("--resume", action="store_true", help="go on where it stopped")
    begun.add_argument("--restart", action="store_true", help="make all of it once more")
    begun.add_argument(
        "--changed", action="store_true", help="make again only what the scene now shows otherwise"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="with --resume: send again what was sent and paid for and never answered",
    )
    parser.add_argument(
        "--cheap",
        action="store_true",
        help="through the providers' batch endpoints: within a day, for half the price",
    )
    parser.add_argument(
        "--or-plain",
        action="store_true",
        help="with --cheap: models without a batch endpoint are made at once, for their full price",
    )
    parser.add_argument(
        "--submit-only",
        action="store_true",
        help="with --cheap: do not wait; --resume fetches what is done",
    )
    parser.add_argument(
        "--poll", type=float, default=60.0, metavar="SECONDS",
        help="with --cheap: how often the provider is asked",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="DIR", help="a page with all pictures")
    _output(parser)


def _pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pack", metavar="ID|FILE", help='see "packs"; or a TOML file of your own')
    parser.add_argument("--shots", metavar="ID,ID", help="only these of its shots")
    parser.add_argument("--prompt", default="", metavar="TEXT", help="what the pictures are of")
    parser.add_argument("--direction", metavar="TEXT", help="the editorial direction")
    parser.add_argument("--location", metavar="TEXT", help="where it is set")
    parser.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="what else a pack asks for",
    )
    parser.add_argument("--camera", metavar="NAME", help="for shots that place none themselves")
    parser.add_argument("--model", default="offline", metavar="ID,ID", help='see "models"')
    parser.add_argument("--style", default="auto", metavar="ID", help='see "styles"')
    parser.add_argument(
        "--reference", action="append", default=[], metavar="PATH[=ROLE[:WEIGHT]]",
        help="an image to go by in all shots, up to two",
    )  # fmt: skip
    parser.add_argument("--no-canvas", action="store_true", help="from references, without a scene")
    parser.add_argument("--resolution", metavar="|".join(RESOLUTIONS), help="default: the pack's")
    parser.add_argument("--seed", type=int, metavar="N", help="the same for all shots")
    parser.add_argument("--mode", default="auto", choices=MODES)
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--winners",
        nargs="+",
        default=[],
        metavar="ID",
        help="make these results again at 4K, all else as it was",
    )
    _many(parser)


def _history(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, text: str, *, ids: str | None = None) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text, allow_abbrev=False)
        if ids is not None:
            made.add_argument("ids", nargs=ids, metavar="ID")
        _store(made)
        _json(made)
        return made

    listing = action("list", "the newest first")
    listing.add_argument("--search", default="", metavar="TEXT", help="words of the prompt")
    listing.add_argument("--model", metavar="ID")
    listing.add_argument("--style", metavar="ID")
    listing.add_argument("--since", metavar="YYYY-MM-DD")
    listing.add_argument("--until", metavar="YYYY-MM-DD")
    listing.add_argument("--blend", metavar="NAME", help="made from this .blend file")
    listing.add_argument("--favourite", action="store_true", help="only favorites")
    listing.add_argument(
        "--last", action="store_true", help="without images from which others were made by an edit"
    )
    listing.add_argument("--bin", action="store_true", help="what was deleted")
    listing.add_argument("--limit", type=int, default=50, metavar="N")
    action("show", "everything that is known of a result", ids="+")
    export = action("export", "write a result as a file", ids="+")
    export.add_argument("--output", type=Path, required=True, metavar="DIR")
    export.add_argument("--format", choices=FORMATS, help="default: as it is")
    export.add_argument("--quality", type=int, default=90, metavar="1-100", help="WebP and JPEG")
    action("favourite", "mark as a favorite", ids="+").add_argument(
        "--off", action="store_true", help="take the mark away"
    )
    action("delete", "put into the bin", ids="+")
    action("restore", "take out of the bin", ids="+")
    action("empty-bin", "delete for good what is in the bin")
    merging = action("merge", "take everything of other History folders into this one")
    merging.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    action("rebuild", "make the index again from the folders")


def frames(text: str) -> list[int]:
    """Frame numbers of "1-24,30", each once, in order. Raises InvalidInput."""
    if not text.strip():
        raise InvalidInput("--frames names no frame.", action='Write them like "1-24,30".')
    return ranges.numbers(text)
