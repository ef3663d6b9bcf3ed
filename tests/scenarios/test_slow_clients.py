"""Clients that dribble cost nobody else an answer."""

from __future__ import annotations

from dribble import Dribbling, probe
from processes import Demo


def test_probes_and_webhooks_are_answered_beside_200_dribbling_sockets(demo: Demo) -> None:
    with Dribbling(demo.port, count=200) as dribbling:
        taken = probe(f"{demo.url}/healthz", 20)
        assert dribbling.held == 200
        case = demo.desk.new_case()
        assert demo.desk.drafted(case)["draft"]["sources"]
    print(f"\n20 of 20 probes beside 200 dribbling sockets, the slowest in {max(taken) * 1000:.0f} ms (target: 100 ms)")
