# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model takes, by its provider's OpenAPI: where our images go, and what is an option.

With a model it stands as `extra.schema`: by the name of a field, what it is ({"kind": "int",
"default": 28}). `extra.inputs` is a mapping over what is found by names and descriptions:
{ image_url = "depth" }; "" keeps a field empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Literal, get_args

from ..errors import InvalidInput
from ..framing import RESOLUTIONS

FieldKind = Literal["image", "images", "size", "choice", "bool", "int", "float", "text"]

_KINDS = frozenset(get_args(FieldKind))

IMAGE_INPUTS = ("color", "depth", "normal", "mask", "reference_1", "reference_2", "images")
"""What of ours can go into a field for images. "images" is a list of all, in their order."""

LEFT_OUT = "auto"
"""The choice that stands for not sending a field, where its own choices have no such."""

_MOST_FIELDS = 120
_MOST_CHOICES = 100
_MOST_OPTIONS = 24
_MOST_IMAGES = 14  # in a list that does not say how many
_DESCRIBED = 160  # characters

# Not for a person to set: how the answer comes, and what only programs have.
_HIDDEN = ("sync_mode", "request_id", "webhook_url", "safety_checker_version")
_NOT_PIXELS = re.compile(r"svg|vector|gif|video")  # among choices: what cannot be opened here
_FINDERS = re.compile(r"(^|_)preprocess(_|$)")  # find in a picture what we send as it is
_OTHER_MEDIA = re.compile(r"video|audio|pdf|lora|voice|model|archive|file|path|webhook|style_id")
_OTHER_GUIDES = re.compile(
    r"(^|_)(canny|pose|openpose|segmentation|teed|lineart|scribble|edge|face|garment|human|person|"
    r"product|logo|last|end|tail|background)(_|$)"
)
_PLAIN_IMAGE = re.compile(r"((input|init|source|base|first)_)?(image|img)(_url)?")
_PIXELS = re.compile(r"between (\d{3,4})\s*[x×]\s*(\d{3,4}) and (\d{3,5})\s*[x×]\s*(\d{3,5})")
_LONGEST = re.compile(r"\bmax(?:imum)?(?: of)? (\d{2,5}) characters")
_AT_MOST = re.compile(
    r"(?:up to|at most|maximum of|max(?:imum)?|1\s*(?:-|–|to))\s*(\d{1,2}) images?"
)


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of a request. minimum, maximum: of a number; of a size its pixels; of a list how
    many images it takes."""

    name: str
    kind: FieldKind
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    longest: int = 0
    label: str = ""
    description: str = ""

    def compact(self) -> dict[str, Any]:
        """As it stands with a model: without its name, and without what is as usual."""
        values: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "name" and (one.default is MISSING or value != one.default):
                values[one.name] = list(value) if isinstance(value, tuple) else value
        return values


Fields = Mapping[str, InputField]


def of_table(schema: Any) -> dict[str, InputField]:
    """The fields that stand with a model as `extra.schema`. Raises InvalidInput for a table that
    makes no sense."""
    known = {one.name for one in fields(InputField)} - {"name"}
    made = {}
    try:
        for name, about in schema.items():
            if about["kind"] not in _KINDS or not known >= set(about):
                raise ValueError(name)
            choices = tuple(map(str, about.get("choices", ())))
            made[str(name)] = InputField(**{**about, "name": str(name), "choices": choices})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            "A model's schema cannot be used.", f"({type(error).__name__}: {error})"
        ) from None
    return made


def of_openapi(document: Any, endpoint: str = "") -> dict[str, InputField]:
    """The fields of what is posted to an endpoint, in the order in which they are shown. Those
    that nothing here could fill are left out. Raises ValueError for a document without any."""
    schema = _posted(document, endpoint)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise ValueError("no fields")
    said = schema.get("required")
    required = said if isinstance(said, list) else ()
    listed = schema.get("x-fal-order-properties") or ()
    names = [name for name in listed if name in properties] if isinstance(listed, list) else []
    names += [name for name in properties if name not in names]
    made = {}
    for name in names[:_MOST_FIELDS]:
        field = _field(str(name), properties[name], document)
        if field is not None:
            made[field.name] = replace(field, required=name in required)
    return made


def places(
    taken: Fields, endpoint: str = "", given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Which of our inputs goes to which field, by names and descriptions.

    endpoint: its own words say what a control image is ("flux-control-lora-depth").
    given: by field, what goes there, before what is found. Raises InvalidInput for one that is not.
    """
    found: dict[str, str] = {}
    given = given or {}
    for field in sorted(taken.values(), key=lambda field: field.name not in given):
        if field.kind not in ("image", "images"):
            continue
        if field.name in given:
            role = given[field.name]
            if role and role not in IMAGE_INPUTS:
                raise InvalidInput(
                    f'"{role}" cannot go to the field "{field.name}".',
                    action=f"Known: {', '.join(IMAGE_INPUTS)}.",
                )
        else:
            role = _role(field, taken, endpoint.lower())
            if role == "reference":
                left = (one for one in ("reference_1", "reference_2") if one not in found)
                role = next(left, "")
        if role and role not in found:
            found[role] = field.name
    return found


