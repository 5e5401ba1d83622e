# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors say what happened in one line, end a command with the right code, and can be passed on."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core import errors
from genai_render.core.errors import Cancelled, GenAIError
from genai_render.core.events import CancelToken


def subclasses(kind: type[GenAIError]) -> list[type[GenAIError]]:
    """The kinds of error in core/errors.py: what people and scripts can meet."""
    found = [kind]
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            found += subclasses(child)
    return found


KINDS = subclasses(GenAIError)


def test_the_exit_codes_are_those_that_the_command_line_promises():
    assert {kind.__name__: kind.exit_code for kind in KINDS} == {
        "GenAIError": 1,
        "InvalidInput": 2,
        "ImageError": 2,
        "StorageError": 2,
        "NotFound": 2,
        "Refused": 3,
        "CredentialsError": 4,
        "ServerError": 5,
        "OverBudget": 6,
        "SceneError": 7,
        "Cancelled": 130,
    }
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_can_be_passed_between_processes(kind):
    error = kind("It broke.", "The disk\nis full.", "Free some space.")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert again.to_json() == error.to_json()
        assert str(again) == error.text == "It broke. The disk is full. Free some space."


@given(st.text(), st.text(), st.text())
def test_the_message_is_always_one_line(what, why, action):
    text = GenAIError(what, why, action).text
    assert len(text.splitlines()) <= 1
    assert text == text.strip()
    assert GenAIError(what, why, action).to_json()["what"] == what


def test_cancelled_needs_no_words():
    assert Cancelled().text == "Cancelled."


def test_a_cancel_reaches_a_worker_that_waits():
    token = CancelToken()
    token.check()
    assert not token.cancelled
    assert not token.wait(0)
    told = []
    worker = threading.Thread(target=lambda: told.append(token.wait(60)))
    worker.start()
    token.cancel()
    worker.join(30)
    assert told == [True]
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.check()
