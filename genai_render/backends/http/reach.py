# SPDX-License-Identifier: GPL-3.0-or-later
"""How near an address is: this computer, the local network, or the whole world.

What a server tells us to fetch may be no nearer than the server itself: an answer from the
internet must not make this computer ask the router, or a program that listens here only.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
import urllib.parse

# Shared between the customers of a provider, and what stands for IPv4 in IPv6.
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))


class Reach(enum.Enum):
    HERE = "this computer"
    LOCAL = "the local network"
    PUBLIC = "the internet"


def is_loopback(host: str) -> bool:
    """True for this computer itself. No name is looked up: that alone would send a packet."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def reach_of(address: str) -> Reach:
    """Of a numeric address. Raises ValueError for anything else."""
    found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in network for network in _TRANSLATED):
            return Reach.LOCAL  # it leads to an IPv4 address of anybody's choice
    if found.is_loopback or found.is_unspecified:
        return Reach.HERE
    if not found.is_global or found.is_multicast or (found.version == 4 and found in _SHARED):
        return Reach.LOCAL
    return Reach.PUBLIC


def reach_of_name(host: str) -> Reach | None:
    """As far as the name itself says; None where only looking it up would tell."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return Reach.HERE
    try:
        return reach_of(name)
    except ValueError:
        pass
    if "." not in name or name.endswith((".local", ".lan", ".home", ".internal", ".home.arpa")):
        return Reach.LOCAL
    if name.rpartition(".")[2].isdigit() or name.startswith("0x"):
        return Reach.LOCAL  # an address in a form of old, such as 127.1 or 2130706433
    return None


def reach_of_server(origin: str) -> Reach:
    """Where a server is: by its name if that says so, else by looking it up, which may wait."""
    host = urllib.parse.urlsplit(origin).hostname or ""
    named = reach_of_name(host)
    if named is not None:
        return named
    try:
        found = {reach_of(str(entry[4][0])) for entry in socket.getaddrinfo(host, None)}
    except (OSError, ValueError, UnicodeError):
        return Reach.PUBLIC
    return Reach.PUBLIC if Reach.PUBLIC in found else found.pop()


def may_be_fetched(url: str, server: Reach) -> bool:
    """Whether an address that a server gave may be asked, as far as its name says: it must be
    where the server is, or on the internet and encrypted. The connection looks again."""
    parts = urllib.parse.urlsplit(url)
    named = reach_of_name(parts.hostname or "")
    if named is None:
        return parts.scheme == "https" or server is Reach.LOCAL
    return named is server or (named is Reach.PUBLIC and parts.scheme == "https")
