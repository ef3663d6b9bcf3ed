"""200 clients that never finish a request, and what a probe beside them has to wait."""

from __future__ import annotations

from dribble import Dribbling, probe
from installation import Place
from processes import Demo

LIMIT_S = 0.1


def test_probes_are_answered_within_100_ms_beside_200_dribbling_sockets(place: Place) -> None:
    running = Demo(place)
    try:
        running.start()
        running.wait_until_idle()
        quiet = probe(f"{running.url}/healthz", 20)
        with Dribbling(running.port, count=200) as dribbling:
            taken = probe(f"{running.url}/healthz", 20)
            assert dribbling.held == 200
        print(
            f"\nslowest of 20 probes: quiet {max(quiet) * 1000:.0f} ms, beside 200 sockets {max(taken) * 1000:.0f} ms"
        )
        assert max(taken) <= LIMIT_S
    finally:
        running.close()
