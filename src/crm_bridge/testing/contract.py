"""`AdapterContract`: all rules of the contract in one class to inherit from. The rules are in the modules it joins."""

from __future__ import annotations

from collections.abc import Mapping

from crm_bridge.testing.decide import Deciding
from crm_bridge.testing.errors import Failing
from crm_bridge.testing.find import Finding
from crm_bridge.testing.operate import Operating
from crm_bridge.testing.parse import Parsing
from crm_bridge.testing.read import Reading
from crm_bridge.testing.reconcile import Reconciling
from crm_bridge.testing.send import Sending
from crm_bridge.testing.verify import Verifying
from crm_bridge.testing.write import Writing


class AdapterContract(
    Verifying, Parsing, Reading, Writing, Deciding, Sending, Finding, Failing, Reconciling, Operating
):
    """The contract, as tests: inherit, give fixtures `crm` and `signer`, run pytest.

    Each rule asks what the adapter declares and is skipped with "not declared: …" where nothing is promised. See
    `ContractBase` for what a class may set, and `crm_bridge.testing.handle` for what the fixtures must be.
    """


def rules() -> Mapping[str, tuple[str, ...]]:
    """Every rule by name, with the capabilities it proves (`always`: a promise of every adapter)."""
    return {
        name: getattr(rule, "__proves__", ())
        for name in sorted(dir(AdapterContract))
        if name.startswith("test_") and callable(rule := getattr(AdapterContract, name))
    }
