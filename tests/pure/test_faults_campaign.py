# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign of random harm notices what does not hold, and says so with its exit code."""

from __future__ import annotations

import random
import sys
import time

import pytest

from tests.faults import __main__ as command
from tests.faults import broken, campaign

KIND = campaign.Kind("broken", "broken", seconds=1.0)


def seed_of(way: str) -> int:
    return next(seed for seed in range(1000) if broken.way_of(random.Random(seed)) == way)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("holds", ""),
        ("lost", "lost"),
        ("raises", "untyped"),
        ("dies", "died"),
        ("hangs", "stuck"),
        ("late once", ""),
        ("always late", "slow"),
    ],
)
def test_what_does_not_hold_is_noticed(way: str, said: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(campaign, "_AGAIN", 1)
    seed = seed_of(way)
    tally = campaign.run(KIND, seed, time.monotonic() + 60, 1)
    assert tally.runs == 1
    assert dict(tally.bad) == ({said: 1} if said else {})
    assert [number for number, _ in tally.failures] == ([seed] if said else [])
    assert tally.repeated == ([seed] if way == "late once" else [])


def test_too_much_memory_is_noticed(monkeypatch: pytest.MonkeyPatch):
    if campaign._peak() == 0:
        pytest.skip("this system does not tell a process's memory")
    monkeypatch.setattr(campaign, "MAX_BYTES", 1000)
    tally = campaign.run(KIND, seed_of("holds"), time.monotonic() + 60, 1)
    assert dict(tally.bad) == {"memory": 1}


@pytest.mark.parametrize(("way", "code"), [("holds", 0), ("lost", 1)])
def test_the_command_ends_with_what_was_found(
    way: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    seed = seed_of(way)
    monkeypatch.setattr(command, "KINDS", (KIND,))
    monkeypatch.setattr(sys, "argv", ["faults", "--seed", str(seed), "--runs", "1"])
    assert command.main() == code
    told = capsys.readouterr().out
    assert (f"broken --seed {seed} --runs 1: lost: one of two" in told) == bool(code)


def test_no_run_at_all_is_no_success(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "KINDS", (KIND,))
    monkeypatch.setattr(sys, "argv", ["faults", "--minutes", "0.0000001"])
    assert command.main() == 1
