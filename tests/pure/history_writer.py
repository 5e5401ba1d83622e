# SPDX-License-Identifier: GPL-3.0-or-later
"""Four processes that fill a History until they are killed, for test_history_crash.

    python history_writer.py FOLDER

It says "started PID" for each, and starts another for each that dies, until its input is closed.
A writer says "saved ID" only after `add` returned, and bins one of its items now and then.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
from pathlib import Path

from history_samples import full_request, request, result

from genai_render.core.history.store import HistoryStore

WRITERS = 4


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())  # one write: lines of several processes never mix


def write_forever(folder: Path) -> None:
    chance = random.Random(os.getpid())
    full = [full_request(seed) for seed in range(3)]
    with HistoryStore(folder) as store:
        while True:
            number = chance.randrange(1000)
            wanted = chance.choice(full) if chance.random() < 0.5 else request(f"number {number}")
            item = store.add(wanted, result(number, sent={"depth.png": wanted.prompt.encode()}))
            say(f"saved {item.id}")
            if chance.random() < 0.3:
                store.delete(item.id)
                if chance.random() < 0.5:
                    store.restore(item.id)
            if chance.random() < 0.2:
                store.set_favourite(item.id)


def start(folder: Path) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            write_forever(folder)
        except BaseException as error:
            say(f"broke {type(error).__name__}: {error}")
        finally:
            os._exit(1)
    say(f"started {pid}")
    return pid


def main() -> None:
    folder = Path(sys.argv[1])
    # Without threads: a fork would take over their locks, locked for ever.
    writers = {start(folder) for _ in range(WRITERS)}
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        for pid in [pid for pid in writers if os.waitpid(pid, os.WNOHANG)[0]]:
            writers.remove(pid)
            writers.add(start(folder))
    for pid in writers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
