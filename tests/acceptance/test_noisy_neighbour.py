"""One connection's CRM answers 429 for a minute; the other connection's cases are picked up as before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from installation import Place, until
from several_connections import Crm, Up

QUIET_S, LIMITED_S = 60, 60
EVERY_S = 0.6


def test_429_for_a_minute_slows_no_other_connection_and_kills_no_case(place: Place) -> None:
    running = Up(place, ["limited", "healthy"])
    try:
        running.start()
        limited, healthy = running.crms["limited"], running.crms["healthy"]
        quiet = pickup_s(place, feed([healthy], QUIET_S)["healthy"])

        limited.suffer({"operation": "*", "times": None, "status": 429, "retry_after": 1})
        made = feed([healthy, limited], LIMITED_S)
        limited.suffer()
        beside = pickup_s(place, made["healthy"])

        print(
            f"\nquiet:           p50 {statistics.median(quiet):.2f} s, p99 {p99(quiet):.2f} s over {len(quiet)} cases"
        )
        print(
            f"beside 429s:     p50 {statistics.median(beside):.2f} s, p99 {p99(beside):.2f} s over {len(beside)} cases"
        )
        for case in made["limited"]:
            limited.desk.drafted(case)
        pending = "select count(*) from events where outcome = 'pending'"
        until(lambda: place.sql(pending)[0][0] == 0, "everything is handled", every_s=0.5)
        found = running.check()
        print(f"the limited one: {found['limited']}")
        assert found["limited"]["balances"]
        assert found["limited"]["dead"] == {}
        assert p99(beside) <= 2 * p99(quiet)
    finally:
        running.close()


def feed(crms: Sequence[Crm], duration_s: float) -> dict[str, list[str]]:
    """A case every now and then on each; the cases by connection."""
    made: dict[str, list[str]] = {crm.name: [] for crm in crms}
    ends = time.monotonic() + duration_s
    while time.monotonic() < ends:
        next_at = time.monotonic() + EVERY_S
        for crm in crms:
            made[crm.name].append(crm.desk.new_case())
        time.sleep(max(0.0, next_at - time.monotonic()))
    return made


def pickup_s(place: Place, cases: list[str]) -> list[float]:
    """From the first event of each case in the database to its draft being begun, in seconds."""
    query = """
        select c.ref, extract(epoch from min(d.created_at) - min(e.received_at))
        from cases c join work_items w on w.case_id = c.id join events e on e.item_id = w.id
        join drafts d on d.case_id = c.id where c.ref = any(%s) group by c.ref
    """
    rows = until(lambda: rows if len(rows := place.sql(query, cases)) == len(cases) else None, "all were picked up")
    return [float(row[1]) for row in rows]


def p99(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.99 * len(values)) - 1)]