def own_fields(taken: Fields) -> dict[str, str]:
    """By what of ours goes there, the other taken: prompt, seed, count, size, width, height,
    aspect and resolution."""
    own: dict[str, str] = {}
    for name, field in taken.items():
        if field.kind == "size":
            own.setdefault("size", name)
        elif name in ("prompt", "text_prompt") and field.kind == "text":
            own.setdefault("prompt", name)
        elif name == "seed" and field.kind == "int":
            own["seed"] = name
        elif name in ("num_images", "num_outputs", "batch_size") and field.kind == "int":
            own.setdefault("count", name)
        elif name in ("aspect_ratio", "ratio") and any(":" in word for word in field.choices):
            own.setdefault("aspect", name)
        elif name in ("resolution", "image_resolution") and set(field.choices) & set(RESOLUTIONS):
            own.setdefault("resolution", name)
    numbers = [taken.get(side) for side in ("width", "height")]
    if all(side is not None and side.kind == "int" for side in numbers) and "size" not in own:
        own |= {"width": "width", "height": "height"}
    return own


def options(taken: Fields, endpoint: str = "") -> list[dict[str, Any]]:
    """What is left for a person to set, as tables of options."""
    ours = {*own_fields(taken).values(), *places(taken, endpoint).values()}
    made = []
    for field in taken.values():
        is_setting = field.kind not in ("image", "images", "size")
        hidden = field.name in _HIDDEN or _FINDERS.search(field.name)
        if is_setting and field.name not in ours and not hidden:
            option = _option(field)
            if option is not None:
                made.append(option)
    return made[:_MOST_OPTIONS]


