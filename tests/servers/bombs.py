# SPDX-License-Identifier: GPL-3.0-or-later
"""A little that becomes a lot when it is unpacked."""

from __future__ import annotations

import struct
import zlib


def zeros(megabytes: int) -> bytes:
    """So many of zeros, as gzip: a thousandth of that. One is packed, and repeated."""
    piece = bytes(2**20)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(megabytes):
        check = zlib.crc32(piece, check)
    head = b"\x1f\x8b\x08" + bytes(6) + b"\x03"
    tail = b"\x03\x00" + struct.pack("<II", check, megabytes * len(piece) & 0xFFFFFFFF)
    return head + packed * megabytes + tail
