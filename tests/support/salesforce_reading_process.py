"""A process whose threads read one case at the same moment, for the test that an ended token is replaced once.

`python salesforce_reading_process.py FOLDER CASE THREADS`, the connection's table as JSON on the first line of stdin.
Prints "ready", waits for a line, then prints how many of the reads succeeded; and so again until stdin ends.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from crm_bridge.contract import CaseContext, CaseRef
from crm_bridge.kit.services import in_memory_services
from crm_bridge.testing.processes import SharedTokens
from crm_bridge.testing.stage import at_once
from crm_bridge_salesforce.adapter import build


def main(folder: str, case: str, threads: int) -> None:
    config = json.loads(sys.stdin.readline())
    adapter = build(config, replace(in_memory_services(), tokens=SharedTokens(folder=Path(folder))))
    adapter.read_case(CaseRef(id=case))  # what may be seen is learned before anybody counts
    print("ready", flush=True)
    for _ in sys.stdin:
        read = at_once([lambda: adapter.read_case(CaseRef(id=case)) for _ in range(threads)])
        print(sum(isinstance(one, CaseContext) for one in read), flush=True)
    adapter.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
