"""PostgreSQL kept by the bridge itself: found, initialised, started, adopted and stopped.

Owns the processes and files of the embedded server and hands out a `postgresql://` URL. Knows nothing of tables:
what is inside the database is the rest of `store`.
"""

from crm_bridge.store.embedded.binaries import Binaries, find_binaries
from crm_bridge.store.embedded.errors import EmbeddedDatabaseError
from crm_bridge.store.embedded.server import EmbeddedServer, embedded_url, kept_binaries

__all__ = [
    "Binaries",
    "EmbeddedDatabaseError",
    "EmbeddedServer",
    "embedded_url",
    "find_binaries",
    "kept_binaries",
]
