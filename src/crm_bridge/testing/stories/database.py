"""A database for stories that are told from the command line: embedded, in a folder that goes when they end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crm_bridge.store import migrate
from crm_bridge.store.database import Store
from crm_bridge.store.embedded import EmbeddedServer
from crm_bridge.testing.stories.stage import open_store

STATE_ROOT = "CRM_BRIDGE_STATE_ROOT"
STOP_S = 20.0


@contextmanager
def temporary_store() -> Iterator[Store]:
    """A migrated store on a server of its own."""
    with temporary_folder() as root:
        server = EmbeddedServer(root / "data")
        try:
            store = open_store(server.ensure_running())
            migrate.upgrade(store.engine)
            yield store
            store.close()
        finally:
            server.stop(STOP_S)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that an unprivileged database server can reach, and that the database's files are kept in."""
    root = Path(tempfile.mkdtemp(prefix="crm-bridge-stories-"))
    root.chmod(0o755)
    before = os.environ.get(STATE_ROOT)
    os.environ[STATE_ROOT] = str(root / "state")
    try:
        yield root
    finally:
        if before is None:
            del os.environ[STATE_ROOT]
        else:
            os.environ[STATE_ROOT] = before
        shutil.rmtree(root, ignore_errors=True)
