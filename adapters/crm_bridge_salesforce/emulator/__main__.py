"""`python -m crm_bridge_salesforce.emulator`: the emulated org as a process of its own.

Prints one JSON line `{"event": "listening", "port": …}` on stdout once it can be reached; SIGTERM and SIGINT stop it.
"""

from __future__ import annotations

import sys

from crm_bridge_salesforce.emulator import SalesforceCrm

if __name__ == "__main__":
    sys.exit(SalesforceCrm.main())
