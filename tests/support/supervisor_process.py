"""A supervisor in a process of its own: `python supervisor_process.py SPECIFICATION`, its events as JSON lines."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from types import ModuleType

import crm_bridge

# The package without its __init__: that imports every command, which takes longer than most of the tests.
sys.modules["crm_bridge.cli"] = ModuleType("crm_bridge.cli")
sys.modules["crm_bridge.cli"].__path__ = [str(Path(crm_bridge.__file__).with_name("cli"))]

from crm_bridge.cli.supervise import Supervisor  # noqa: E402
from crm_bridge.cli.supervised import Child, SupervisorEvent  # noqa: E402
from crm_bridge.store.embedded import EmbeddedServer  # noqa: E402


def tell(event: SupervisorEvent) -> None:
    print(json.dumps(dataclasses.asdict(event)), flush=True)


def main(specification: str) -> int:
    spec = json.loads(specification)
    database = EmbeddedServer(Path(spec["data_dir"])) if spec["data_dir"] else None
    children = [Child(name=name, argv=argv) for name, argv in spec["children"].items()]
    return Supervisor(children, database, tell, stop_timeout_s=spec["stop_timeout_s"]).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