def facts(
    taken: Fields, endpoint: str = "", given: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the schema says of a model, as its `extra` has it."""
    own, where = own_fields(taken), places(taken, endpoint, given)
    return {
        "max_images": most_images(taken, where),
        "one_per_call": "count" not in own,
        "describe_images": reads_images(taken, where),
        "sizes": _sizes(taken, own),
    }


def reads_images(taken: Fields, where: Mapping[str, str]) -> bool:
    """Whether the prompt is an instruction, so that it is told which image is what."""
    guided = {"depth", "normal", "mask"} & set(where)
    bends = {"strength", "upscale_factor", "image_prompt_strength"} & set(taken)
    return "images" in where or ("color" in where and not guided and not bends)


def reference_limit(taken: Fields, where: Mapping[str, str]) -> int:
    """How many references fit, beside the view."""
    if "images" in where:
        return max(0, min(2, most_images(taken, where) - 1))
    return sum(1 for name in ("reference_1", "reference_2") if name in where)


def resolutions(taken: Fields) -> tuple[str, ...]:
    """Those that can be asked for."""
    own = own_fields(taken)
    if "resolution" in own:
        said = taken[own["resolution"]].choices
        return tuple(name for name in RESOLUTIONS if name in said)
    if "size" in own:
        most = taken[own["size"]].maximum or 2048 * 2048
        fits = [name for name, side in RESOLUTIONS.items() if side * side <= most]
        return tuple(fits) or ("1K",)
    return ("1K",)


def sized(taken: Fields, width: int, height: int, aspect: str, resolution: str) -> dict[str, Any]:
    """The fields that say how large and in what shape the image is to be."""
    own, body = own_fields(taken), dict[str, Any]()
    if "size" in own:
        body[own["size"]] = {"width": width, "height": height}
    for name, value in (("width", width), ("height", height)):
        if name in own:
            body[own[name]] = value
    for name, value in (("aspect", aspect), ("resolution", resolution)):
        if name in own and value in taken[own[name]].choices:
            body[own[name]] = value
    return body


def as_it_is(taken: Fields, filled: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that keep a model from looking for depth or normals in what is depth or normals
    already. filled: the fields that have an image."""
    if not filled:
        return {}
    off: dict[str, Any] = {}
    for name, field in taken.items():
        if _FINDERS.search(name):
            if field.kind == "bool":
                off[name] = False
            elif "none" in field.choices:
                off[name] = "none"
    return {name: value for name, value in off.items() if value != taken[name].default}


# ---- OpenAPI -----------------------------------------------------------------------------------


def _posted(document: Any, endpoint: str) -> Mapping[str, Any]:
    paths = document.get("paths") if isinstance(document, Mapping) else None
    bodies = {}
    for path, methods in (paths if isinstance(paths, Mapping) else {}).items():
        post = methods.get("post") if isinstance(methods, Mapping) else None
        content = _deep(post, "requestBody", "content", "application/json", "schema")
        if isinstance(content, Mapping):
            bodies[str(path).strip("/")] = content
    if not bodies:
        raise ValueError("nothing is posted")
    return _resolved(bodies.get(endpoint.strip("/"), next(iter(bodies.values()))), document)


def _deep(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _resolved(schema: Any, document: Any, depth: int = 0) -> Mapping[str, Any]:
    """The schema itself, whatever it refers to, with what stands beside the reference."""
    if not isinstance(schema, Mapping) or depth > 8:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = _deep(document, *reference.removeprefix("#/").split("/"))
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {**_resolved(target, document, depth + 1), **beside}
    parts = schema.get("allOf")
    if isinstance(parts, list) and len(parts) == 1:
        beside = {name: value for name, value in schema.items() if name != "allOf"}
        return {**_resolved(parts[0], document, depth + 1), **beside}
    return schema


def _ways(schema: Mapping[str, Any], document: Any) -> Iterator[Mapping[str, Any]]:
    """What a value can be, one way after the other; null is none."""
    several = schema.get("anyOf") or schema.get("oneOf")
    for one in several if isinstance(several, list) else [schema]:
        way = _resolved(one, document)
        if way.get("type") != "null":
            yield way


def _field(name: str, schema: Any, document: Any) -> InputField | None:
    about = _resolved(schema, document)
    ways = list(_ways(about, document))
    if not ways or not re.fullmatch(r"\w{1,60}", name):
        return None
    words = tuple(word for way in ways for word in _words(way))[:_MOST_CHOICES]
    kind = _kind(name, ways, words)
    if kind is None:
        return None
    says = " ".join(str(about.get("description") or "").split())
    bounds = {**about, **ways[0]}
    minimum, maximum = _number(bounds.get("minimum")), _number(bounds.get("maximum"))
    default = next((way["default"] for way in (about, *ways) if "default" in way), None)
    if kind == "size":
        pixels = _PIXELS.search(says)
        if pixels:
            a, b, c, d = map(int, pixels.groups())
            minimum, maximum = float(a * b), float(c * d)
        default = None
    elif kind in ("image", "images"):
        said = _AT_MOST.search(says.lower())
        most = _number(bounds.get("maxItems")) or (float(said[1]) if said else None)
        minimum, maximum, default = None, most if kind == "images" else None, None
    longest = None
    if kind == "text":
        told = _LONGEST.search(says.lower())
        longest = _number(bounds.get("maxLength")) or (float(told[1]) if told else None)
    return InputField(
        name,
        kind,
        default=_fitting(kind, default, words),
        choices=words if kind in ("choice", "size") else (),
        minimum=minimum,
        maximum=maximum,
        longest=int(longest or 0),
        label=_line(str(about.get("title") or "")),
        description=_line(re.sub(r"\s*Default value: `.*$", "", says)),
    )


def _words(way: Mapping[str, Any]) -> list[str]:
    """The texts that a value can be."""
    listed = way.get("enum")
    listed = listed if isinstance(listed, list) else [way.get("const")]
    return [word for word in listed if isinstance(word, str)]


def _types(way: Mapping[str, Any]) -> set[Any]:
    """Of what type a value is, by its names; None where that is not said."""
    said = way.get("type")
    several = said if isinstance(said, list) else [said]
    return {one if isinstance(one, str) else None for one in several} - {"null"}


def _kind(name: str, ways: list[Mapping[str, Any]], words: tuple[str, ...]) -> FieldKind | None:
    types = set().union(*map(_types, ways))
    sized_ = any(
        isinstance(within := way.get("properties"), Mapping) and {"width", "height"} <= set(within)
        for way in ways
    )
    if sized_ and name.endswith("size"):
        return "size"
    if words and types <= {"string", None, "object"}:
        return "choice"
    if re.search(r"(^|_)(urls?|image|images|mask)$", name) and types <= {"string", "array"}:
        if _OTHER_MEDIA.search(name) and not re.search(r"(image|mask)s?(_urls?)?$", name):
            return None
        return "images" if "array" in types else "image"
    if types == {"array"} or "object" in types or len(types) > 2:
        return None
    for kind, type_ in (("bool", "boolean"), ("float", "number"), ("int", "integer")):
        if type_ in types:
            return kind  # pyright: ignore[reportReturnType]
    return "text" if types == {"string"} else None


def _role(field: InputField, taken: Fields, endpoint: str) -> str:
    """What of ours an image field is for; "" for nothing, "reference" for the next of them."""
    name, says = field.name.lower(), field.description.lower()
    if "mask" in name:
        return "mask" if field.kind == "image" else ""
    if _OTHER_GUIDES.search(name):
        return ""
    if "depth" in name:
        return "depth"
    if "normal" in name:
        return "normal"
    if "control" in name:
        about = f"{says} {endpoint}"
        return next((role for role in ("depth", "normal") if role in about), "")
    if re.search(r"(^|_)(reference|ref|style|ip_adapter|subject|redux)(_|$)", name):
        return "images" if field.kind == "images" else "reference"
    if field.kind == "images":
        return "images"
    if not _PLAIN_IMAGE.fullmatch(name):
        return ""
    if re.search(r"\bdepth\b", says) or _is_guided_by_depth(taken, endpoint):
        return "depth"
    if re.search(r"\bnormals?\b", says):
        return "normal"
    if re.search(r"control\s?net", says) and any("depth" in one.choices for one in taken.values()):
        return "depth"
    return "color"


def _is_guided_by_depth(taken: Fields, endpoint: str) -> bool:
    """Whether a plain image is a depth map by the model's own name: it draws, and has no other
    field for one."""
    other = any("control" in name or "depth" in name for name in taken if name.endswith("url"))
    return "depth" in endpoint and "prompt" in taken and not other


# ---- options and sizes -------------------------------------------------------------------------


def _option(field: InputField) -> dict[str, Any] | None:
    default, choices, kind = field.default, field.choices, field.kind
    if kind == "choice":
        choices = tuple(word for word in choices if not _NOT_PIXELS.search(word.lower()))
        if field.name in ("output_format", "format", "image_format") and "png" in choices:
            default = "png"
        elif default is None:
            choices = (LEFT_OUT, *(word for word in choices if word != LEFT_OUT))
            default = LEFT_OUT
    elif kind == "text" and default is None:
        default = ""
    if default is None:
        return None  # a number that the provider finds by itself, and nothing stands for that
    bounded = kind in ("int", "float")
    low, high = (field.minimum, field.maximum) if bounded else (None, None)
    if isinstance(default, (int, float)) and (
        (low is not None and default < low) or (high is not None and default > high)
    ):
        return None
    words = re.sub(r"^num (?=inference )|^enable ", "", field.name.replace("_", " "))
    return {
        "id": field.name,
        "label": field.label or words.title(),
        "kind": kind,
        "default": float(default) if kind == "float" else default,
        "description": field.description,
        "choices": tuple(dict.fromkeys(choices)),
        "minimum": low,
        "maximum": high,
    }


def _sizes(taken: Fields, own: Mapping[str, str]) -> dict[str, Any]:
    if "size" in own or "width" in own:
        sizes: dict[str, Any] = {"kind": "any", "step": 16, "max_edge": 4096, "max_ratio": 4.0}
        size = taken.get(own.get("size", ""))
        if size is not None and size.minimum:
            sizes["min_pixels"] = int(size.minimum)
        sizes["max_pixels"] = int(size.maximum) if size is not None and size.maximum else 4194304
        return sizes
    if "aspect" in own:
        shapes = taken[own["aspect"]].choices
        return {"kind": "ratios", "list": [s for s in shapes if re.fullmatch(r"[\d.]+:[\d.]+", s)]}
    times = taken.get("upscale_factor")
    if times is not None and times.kind in ("int", "float") and times.default is not None:
        return {"kind": "source", "step": 1, "times": "upscale_factor"}
    return {"kind": "source", "step": 1}


def most_images(taken: Fields, where: Mapping[str, str]) -> int:
    if "images" in where:
        return int(taken[where["images"]].maximum or _MOST_IMAGES)
    return sum(1 for role in where if role != "mask")


def _fitting(kind: FieldKind, default: Any, words: tuple[str, ...]) -> Any:
    """The default if it is one; None where the provider decides."""
    if kind == "choice":
        return default if default in words else None
    if kind == "bool":
        return default if isinstance(default, bool) else None
    if kind == "text":
        return default if isinstance(default, str) else None
    number = _number(default)
    if number is None:
        return None
    return int(number) if kind == "int" and number.is_integer() else number


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e15:
        return None
    return float(value)


def _line(text: str) -> str:
    """Its first sentence, without the full stop."""
    first = re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".")
    first = "".join(char for char in first if char.isprintable())
    return first if len(first) <= _DESCRIBED else f"{first[: _DESCRIBED - 1].rstrip()}…"
