# SPDX-License-Identifier: GPL-3.0-or-later
"""An image says what made it, and says it without its pixels being touched."""

from __future__ import annotations

import io
import json
import struct
import xml.dom.minidom
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from genai_render.core.errors import ImageError
from genai_render.core.image import containers, images, metadata
from genai_render.core.image.metadata import (
    COMPOSITE,
    CREATION,
    TRAINED,
    Metadata,
    convert,
    embed,
    read_metadata,
    read_xmp,
)

REQUEST = {
    "prompt": 'a "cat" & <b>\n猫 🐈 ]]> \\u0041 \x1f',
    "model": "openai",
    "style": "comic",
    "seed": 7,
    "options": {"strength": 0.5},
}
FORMATS = ("png", "webp", "jpeg", "webp-lossless", "webp-opaque", "png-grey")

PROVIDER_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'rdf:about="" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{attributes}>'
    "<photoshop:Credit>Made with Google AI</photoshop:Credit></rdf:Description></rdf:RDF>"
    '</x:xmpmeta><?xpacket end="w"?>'
)


def picture(kind: str, **options) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (21, 34, 4), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if kind in ("jpeg", "webp-opaque"):
        image = image.convert("RGB")
    if kind == "png-grey":
        image = image.convert("L")
    if kind == "webp-lossless":
        options = {"lossless": True, "exact": True, **options}
    buffer = io.BytesIO()
    image.save(buffer, kind.partition("-")[0], **options)
    return buffer.getvalue()


def pixel_data(data: bytes) -> bytes:
    """The encoded pixels alone, as they stand in the file."""
    if data.startswith(b"\x89PNG"):
        return b"".join(body for kind, body, _ in containers.png_chunks(data) if kind == b"IDAT")
    if data.startswith(b"RIFF"):
        kinds = (b"VP8 ", b"VP8L", b"ALPH")
        return b"".join(body for kind, body, _ in containers.webp_chunks(data) if kind in kinds)
    return data[data.rindex(b"\xff\xda") :]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_is_read_again_and_the_pixels_stay_byte_for_byte(kind):
    data = picture(kind)
    wanted = Metadata(REQUEST, COMPOSITE)
    out = embed(data, wanted)
    assert read_metadata(out) == wanted
    assert read_metadata(data) is None
    assert pixel_data(out) == pixel_data(data)
    assert len(pixel_data(out)) > 100
    assert np.array_equal(images.decode(out), images.decode(data))
    with Image.open(io.BytesIO(out)) as image:  # and for everybody else it is a valid file
        image.load()
        assert image.size == (34, 21)
    xml.dom.minidom.parseString((read_xmp(out) or "").encode())


@pytest.mark.parametrize("kind", FORMATS)
def test_other_programs_find_it_where_they_look(kind):
    out = embed(picture(kind), Metadata(REQUEST, TRAINED))
    uri = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    with Image.open(io.BytesIO(out)) as image:
        image.load()
        xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
        assert f"<Iptc4xmpExt:DigitalSourceType>{uri}</".encode() in xmp
        if kind.startswith("png"):
            assert json.loads(image.info["genai_render"]) == REQUEST
        else:
            comment = image.getexif().get_ifd(0x8769)[0x9286]
            assert comment.startswith(b"ASCII\0\0\0")
            assert json.loads(comment[8:]) == REQUEST


@pytest.mark.parametrize("kind", FORMATS)
def test_the_latest_request_replaces_the_one_before(kind):
    once = embed(picture(kind), Metadata(REQUEST, TRAINED))
    again = embed(once, Metadata({**REQUEST, "prompt": "a dog"}, COMPOSITE))
    found = read_metadata(again)
    assert found is not None
    assert found.request is not None
    assert (found.request["prompt"], found.source_type) == ("a dog", COMPOSITE)
    assert b"trainedAlgorithmicMedia<" not in again
    assert len(embed(again, Metadata(REQUEST, COMPOSITE))) - len(again) < 200


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
@pytest.mark.parametrize(
    "attributes",
    [
        "",
        ' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
        'trainedAlgorithmicMedia"',
    ],
)
def test_what_the_provider_declared_stays(kind, attributes):
    packet = PROVIDER_XMP.format(attributes=attributes)
    if kind == "png":
        plain = picture(kind)
        chunk = containers.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet.encode())
        data = plain[:33] + chunk + plain[33:]
    else:
        data = picture(kind, xmp=packet.encode())
    assert read_xmp(data) == packet
    out = embed(data, Metadata(REQUEST, COMPOSITE))
    xmp = read_xmp(out) or ""
    assert "Made with Google AI" in xmp
    xml.dom.minidom.parseString(xmp.encode())
    assert xmp.count("DigitalSourceType") == (1 if attributes else 2)  # one value, never two
    found = read_metadata(out)
    assert found is not None
    assert found.source_type == (TRAINED if attributes else COMPOSITE)
    assert found.request == REQUEST

    for other in ("png", "webp", "jpeg"):  # and goes along into another format
        carried = convert(data, other, metadata=Metadata(REQUEST, COMPOSITE))
        assert "Made with Google AI" in (read_xmp(carried) or "")
        assert "Made with Google AI" in (read_xmp(convert(data, other)) or "")


def c2pa(kind: str, data: bytes) -> tuple[bytes, bytes]:
    """The file with a provenance manifest (of no meaning) where C2PA puts it, and its bytes."""
    manifest = b"jumb" + bytes(range(256)) * 3
    if kind == "png":
        part = containers.png_chunk(b"caBX", manifest)
        return data[:33] + part + data[33:], part
    if kind == "jpeg":
        part = containers.jpeg_segment(0xEB, b"JP\0\1\0\0\0\1" + manifest)
        return data[:20] + part + data[20:], part
    part = containers.webp_chunk(b"C2PA", manifest)
    body = data[8:] + part
    return b"RIFF" + struct.pack("<I", len(body)) + body, part


