"""Who is in the rollout, and what an operator cannot set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from crm_bridge.contract import CaseContext, CaseField
from crm_bridge.core.policy import ConnectionPolicy, eligible

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ({}, {}, None),
        ({"queue": ("billing",)}, {}, None),
        ({"queue": ("returns", "BILLING")}, {}, None),
        ({"queue": ("returns",)}, {}, "queue"),
        ({"language": ("en",)}, {}, None),
        ({"language": ("en-US",)}, {}, "language"),
        ({}, {"language": ("en",)}, "language"),
        ({}, {"channel": ("chat",)}, None),
        ({"queue": ("billing",)}, {"priority": ("urgent",)}, "priority"),
        ({"plan": ("pro",)}, {}, None),
        ({"region": ("emea",)}, {}, "region"),
        ({}, {"region": ("",)}, None),
    ],
)
def test_rules_name_the_field_that_kept_a_case_out(
    include: Mapping[str, tuple[str, ...]],
    exclude: Mapping[str, tuple[str, ...]],
    expected: str | None,
    case: Callable[..., CaseContext],
) -> None:
    context = case(queue="Billing", language="en_GB", priority="Urgent", fields=(CaseField(name="plan", value="Pro"),))
    assert eligible(context, include, exclude) == expected


@pytest.mark.parametrize(
    "wrong",
    [{"holdout": 1.1}, {"start_from": datetime(2026, 1, 1)}, {"undo": timedelta(seconds=-1)}],  # noqa: DTZ001
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="ConnectionPolicy"):
        ConnectionPolicy(**({"start_from": START} | wrong))  # type: ignore[arg-type]


def test_nobody_is_held_out_unless_an_operator_says_so() -> None:
    assert ConnectionPolicy(start_from=START).holdout == 0.0
