# SPDX-License-Identifier: GPL-3.0-or-later
"""All campaigns, or one, for as long as one likes: `build.py faults`."""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from .campaign import Kind, Tally, run

KINDS = (
    Kind("corruptions", "corruptions", 60.0),
    Kind("kills", "kills", 120.0),
    Kind("protocol", "protocol", 30.0, at_once=4),
    Kind("pictures", "pictures", 20.0),
)
_COLUMNS = ("stuck", "died", "untyped", "lost", "spent", "memory", "slow")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="build.py faults", description="Random harm, and whether all holds that must."
    )
    parser.add_argument("--minutes", type=float, default=2.0, metavar="N", help="in all")
    parser.add_argument("--seed", type=int, metavar="N", help="of the first run of each kind")
    parser.add_argument("--only", action="append", choices=[kind.name for kind in KINDS])
    parser.add_argument("--runs", type=int, metavar="N", help="so many of each kind at most")
    given = parser.parse_args()
    if given.minutes <= 0 or (given.runs is not None and given.runs < 1):
        parser.error("nothing would be run")
    kinds = [kind for kind in KINDS if not given.only or kind.name in given.only]
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"Seed {seed}. Again: build.py faults --seed {seed}\n")
    titles = [*_COLUMNS, "other"]
    print(f"{'kind':12}{'runs':>7}" + "".join(f"{title:>9}" for title in titles), end="")
    print(f"{'slowest s':>11}{'peak MB':>9}", flush=True)
    tallies: list[tuple[Kind, Tally]] = []
    end = time.monotonic() + given.minutes * 60
    for place, kind in enumerate(kinds):
        # What one did not use is for those that follow.
        until = time.monotonic() + (end - time.monotonic()) / (len(kinds) - place)
        tally = run(kind, seed, until, given.runs)
        tallies.append((kind, tally))
        other = sum(tally.bad.values()) - sum(tally.bad[name] for name in _COLUMNS)
        counts = [*(tally.bad[name] for name in _COLUMNS), other]
        print(f"{kind.name:12}{tally.runs:7}" + "".join(f"{count:9}" for count in counts), end="")
        print(f"{tally.slowest:11.2f}{tally.peak / 2**20:9.0f}", flush=True)
    bad = False
    for kind, tally in tallies:
        if not tally.runs:
            print(f"\n{kind.name}: not one run in the time that there was.")
            bad = True
        for number, words in tally.failures:
            bad = True
            print(f"\n{kind.name} --seed {number} --runs 1: {words}")
        if tally.repeated:
            seeds = ", ".join(map(str, tally.repeated))
            print(f"\n{kind.name}: late, and in time when made again, alone: {seeds}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
