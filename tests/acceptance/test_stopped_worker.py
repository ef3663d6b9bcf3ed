"""A worker that stands still for longer than its lease, while another one takes over, and then goes on."""

from __future__ import annotations

import os
import signal
import time

import pytest
from desk_client import replies
from installation import Place, until
from several_connections import Up

from crm_bridge.store.queue import LEASE_S

CASES = 12
SLOW_S = 1.5
LEASED = "select count(*) from work_items where lease_until > now()"
BUSY = """
    select (select count(*) from events where outcome = 'pending')
         + (select count(*) from work_items where lease_until > now() or wake_at < now() + interval '5 seconds')
"""


@pytest.mark.parametrize("operation", ["write_draft", "send_reply"])
def test_a_worker_stopped_beyond_its_lease_and_continued_has_no_effect_twice(place: Place, operation: str) -> None:
    running = Up(place, ["demo"])
    second = None
    try:
        running.start()
        crm = running.crms["demo"]
        if operation == "write_draft":
            crm.suffer({"operation": operation, "times": None, "delay_s": SLOW_S})
        cases = [crm.desk.new_case() for _ in range(CASES)]
        if operation == "send_reply":
            drafts = {case: crm.desk.drafted(case)["draft"] for case in cases}
            crm.suffer({"operation": operation, "times": None, "delay_s": SLOW_S})
            for case, draft in drafts.items():
                crm.desk.decide_fine(case, "accept", revision=draft["revision"])
            stands = "select count(*) from drafts where state = 'attempted'"
        else:
            stands = "select count(*) from drafts where state = 'ready'"
        until(lambda: place.sql(stands)[0][0] > 0, f"a worker is in the middle of {operation}", every_s=0.01)

        stopped = running.kill("worker", signal.SIGSTOP)
        leased = place.sql(LEASED)[0][0]
        second = running.another_worker()
        time.sleep(LEASE_S + 5)  # what is shown is what happens after this time
        until(lambda: place.sql(BUSY)[0][0] == 0, "the second worker has done everything", every_s=0.5)
        before = {case: replies(crm.desk.case(case)) for case in cases}
        os.kill(stopped, signal.SIGCONT)
        time.sleep(5)  # and what a worker that wakes up does, it does at once
        until(lambda: place.sql(BUSY)[0][0] == 0, "nothing is due", every_s=0.5)

        print(f"\n{leased} leases were held by the worker stopped in {operation}; lease {LEASE_S:.0f} s")
        if operation == "send_reply":
            assert {case: len(got) for case, got in before.items()} == dict.fromkeys(cases, 1)
        after = {case: crm.desk.case(case) for case in cases}
        assert {case: replies(found) for case, found in after.items()} == before
        drafts_of = "select count(*), count(distinct case_id) from drafts d join cases c on c.id = d.case_id"
        assert place.sql(f"{drafts_of} where c.ref = any(%s)", cases) == [(CASES, CASES)]
        assert running.check()["demo"]["balances"]
        assert running.check()["demo"]["dead"] == {}
    finally:
        if second is not None:
            second.kill()
            second.wait()
        running.close()
