"""A process that refreshes a shared token once it is told to, for the test that two processes fetch one.

`python refreshing_process.py DATABASE_URL KEY` waits for a line on stdin and prints "fetched" when it was the one that
fetched, then the token it got.
"""

from __future__ import annotations

import sys

from crm_bridge.contract import Token
from crm_bridge.store.database import Store, connect
from crm_bridge.store.encryption import Cipher
from crm_bridge.store.services import StoredTokens


def main(url: str, key: str) -> None:
    store = Store(engine=connect(url), cipher=Cipher([key]))
    tokens = StoredTokens(store=store, connection="demo")
    tokens.get("access")
    print("ready", flush=True)
    sys.stdin.readline()

    def fetch(_held: Token | None) -> Token:
        print("fetched")
        return Token(value="shared")

    print(tokens.refresh("access", None, fetch).value, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
