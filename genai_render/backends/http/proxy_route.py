# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy leads to a server: the one that is named, or the computer's own."""

from __future__ import annotations

import urllib.parse

from ...core.errors import InvalidInput
from ...core.keys.credentials import Secret
from .errors import plain
from .proxies import NO_PROXY, SYSTEM_PROXY
from .reach import is_loopback


def proxy_for(
    setting: str, origin: str
) -> tuple[str, tuple[bytes | str, bytes | str] | None] | None:
    """The proxy's address and its name and password; None for a direct connection."""
    parts = urllib.parse.urlsplit(origin)
    host = parts.hostname or ""
    if setting in (NO_PROXY, "") or is_loopback(host):
        return None
    address = setting
    if setting == SYSTEM_PROXY:
        from urllib.request import getproxies, proxy_bypass  # not needed to start

        known = getproxies()
        address = known.get(parts.scheme) or known.get("all") or ""
        if not address or proxy_bypass(host):
            return None
        if "://" not in address:
            address = f"http://{address}"
    proxy = urllib.parse.urlsplit(address)
    if proxy.scheme != "http" or not proxy.hostname:
        raise InvalidInput(
            f'The proxy "{plain(proxy.scheme)}://{plain(proxy.hostname)}" cannot be used.',
            "Only HTTP proxies can.",
            "Set another in the add-on's preferences.",
        )
    auth = None
    if proxy.username:
        # Known as a secret, so that it is taken out of every text.
        word = Secret(urllib.parse.unquote(proxy.password or ""))
        auth = (urllib.parse.unquote(proxy.username).encode(), word.reveal().encode())
    at = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
    return f"http://{at}:{proxy.port or 80}", auth
