"""For adapter authors: the contract suite and what it is made of. Needs the extra `testing`."""

try:
    import hypothesis  # noqa: F401 - only whether it is there
    import pytest
except ImportError as missing:
    _HINT = "crm_bridge.testing needs pytest and hypothesis: pip install 'crm-bridge[testing]'"
    raise ImportError(_HINT, name=missing.name) from missing

# Before anything below is imported: the suite's asserts then say what they compared, as in a test module.
_RULES = (
    *("decide", "errors", "find", "operate", "parse", "read", "reconcile", "send", "sending", "stage", "verify"),
    "write",
)
pytest.register_assert_rewrite(*(f"crm_bridge.testing.{name}" for name in _RULES))

from crm_bridge.testing.contract import AdapterContract, rules  # noqa: E402
from crm_bridge.testing.handle import EmulatedCrm, Signer  # noqa: E402

__all__ = ["AdapterContract", "EmulatedCrm", "Signer", "rules"]
