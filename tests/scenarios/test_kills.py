"""Every process is killed while cases come in and replies go out: what was promised is kept, nothing goes out twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from installation import Place
from processes import PROGRAMS, Demo
from storm import Storm, kill_and_come_back, kill_the_supervisor_and_start_again

CASES, ROUNDS = 20, 1


@pytest.fixture
def mortal(place: Place) -> Iterator[Demo]:
    """A demo of the test's own, to be killed piece by piece."""
    running = Demo(place)
    try:
        running.start()
        running.wait_until_idle()
        yield running
    finally:
        running.close()


def test_nothing_is_lost_and_nothing_is_sent_twice_whoever_is_killed(mortal: Demo) -> None:
    # Of the run's own seed, which the report names, unless one is given.
    seed = int(os.environ.get("CRM_BRIDGE_TEST_SEED") or random.getrandbits(32))
    chance = random.Random(seed)
    order = [name for _ in range(ROUNDS) for name in chance.sample(PROGRAMS, len(PROGRAMS))]
    print(f"\nseed {seed}: {', '.join(order)}, supervisor")
    storm = Storm(demo=mortal, cases=CASES, chance=chance)
    storm.start()
    try:
        for name in order:
            storm.allow(CASES // (len(order) + 1))
            chance_to_be_in_the_middle(chance)
            kill_and_come_back(mortal, name)
        storm.allow(CASES // (len(order) + 1))
        chance_to_be_in_the_middle(chance)
        kill_the_supervisor_and_start_again(mortal)
        storm.finish()
    finally:
        storm.stop()
    print(storm)
    assert storm.wrong_threads() == {}
    assert storm.unhandled() == []
    found = mortal.settled_events()
    assert found["balances"]
    assert (found["stranded"], found["dead"]) == (0, {})


def chance_to_be_in_the_middle(chance: random.Random) -> None:
    """Not a wait for anything: the kills have to fall on different moments of the work."""
    time.sleep(chance.uniform(0.0, 1.0))