@pytest.mark.parametrize("kind", ["png", "webp", "webp-lossless", "jpeg"])
def test_the_providers_provenance_mark_stays(kind):
    data, part = c2pa(kind.partition("-")[0], picture(kind))
    assert images.decode(data).shape[:2] == (21, 34)
    out = embed(data, Metadata(REQUEST, TRAINED))
    assert part in out
    assert read_metadata(out) == Metadata(REQUEST, TRAINED)
    assert pixel_data(out) == pixel_data(data)
    if kind == "png":  # where it was: the manifest names its own place in the file
        assert out.index(part) == data.index(part)


@pytest.mark.parametrize("kind", ["webp", "jpeg"])
def test_the_exif_that_is_there_stays(kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    data = picture(kind, exif=exif)
    out = embed(data, Metadata(REQUEST, COMPOSITE))
    with Image.open(io.BytesIO(out)) as image:
        assert dict(image.getexif()) == {0x0112: 6, 0x010F: "Camera"}
    assert read_metadata(out) == Metadata(REQUEST, COMPOSITE)
    assert np.array_equal(images.decode(out), images.decode(data))


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_xmp_that_nobody_can_read_stays_as_it_is(kind):
    for packet in (b"\xff\xfe not text", b"no RDF in here", b"<rdf:RDF>"):
        if kind == "png":
            plain = picture(kind)
            chunk = containers.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
            data = plain[:33] + chunk + plain[33:]
        else:
            data = picture(kind, xmp=packet)
        out = embed(data, Metadata(REQUEST, TRAINED))
        assert packet in out
        found = read_metadata(out)
        assert found is not None
        assert found.request == REQUEST  # beside it, in iTXt or EXIF


def test_a_request_that_is_too_long_loses_what_says_least():
    long = {**REQUEST, "scene_text": "x" * 50_000, "options": {"a": "y" * 60_000}}
    for kind in ("png", "webp", "jpeg"):
        out = embed(picture(kind), Metadata(long, TRAINED))
        found = read_metadata(out)
        assert found is not None
        assert found.request == {k: REQUEST[k] for k in ("prompt", "model", "style", "seed")}
        endless = embed(picture(kind), Metadata({"prompt": "猫" * 10**6}, TRAINED))
        assert len(endless) < len(picture(kind)) + 3 * metadata.MAX_JSON_BYTES
        assert (read_metadata(endless) or Metadata()).source_type == TRAINED


def test_a_text_bomb_in_a_png_is_not_unpacked():
    plain = picture("png")
    bomb = zlib.compress(b"x" * 50_000_000, 9)
    chunk = containers.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    data = plain[:33] + chunk + plain[33:]
    assert read_metadata(data) is None
    assert read_xmp(data) is None
    packed = zlib.compress(json.dumps(REQUEST).encode())
    chunk = containers.png_chunk(b"iTXt", b"genai_render\0\1\0\0\0" + packed)
    found = read_metadata(plain[:33] + chunk + plain[33:])
    assert found is not None
    assert found.request == REQUEST


@given(st.data())
def test_damaged_files_are_read_as_far_as_possible_or_refused(data):
    kind = data.draw(st.sampled_from(["png", "webp", "jpeg"]))
    whole = bytearray(embed(picture(kind), Metadata(REQUEST, TRAINED)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    whole = whole[: data.draw(st.integers(1, len(whole)))]
    try:
        read_metadata(bytes(whole))
        embed(bytes(whole), Metadata(REQUEST, COMPOSITE))
    except ImageError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json_values, min_size=1, max_size=4))
def test_any_request_comes_back(request):
    for kind in ("png", "webp", "jpeg"):
        found = read_metadata(embed(PICTURES[kind], Metadata(request, TRAINED)))
        assert found == Metadata(request, TRAINED)


PICTURES = {kind: picture(kind) for kind in ("png", "webp", "jpeg")}


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
@pytest.mark.parametrize("other", ["png", "webp", "jpeg"])
def test_a_format_change_keeps_what_the_file_says(kind, other):
    said = embed(picture(kind), Metadata(REQUEST, COMPOSITE))
    assert read_metadata(convert(said, other)) == Metadata(REQUEST, COMPOSITE)
    assert images.probe(convert(said, other)).format == other
    if kind == other:
        assert convert(said, other) is said


def test_the_source_type_is_what_the_iptc_means():
    ai = embed(picture("png"), Metadata(None, TRAINED))
    mixed = embed(picture("png"), Metadata(None, COMPOSITE))
    unknown = picture("jpeg")
    of = metadata.source_type
    assert of(ai=True, has_canvas=False) == TRAINED
    assert of(ai=True, has_canvas=True) == COMPOSITE
    assert of(ai=True, has_canvas=False, source=ai) == TRAINED
    assert of(ai=True, has_canvas=False, source=mixed) == COMPOSITE
    assert of(ai=True, has_canvas=False, source=unknown) == COMPOSITE
    assert of(ai=False, has_canvas=True) == CREATION  # our own shading of the user's scene
    assert of(ai=False, has_canvas=False) == ""
    assert of(ai=False, has_canvas=True, source=ai) == TRAINED  # a filter does not wash it off
    assert of(ai=False, has_canvas=False, source=unknown) == ""
