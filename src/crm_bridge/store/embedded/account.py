"""As whom the server runs: PostgreSQL refuses root, so root starts it as an unprivileged account.

Owns every start of a foreign program in this package: each gets its own session, a bare environment and `/` as
its folder, and changes its user in the child only.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crm_bridge.store.embedded.errors import EmbeddedDatabaseError

UNPRIVILEGED = "nobody"
LONGEST_RUN_S = 120.0  # initdb takes half a second, and minutes on a very slow disk

# Nothing of the caller's environment: PGDATA, PGOPTIONS, LC_ALL or TZ would change what a cluster is.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user of the server's processes and files. `switch` says that it is not the caller's own."""

    uid: int
    gid: int
    switch: bool

    def run(self, argv: Sequence[str | Path], *, keep_open: Sequence[int] = ()) -> subprocess.CompletedProcess[str]:
        """Run a program to its end with its output captured. Raises `OSError` when it cannot be, or takes too long."""
        process = self.spawn(argv, output=subprocess.PIPE, keep_open=keep_open)
        try:
            output, _ = process.communicate(timeout=LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise TimeoutError(f"{argv[0]} did not end within {LONGEST_RUN_S:.0f} s") from None
        return subprocess.CompletedProcess(process.args, process.returncode, output.decode(errors="replace"), "")

    def spawn(
        self, argv: Sequence[str | Path], *, output: IO[bytes] | int, keep_open: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program in its own session, so that Ctrl-C in a terminal does not reach it."""
        return subprocess.Popen(  # noqa: S603 - an argv list of our own making, never a shell
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
            start_new_session=True,
            pass_fds=keep_open,
            umask=0o077,
        )

    def own(self, path: Path) -> None:
        """Give a folder that root just made to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def caller() -> Account:
    return Account(uid=os.geteuid(), gid=os.getegid(), switch=False)


def server_account() -> Account:
    """The caller, or the unprivileged account when the caller is root."""
    if os.geteuid() != 0:
        return caller()
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise EmbeddedDatabaseError(
            f'PostgreSQL refuses to run as root and there is no user "{UNPRIVILEGED}" to run it as.'
            ' Start crm-bridge as a normal user, add that user, or set database_url = "postgresql://user@host/db".'
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, switch=True)
