"""`@{name.path}` in the parts of a composite call: what an earlier part answered, put in its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crm_bridge_salesforce.emulator.errors import Refused

_REFERENCE = re.compile(r"@\{([^{}]{1,500})\}")
_STEP = re.compile(r"\[(\d{1,6})\]|\.?([^.\[\]]+)")


def resolved(value: Any, answers: Mapping[str, Any]) -> Any:
    """A value with its references replaced, in texts, lists and objects. Raises `Refused` (PROCESSING_HALTED)."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _text(_looked_up(found[1], answers)), value)
    if isinstance(value, list):
        return [resolved(one, answers) for one in value]
    if isinstance(value, dict):
        return {name: resolved(one, answers) for name, one in value.items()}
    return value


def _looked_up(path: str, answers: Mapping[str, Any]) -> Any:
    steps = [int(found[1]) if found[1] else found[2] for found in _STEP.finditer(path)]
    here: Any = answers.get(str(steps[0])) if steps else None
    for step in steps[1:]:
        if isinstance(step, int):
            here = here[step] if isinstance(here, list) and step < len(here) else None
        else:
            here = here.get(step) if isinstance(here, dict) else None
    if here is None or isinstance(here, dict | list):
        name = steps[0] if steps else path
        detail = (
            f"Invalid reference specified. No value for {path} found in {name}. Provided referenceId ('{path}') must"
            " start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."
        )
        raise Refused(400, "PROCESSING_HALTED", detail)
    return here


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
