"""A process of its own that uses an embedded server, for the tests that kill it, race it or run it as another user.

`python embedded_process.py DATA_DIR [USER PROGRAMS]` prints one JSON line when the database runs, or the error, and
stays until its stdin ends. With USER it first becomes that user, and uses the programs copied to PROGRAMS because
the user need not reach the environment the tests run in.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import sys
from pathlib import Path

import psycopg

from crm_bridge.store.embedded import Binaries, EmbeddedDatabaseError, EmbeddedServer, find_binaries
from crm_bridge.store.embedded.kept import keep


def become(user: str, shelf: Path) -> Binaries:
    programs = keep(find_binaries(), shelf)
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect("host=/nowhere")  # imports what it needs while that can still be read
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.chdir("/")
    return programs


def main(data_dir: Path, *user_and_shelf: str) -> None:
    programs = become(user_and_shelf[0], Path(user_and_shelf[1])) if user_and_shelf else None
    server = EmbeddedServer(data_dir, binaries=programs)
    try:
        url = server.ensure_running()
        said = {"url": url, "pid": server.pid(), "child": server.child is not None}
    except EmbeddedDatabaseError as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
