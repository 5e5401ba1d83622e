# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image file says about itself: the request that made it, and whether AI did.

The pixels are never encoded again for that: chunks are put into the file's own structure, and all
that was there (a provider's XMP, EXIF, C2PA manifest) stays. A C2PA signature covers the whole
file, so it will say that the file was changed since; the untouched one is in History.

PNG:  iTXt "genai_render" (the request as JSON) and iTXt "XML:com.adobe.xmp".
JPEG: APP1 with XMP, and APP1 with EXIF (UserComment: the request) if there was no EXIF.
WebP: chunk "XMP ", and "EXIF" likewise.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import lazy
from . import containers, images

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = lazy.module("PIL.Image")

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
CREATION = "digitalCreation"

MAX_JSON_BYTES = 40_000
_MAX_XMP_BYTES = 2**20
_MAX_JPEG_SEGMENT = 65_533

_KEYWORD = "genai_render"
_NAMESPACE = "urn:x-genai-render:1"
_PNG_XMP = b"XML:com.adobe.xmp"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_EXIF = b"Exif\0\0"
_USER_COMMENT, _EXIF_IFD, _SOFTWARE = 0x9286, 0x8769, 0x0131

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    "</rdf:RDF>\n</x:xmpmeta>\n"
    '<?xpacket end="w"?>'
)
_OURS = re.compile(
    rf'<rdf:Description[^>]*xmlns:genai_render="{_NAMESPACE}".*?</rdf:Description>\n?', re.DOTALL
)
_REQUEST = re.compile(r"<genai_render:request>(.*?)</genai_render:request>", re.DOTALL)
_SOURCE_TYPE = re.compile(
    r"""DigitalSourceType(?:\s*=\s*["']|\s*>\s*|\s[^>]{0,200}?resource\s*=\s*["'])\s*
        (?:https?://cv\.iptc\.org/newscodes/digitalsourcetype/)?([A-Za-z]{1,60})""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is written into an image file, or was found there.

    request: the request as JSON values without keys and paths; None if there is none.
    source_type: the IPTC digital source type's last part, such as "trainedAlgorithmicMedia";
        "" if none is declared.
    """

    request: Mapping[str, Any] | None = None
    source_type: str = ""

    @property
    def ai(self) -> bool:
        """The file says that a generative model took part."""
        return self.source_type in (TRAINED, COMPOSITE)


def source_type(ai: bool, has_canvas: bool, source: bytes | None = None) -> str:
    """The IPTC digital source type of a picture, by IPTC's own definitions.

    ai: a generative model took part. has_canvas: it was made from a view of the user's scene.
    source: the image that was edited, if one was.

    trainedAlgorithmicMedia is media made by a trained model alone; with the user's scene, or as an
    edit of a picture that is not itself such media, it is a composite with it. What our offline
    engine does without a model is none of these, nor is it "algorithmicallyEnhanced", which is for
    corrections of a captured photo: a shaded view of the user's 3D scene is "digitalCreation",
    media made by a human with non-generative tools. An edit without a model keeps what its source
    says, since the model's work is still in it; for a source that says nothing, we say nothing.
    """
    before = ""
    if source is not None:
        found = read_metadata(source)
        before = found.source_type if found else ""
    if ai:
        if has_canvas:
            return COMPOSITE
        return TRAINED if source is None or before == TRAINED else COMPOSITE
    if source is not None:
        return before
    return CREATION if has_canvas else ""


def embed(data: bytes, metadata: Metadata, name: str = "The image") -> bytes:
    """The same file, pixel data byte for byte, with the metadata in it. Raises ImageError.

    A source type and XMP that the file has already stay; an older request of ours is replaced.
    A request of more than MAX_JSON_BYTES is shortened to its most telling parts.
    """
    info = images.probe(data, name)
    try:
        return _EMBEDDERS[info.mime](data, _Writer(metadata, None))
    except containers.Malformed as error:
        raise images.broken(name) from error


def read_metadata(data: bytes) -> Metadata | None:
    """What `embed`, or a provider, wrote into a PNG, JPEG or WebP file; None if nothing.

    Raises ImageError for what is not an image. Damaged metadata counts as none.
    """
    info = images.probe(data)
    request: Mapping[str, Any] | None = None
    xmp = read_xmp(data) or ""
    try:
        if info.mime == "image/png":
            texts = dict(_png_texts(data))
            request = _parse(texts.get(_KEYWORD.encode(), b"").decode("utf-8", "replace"))
        if request is None and (found := _REQUEST.search(xmp)):
            request = _parse(_unescape(found[1]))
        if request is None:
            request = _parse(_exif_comment(data, info.mime))
    except containers.Malformed:
        request = None
    declared = _SOURCE_TYPE.search(xmp)
    if request is None and declared is None:
        return None
    return Metadata(request, declared[1] if declared else "")


def read_xmp(data: bytes) -> str | None:
    """The file's XMP packet; None if it has none, or a damaged one. Raises ImageError."""
    mime = images.probe(data).mime
    found: bytes | None = None
    try:
        if mime == "image/png":
            found = dict(_png_texts(data)).get(_PNG_XMP)
        elif mime == "image/webp":
            found = next(
                (body for kind, body, _ in containers.webp_chunks(data) if kind == b"XMP "), None
            )
        else:
            segments = (
                body for marker, body, _ in containers.jpeg_segments(data) if marker == 0xE1
            )
            found = next((b[len(_JPEG_XMP) :] for b in segments if b.startswith(_JPEG_XMP)), None)
        if found is None or len(found) > _MAX_XMP_BYTES:
            return None
        return found.decode("utf-8")
    except containers.Malformed:
        return None


def convert(
    data: bytes,
    format: images.Format,
    quality: int = 92,
    metadata: Metadata | None = None,
    name: str = "The image",
) -> bytes:
    """An image file in another format, or in its own: then its pixels are not encoded again.

    The XMP that it has goes with it. Raises ImageError, or InvalidInput for an unknown format.
    """
    if images.probe(data, name).format == format:
        return data if metadata is None else embed(data, metadata, name)
    # A JPEG's transparency goes as it is opened: a large picture is not held in both forms.
    out = images.encode(images.decode(data, name, opaque=format == "jpeg"), format, quality)
    carried = read_xmp(data)
    if metadata is None and carried is None:
        return out
    return _EMBEDDERS[images.probe(out).mime](out, _Writer(metadata or Metadata(), carried))


# ---- text ----------------------------------------------------------------------------------------


def _fitting(request: Mapping[str, Any]) -> str:
    """The request as JSON of at most MAX_JSON_BYTES, leaving out what says least first."""
    kept = dict(request)
    for leave_out in (None, "scene_text", "options", "canvas", "references", "used"):
        if leave_out is not None:
            kept.pop(leave_out, None)
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) <= MAX_JSON_BYTES:
            return text
    prompt = str(kept.get("prompt", ""))[: MAX_JSON_BYTES // 12]
    return json.dumps({"prompt": prompt, "model": str(kept.get("model", ""))[:100]})


def _parse(text: str) -> Mapping[str, Any] | None:
    if not text or len(text) > _MAX_XMP_BYTES:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


class _Writer:
    """Makes the texts to embed. carried: XMP for a file that has none of its own."""

    def __init__(self, metadata: Metadata, carried: str | None) -> None:
        self.metadata = metadata
        self.carried = carried

    @property
    def request(self) -> str:
        return "" if self.metadata.request is None else _fitting(self.metadata.request)

    def xmp(self, existing: bytes | None, room: int = _MAX_XMP_BYTES) -> bytes | None:
        """The packet with our description in it; None to leave alone the one that is there.

        room: the most bytes that it may have. What was there comes first, ours gets what is left.
        """
        packet = self.carried
        if existing is not None:
            try:
                packet = existing.decode("utf-8")
            except UnicodeDecodeError:
                return None
        for text in (self.request, ""):
            merged = _merged(packet, self.metadata, text)
            if merged is not None and len(merged.encode()) <= room:
                return merged.encode()
        if existing is None and packet is not None:  # the carried one has no room: ours alone
            return _Writer(self.metadata, None).xmp(None, room)
        return None


def _merged(packet: str | None, metadata: Metadata, text: str) -> str | None:
    """The packet with our description in place of an older one; None if it is not RDF."""
    if packet is None:
        packet = _PACKET
    elif found := _OURS.search(packet):
        packet = _OURS.sub("", packet)
        old_type, old_text = _SOURCE_TYPE.search(found[0]), _REQUEST.search(found[0])
        if not metadata.source_type and old_type:
            metadata = Metadata(metadata.request, old_type[1])
        if not text and metadata.request is None and old_text:
            text = _unescape(old_text[1])
    before, end, after = packet.rpartition("</rdf:RDF>")
    if not end:
        return None
    declared = _SOURCE_TYPE.search(packet) is not None
    return before + _description(metadata, text, declared) + end + after


def _description(metadata: Metadata, text: str, declared: bool) -> str:
    lines = [
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/'
        f'2008-02-29/" xmlns:genai_render="{_NAMESPACE}">'
    ]
    if metadata.source_type and not declared:
        uri = SOURCE_TYPES + metadata.source_type
        lines.append(f"<Iptc4xmpExt:DigitalSourceType>{uri}</Iptc4xmpExt:DigitalSourceType>")
    if metadata.ai and metadata.request and metadata.request.get("model"):
        model = _escape(str(metadata.request["model"])[:200])
        lines.append(f"<Iptc4xmpExt:AISystemUsed>{model}</Iptc4xmpExt:AISystemUsed>")
    if text:
        lines.append(f"<genai_render:request>{_escape(text)}</genai_render:request>")
    lines.append("</rdf:Description>\n")
    return "\n".join(lines)


def _escape(text: str) -> str:
    # XML has no way at all to hold control characters; JSON writes them as \u00xx by itself.
    plain = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", "", text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescape(text: str) -> str:
    return (
        text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", '"')
        .replace("&apos;", "'")
        .replace("&amp;", "&")
    )


def _exif(text: str) -> bytes:
    """EXIF with the request as the user's comment, in ASCII: every reader can show that."""
    plain = text if text.isascii() else json.dumps(json.loads(text))
    comment = b"ASCII\0\0\0" + plain.encode("ascii")
    software = _KEYWORD.encode() + b"\0\0"
    at_software = 8 + 2 + 2 * 12 + 4
    at_details = at_software + len(software)
    at_comment = at_details + 2 + 12 + 4
    return b"".join(
        (
            _JPEG_EXIF,
            struct.pack("<2sHI", b"II", 42, 8),
            struct.pack("<H", 2),
            struct.pack("<HHII", _SOFTWARE, 2, len(_KEYWORD) + 1, at_software),
            struct.pack("<HHII", _EXIF_IFD, 4, 1, at_details),
            struct.pack("<I", 0),
            software,
            struct.pack("<H", 1),
            struct.pack("<HHII", _USER_COMMENT, 7, len(comment), at_comment),
            struct.pack("<I", 0),
            comment,
        )
    )


def _exif_comment(data: bytes, mime: str) -> str:
    body: bytes | None = None
    if mime == "image/jpeg":
        segments = (body for marker, body, _ in containers.jpeg_segments(data) if marker == 0xE1)
        body = next((b for b in segments if b.startswith(_JPEG_EXIF)), None)
    elif mime == "image/webp":
        body = next(
            (body for kind, body, _ in containers.webp_chunks(data) if kind == b"EXIF"), None
        )
    if not body:
        return ""
    exif = Image.Exif()
    try:
        exif.load(body if body.startswith(_JPEG_EXIF) else _JPEG_EXIF + body)
        comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT, b"")
    except Exception:  # a damaged EXIF makes Pillow raise anything at all
        return ""
    if isinstance(comment, str):
        comment = comment.encode("ascii", "ignore")
    return comment.removeprefix(b"ASCII\0\0\0").decode("ascii", "ignore")


