# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: where they come from, whom they may be sent to, and how they stay out of everything else.

A key is read from the environment, else from the operating system's keyring; it is never written
to a file. It belongs to one origin ("https://api.openai.com") and goes nowhere else.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from ..errors import CredentialsError, InvalidInput
from . import known_secrets
from .redaction import REMOVED, redact_keys

if TYPE_CHECKING:
    from ..provider import Provider

SERVICE = "genai_render"
"""The name under which keys stand in the operating system's keyring."""

IN_KEYRING = "the system keyring"
"""Where a key comes from (`Credential.source`) that the preferences can remove."""

# A key as a provider shows it back, with its middle starred out: its ends are still part of it.
_MASKED = re.compile(r"\b(?:sk-|AIza)[\w.-]*\*[\w*.-]*")


class Secret:
    """A key. Shown, formatted, pickled or put in JSON it never gives its value; `reveal` does."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        known_secrets.remember(value)

    def reveal(self) -> str:
        """The value, for the one place that sends it."""
        return self.__value

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.__value == self.__value

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __repr__(self) -> str:
        return f"Secret({REMOVED!r})" if self else "Secret('')"

    def __str__(self) -> str:
        return REMOVED if self else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled")


def redact(text: str) -> str:
    """The text without any key that was ever used here, nor anything that looks like one."""
    return redact_keys(_MASKED.sub(REMOVED, known_secrets.hidden(text)), known_secrets.SHORTEST)


def origin_of(url: str) -> str:
    """ "https://host" or "https://host:port": whom a URL reaches. Raises InvalidInput."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urllib.parse.SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput(
            f'"{redact(url)}" is not the address of a server.',
            action='Write it with its beginning, such as "http://127.0.0.1:8080/v1".',
        )
    if parts.username or parts.password:
        raise InvalidInput(
            "A server's address cannot have a name or password in it.",
            action="Leave them out, and enter the key in its own field.",
        )
    host = f"[{host}]" if ":" in host else host.lower()
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


class Keyring(Protocol):
    """What is used of the `keyring` package."""

    def get_password(self, service: str, username: str, /) -> str | None: ...
    def set_password(self, service: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service: str, username: str, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and where it came from, in words: "the environment variable OPENAI_API_KEY"."""

    secret: Secret
    source: str


class Credentials:
    """Looks keys up, and keeps and forgets those in the keyring. Safe in any thread.

    environ, keyring: in place of the process's environment and the system's keyring.
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, keyring: Keyring | None = None
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._given = keyring

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables that it looks at."""
        return self._environ

    def base_url(self, provider: Provider, configured: str = "") -> str:
        """Where the provider is reached: as configured, else the environment's, else its own."""
        said = configured.strip() or self._variable(provider.base_url_variable)
        return (said or provider.base_url).rstrip("/")

    def find(self, provider: Provider, base_url: str) -> Credential | None:
        """The key for that address, or None if there is none.

        A key from the environment goes only to the provider itself, or to where the environment
        says that the provider is; one from the keyring only to the origin it was entered for.
        A keyring that cannot be opened counts as empty.
        """
        origin = origin_of(base_url)
        for name in provider.variables:
            value = self._variable(name)
            if value:
                if self._environment_reaches(provider, origin):
                    return Credential(Secret(value), f"the environment variable {name}")
                break
        try:
            value = self._keyring().get_password(SERVICE, origin)
        except Exception:
            return None  # said by `store`, where the user can do something about it
        return Credential(Secret(value), IN_KEYRING) if value else None

    def need(self, provider: Provider, base_url: str) -> Credential:
        """As `find`. Raises CredentialsError where there is no key."""
        credential = self.find(provider, base_url)
        if credential is not None:
            return credential
        origin = origin_of(base_url)
        host = urllib.parse.urlsplit(origin).netloc
        unused = next((name for name in provider.variables if self._variable(name)), "")
        if unused:
            raise CredentialsError(
                f"There is no key for {host}.",
                f"The one in {unused} is for {provider.label} itself and is not sent elsewhere.",
                "Enter a key for this address in the add-on's preferences.",
            )
        where = f" or set {provider.variables[0]}" if provider.variables else ""
        page = f" Get one at {provider.key_page}" if provider.key_page else ""
        raise CredentialsError(
            f"There is no key for {provider.label}.",
            action=f"Enter it in the add-on's preferences{where}.{page}",
        )

    def store(self, base_url: str, value: str) -> None:
        """Keep a key in the system keyring, for that address only.

        Raises CredentialsError if there is no keyring that keeps it safely, InvalidInput for what
        cannot be a key.
        """
        key = value.strip()
        if (
            len(key) < known_secrets.SHORTEST
            or not key.isascii()
            or not key.isprintable()
            or " " in key
        ):
            raise InvalidInput(
                "This is not a key.", action="Copy it again, whole and without anything else."
            )
        secret = Secret(key)
        self._change("kept", lambda ring, origin: ring.set_password(SERVICE, origin, key), base_url)
        del secret

    def delete(self, base_url: str) -> None:
        """Forget the key for that address. Raises CredentialsError if the keyring refuses."""

        def forget(ring: Keyring, origin: str) -> None:
            if ring.get_password(SERVICE, origin) is not None:
                ring.delete_password(SERVICE, origin)

        self._change("deleted", forget, base_url)

    def _change(self, done: str, change: Any, base_url: str) -> None:
        origin = origin_of(base_url)
        ring = self._keyring()
        why = None
        try:
            change(ring, origin)
        except Exception as error:
            why = redact(f"({type(error).__name__}: {error})")
        if why is not None:  # outside, so that the library's exception is not dragged along
            raise CredentialsError(
                f"The key could not be {done}: the system keyring refused.",
                why,
                "Unlock the keyring, or set the key in the environment.",
            )

    def _variable(self, name: str) -> str:
        return self._environ.get(name, "").strip() if name else ""

    def _environment_reaches(self, provider: Provider, origin: str) -> bool:
        said = self._variable(provider.base_url_variable)
        if said:
            return origin_of(said) == origin
        if origin == origin_of(provider.base_url):
            return True
        parts = urllib.parse.urlsplit(origin)
        return bool(
            provider.own_domain
            and parts.scheme == "https"
            and parts.port is None
            and (parts.hostname or "").endswith("." + provider.own_domain)
        )

    def _keyring(self) -> Keyring:
        if self._given is not None:
            return self._given
        try:
            import keyring
        except ImportError:
            raise CredentialsError(
                "There is no keyring on this computer that genai_render can use.",
                action=_USE_ENVIRONMENT,
            ) from None
        ring = keyring.get_keyring()
        if not _keeps_safely(ring):
            raise CredentialsError(
                "This computer's keyring does not keep keys safely, so it is not used.",
                f"({type(ring).__module__})",
                _USE_ENVIRONMENT,
            )
        return cast(Keyring, ring)


_USE_ENVIRONMENT = "Set the key in the environment instead."

# Others keep keys in plain files, or nowhere.
_SAFE = ("macOS", "Windows", "SecretService", "libsecret", "kwallet")


def _keeps_safely(ring: Any) -> bool:
    module = type(ring).__module__
    if module == "keyring.backends.chainer":
        return all(_keeps_safely(part) for part in ring.backends) and bool(ring.backends)
    return module.startswith("keyring.backends.") and module.split(".")[2] in _SAFE
