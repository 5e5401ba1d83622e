# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that a server sends back, in any spelling that can be turned back, is not kept or shown."""

from __future__ import annotations

import base64
import codecs
import io
import json
import urllib.parse
import zlib

import pytest
from history_samples import pixels, request, result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images
from genai_render.core.image.image_secrets import without_secrets
from genai_render.core.keys import known_secrets
from genai_render.core.keys.credentials import Secret, redact
from genai_render.core.keys.redaction import redact_json, redact_keys

KEY = "sk-proj-MARKEDspelling0123456789ABCDEFxyzQ"
PASSWORD = "Tr0ub4dor3x"

SPELLINGS = {
    "as it is": lambda key: key,
    "upper": str.upper,
    "lower": str.lower,
    "reversed": lambda key: key[::-1],
    "reversed upper": lambda key: key[::-1].upper(),
    "spaced": " ".join,
    "dashed": "-".join,
    "lines": "\n".join,
    "two by two": lambda key: " ".join(key[at : at + 2] for at in range(0, len(key), 2)),
    "percent": lambda key: "".join(f"%{ord(char):02X}" for char in key),
    "percent here and there": lambda key: "".join(
        f"%{ord(char):02x}" if at % 3 else char for at, char in enumerate(key)
    ),
    "quoted": lambda key: urllib.parse.quote(key, safe=""),
    "entities": lambda key: "".join(f"&#{ord(char)};" for char in key),
    "hex entities": lambda key: "".join(f"&#x{ord(char):x};" for char in key),
    "escaped": lambda key: "".join(f"\\u{ord(char):04x}" for char in key),
    "bytes": lambda key: "".join(f"\\x{ord(char):02x}" for char in key),
    "hex": lambda key: key.encode().hex(),
    "hex upper": lambda key: key.encode().hex().upper(),
    "hex spaced": lambda key: key.encode().hex(" "),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 url": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base64 of the header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
    "base64 in lines": lambda key: base64.encodebytes(f"xy {key} z".encode()).decode(),
    "base64 of the reverse": lambda key: base64.b64encode(key[::-1].encode()).decode(),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "rot13": lambda key: codecs.encode(key, "rot13"),
    "wide": lambda key: key.encode("utf-16-le").decode("latin-1"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("key", [KEY, PASSWORD], ids=["key", "password"])
def test_a_key_is_found_in_any_spelling(key: str, spelling: str):
    if key == PASSWORD and spelling in ("two by two",):
        pytest.skip("for a short one this is found in ordinary words, too")
    Secret(f"ada:{key}" if key == PASSWORD else key)
    written = SPELLINGS[spelling](key)
    for text in (f"It says: {written}, and more.", written, f'{{"a": "{written}"}}'):
        assert known_secrets.holds(text)
        cleaned = redact(text)
        assert known_secrets.REMOVED in cleaned
        assert not known_secrets.holds(cleaned)
        for at in range(0, len(written) - 12, 4):
            assert written[at : at + 12] not in cleaned
    assert redact(f"before {written} after").startswith("before")


@given(st.text(max_size=60))
def test_ordinary_texts_stay_as_they_are(text: str):
    Secret("sk-proj-NEVERin0rdinaryT3xts")
    secretless = known_secrets.hidden(text, known_secrets.LONG)
    assert secretless == text or known_secrets.REMOVED in secretless


def test_ordinary_words_are_not_taken_for_a_short_password():
    Secret("ada:admin7")
    for text in ("I had minor 7 troubles", "a dm in 7", "Golden hour over the harbour, 16:9"):
        assert known_secrets.hidden(text) == text
    assert known_secrets.hidden("it is ADMIN7!") == "it is [removed]!"


def test_a_users_own_words_keep_a_word_that_is_also_a_password():
    Secret("ada:watercolor")
    assert redact_keys("a watercolor of a harbour") == "a watercolor of a harbour"
    assert redact_json({"said": "watercolor"}, known_secrets.SHORTEST) == {"said": "[removed]"}


def described(kind: str, written: str, where: str) -> bytes:
    """An image whose metadata says it."""
    image, buffer = Image.fromarray(pixels()), io.BytesIO()
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "A honest painter")
        if where == "plain":
            info.add_text("Comment", written)
        elif where == "packed":
            info.add_text("Comment", written, zip=True)
        else:
            info.add_itxt("XML:com.adobe.xmp", f"<x>{written}</x>", zip=True)
        image.save(buffer, "PNG", pnginfo=info)
        return buffer.getvalue()
    exif = Image.Exif()
    exif[0x0131] = written if where == "plain" else "A painter"
    more = {"xmp": f"<x>{written}</x>".encode()} if where == "xmp" else {}
    if kind == "jpeg":
        if where == "packed":
            more = {"comment": written}
        image.save(buffer, "JPEG", exif=exif, **more)
    else:
        if where == "packed":
            more = {"icc_profile": zlib.compress(written.encode())}
        image.save(buffer, "WEBP", exif=exif, lossless=True, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("spelling", ["as it is", "reversed", "base64 of the header", "percent"])
@pytest.mark.parametrize("where", ["plain", "packed", "xmp", "behind"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_key_in_an_images_metadata_is_not_kept(tmp_path, kind, where, spelling):
    Secret(KEY)
    written = SPELLINGS[spelling](KEY)
    data = described(kind, "nothing" if where == "behind" else written, where)
    if where == "behind":
        data += f"\0{written}".encode()
    clean = without_secrets(data)
    assert not known_secrets.holds(clean.decode("latin-1"))
    with Image.open(io.BytesIO(clean)) as image:
        image.load()
        assert KEY not in json.dumps({k: str(v) for k, v in image.info.items()})
        assert KEY not in str(dict(image.getexif()))
    before, after = images.decode(data), images.decode(clean)
    assert (before == after).all()  # every pixel
    from dataclasses import replace

    with HistoryStore(tmp_path / "history") as store:
        item = store.add(request(), replace(result(), image=data, mime=f"image/{kind}"))
        for path in item.folder.rglob("*"):
            if path.is_file():
                assert not known_secrets.holds(path.read_bytes().decode("latin-1"))
        assert store.check(item.id) == []


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_an_image_without_a_key_stays_byte_by_byte(kind):
    Secret(KEY)
    for where in ("plain", "packed", "xmp"):
        data = described(kind, "a harbour at noon", where)
        assert without_secrets(data) == data


def test_what_an_honest_program_wrote_stays():
    Secret(KEY)
    data = described("png", KEY, "plain")
    with Image.open(io.BytesIO(without_secrets(data))) as image:
        assert image.info["Software"] == "A honest painter"
        assert "Comment" not in image.info
