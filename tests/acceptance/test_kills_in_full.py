"""200 events and more over 100 cases, and every process killed several times while they flow."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from installation import Place
from processes import PROGRAMS, Demo
from storm import Storm, kill_and_come_back, kill_the_supervisor_and_start_again

CASES, ROUNDS = 100, 4


@pytest.fixture
def mortal(place: Place) -> Iterator[Demo]:
    running = Demo(place)
    try:
        running.start()
        running.wait_until_idle()
        yield running
    finally:
        running.close()


def test_200_events_over_100_cases_survive_every_kill(mortal: Demo) -> None:
    seed = int(os.environ.get("CRM_BRIDGE_TEST_SEED") or random.getrandbits(32))
    chance = random.Random(seed)
    order = [name for _ in range(ROUNDS) for name in chance.sample((*PROGRAMS, "supervisor"), len(PROGRAMS) + 1)]
    print(f"\nseed {seed}: {', '.join(order)}")
    storm = Storm(demo=mortal, cases=CASES, chance=chance, patience_s=300)
    storm.start()
    started = time.monotonic()
    try:
        for name in order:
            storm.allow(CASES // len(order))
            time.sleep(chance.uniform(0.0, 1.5))
            if name == "supervisor":
                kill_the_supervisor_and_start_again(mortal)
            else:
                kill_and_come_back(mortal, name)
        killed_s = time.monotonic() - started
        storm.finish()
    finally:
        storm.stop()
    finished_s = time.monotonic() - started
    found = mortal.settled_events()
    print(f"{len(order)} kills in {killed_s:.0f} s; all handled and sent {finished_s - killed_s:.0f} s after the last")
    print(storm)
    print(f"check: {found}")
    assert storm.events_made() >= 2 * CASES
    assert storm.wrong_threads() == {}
    assert storm.unhandled() == []
    assert found["balances"]
    assert (found["stranded"], found["dead"]) == (0, {})