# ---- PNG -----------------------------------------------------------------------------------------


def _png_texts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keyword and text of every iTXt chunk that is not too large."""
    for kind, body, _ in containers.png_chunks(data):
        if kind == b"iTXt" and (text := _itxt(body)) is not None:
            yield text


def _itxt(body: bytes) -> tuple[bytes, bytes] | None:
    keyword, _, rest = body.partition(b"\0")
    if len(rest) < 2:
        return None
    compressed = rest[0] == 1
    _, _, rest = rest[2:].partition(b"\0")  # language
    _, _, text = rest.partition(b"\0")  # translated keyword
    if compressed:
        unpacker = zlib.decompressobj()
        try:
            text = unpacker.decompress(text, _MAX_XMP_BYTES)
        except zlib.error:
            return None
        if unpacker.unconsumed_tail:  # a bomb, or nothing of ours
            return None
    return keyword, text


def _embed_png(data: bytes, writer: _Writer) -> bytes:
    ours, text = _KEYWORD.encode(), writer.request
    packet: tuple[bytes | None, slice] | None = None
    dropped, insert_at = [], 0
    for kind, body, where in containers.png_chunks(data):
        if kind == b"IDAT" and not insert_at:
            insert_at = where.start
        if kind == b"iTXt":
            keyword, _, _ = body.partition(b"\0")
            if keyword == ours and text:
                dropped.append(where)
            elif keyword == _PNG_XMP and packet is None:
                found = _itxt(body)
                packet = (found[1] if found else b"\xff", where)
    if not insert_at:
        raise ValueError("no pixels")
    added = b""
    xmp = writer.xmp(packet[0] if packet else None)
    if xmp is not None:
        added = containers.png_chunk(b"iTXt", _PNG_XMP + b"\0\0\0\0\0" + xmp)
        if packet:
            dropped.append(packet[1])
    if text:
        added += containers.png_chunk(b"iTXt", ours + b"\0\0\0\0\0" + text.encode())
    return _splice(data, dropped, insert_at, added)


def _splice(data: bytes, dropped: list[slice], insert_at: int, added: bytes) -> bytes:
    """The bytes without some stretches and with something put in."""
    pieces, at = [], 0
    for edit in sorted([*dropped, slice(insert_at, insert_at)], key=lambda s: (s.start, s.stop)):
        pieces.append(data[at : edit.start])
        if edit.start == edit.stop:
            pieces.append(added)
        at = edit.stop
    return b"".join([*pieces, data[at:]])


# ---- JPEG ----------------------------------------------------------------------------------------


def _embed_jpeg(data: bytes, writer: _Writer) -> bytes:
    packet: tuple[bytes, slice] | None = None
    dropped, insert_at, has_exif, leading = [], 2, False, True
    for marker, body, where in containers.jpeg_segments(data):
        exif = marker == 0xE1 and body.startswith(_JPEG_EXIF)
        has_exif |= exif
        # JFIF and EXIF both want to be first, so ours comes after those that are there.
        leading &= marker == 0xE0 or exif
        if leading:
            insert_at = where.stop
        if marker == 0xE1 and body.startswith(_JPEG_XMP) and packet is None:
            packet = (body[len(_JPEG_XMP) :], where)
    added = b""
    if writer.request and not has_exif:
        exif_body = _exif(writer.request)
        if len(exif_body) <= _MAX_JPEG_SEGMENT:
            added = containers.jpeg_segment(0xE1, exif_body)
    xmp = writer.xmp(packet[0] if packet else None, _MAX_JPEG_SEGMENT - len(_JPEG_XMP))
    if xmp is not None:
        added += containers.jpeg_segment(0xE1, _JPEG_XMP + xmp)
        if packet:
            dropped.append(packet[1])
    return _splice(data, dropped, insert_at, added)


# ---- WebP ----------------------------------------------------------------------------------------

_WEBP_ALPHA, _WEBP_EXIF, _WEBP_XMP = 0x10, 0x08, 0x04


def _embed_webp(data: bytes, writer: _Writer) -> bytes:
    chunks = list(containers.webp_chunks(data))
    bodies = {kind: body for kind, body, _ in reversed(chunks)}  # the first of each kind
    flags, added = 0, b""
    if writer.request and b"EXIF" not in bodies:
        added = containers.webp_chunk(b"EXIF", _exif(writer.request).removeprefix(_JPEG_EXIF))
        flags |= _WEBP_EXIF
    xmp = writer.xmp(bodies.get(b"XMP "))
    if xmp is not None:
        added += containers.webp_chunk(b"XMP ", xmp)
        flags |= _WEBP_XMP
    header = bodies.get(b"VP8X")
    if header is None:
        info = images.probe(data)
        if b"VP8L" in bodies and int.from_bytes(bodies[b"VP8L"][1:5], "little") >> 28 & 1:
            flags |= _WEBP_ALPHA
        sides = (info.width - 1, info.height - 1)
        header = b"\0\0\0\0" + b"".join(side.to_bytes(3, "little") for side in sides)
    header = bytes([header[0] | flags]) + header[1:]
    kept = (
        containers.webp_chunk(kind, body)
        for kind, body, _ in chunks
        if kind != b"VP8X" and not (kind == b"XMP " and xmp is not None)
    )
    body = b"WEBP" + containers.webp_chunk(b"VP8X", header) + b"".join(kept) + added
    return b"RIFF" + struct.pack("<I", len(body)) + body


_EMBEDDERS: Mapping[str, Callable[[bytes, _Writer], bytes]] = {
    "image/png": _embed_png,
    "image/jpeg": _embed_jpeg,
    "image/webp": _embed_webp,
}
