"""Whether what an adapter says of itself in `quality.toml` is true, as far as its proofs can tell.

It owns the comparison; the scale itself is `kit/quality.py`. A rule that no suite rule and no record shows is the
author's word and the reviewer's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from crm_bridge.contract import InvalidConfig
from crm_bridge.kit.proof import LIVE_FILE, PROOF_FILE, Proof, UnusableRecord, code_digest, read_proofs
from crm_bridge.kit.quality import QUALITY_FILE, QUALITY_RULES, InvalidQuality, QualityRule, Status, read_quality
from crm_bridge.registry import adapter_folder
from crm_bridge.testing.proof import rules_held

AUTHORS_WORD = frozenset({"recorded-samples", "limits-declared"})
"""The suite can show these to be wrong, but not to be right: where samples come from, it cannot see."""

LIVE = "live-proof"


def quality_complaints(adapter: str) -> list[str]:
    """What is wrong with an installed adapter's `quality.toml`, one sentence each. Raises `InvalidConfig`."""
    folder = adapter_folder(adapter)
    if folder is None:
        raise InvalidConfig("adapter", f"expected {adapter} to be a package, which can say how good it is")
    try:
        answers = read_quality(folder / QUALITY_FILE)
        proofs = list(read_proofs(folder / PROOF_FILE).values())
        live = [one for one in read_proofs(folder / LIVE_FILE).values() if one.code == code_digest(folder)]
    except (InvalidQuality, UnusableRecord) as error:
        return [str(error)]
    if not answers:
        return [f"there is no {QUALITY_FILE} beside {adapter}"]
    return [
        complaint
        for rule in QUALITY_RULES
        if (complaint := _complaint(rule, answers[rule.name].status, shown(rule, proofs, live)))
    ]


def shown(rule: QualityRule, proofs: Collection[Proof], live: Collection[Proof]) -> bool | None:
    """Whether records show a rule to hold: in some variant, and in none not. None where they cannot tell."""
    if rule.name == LIVE:
        return bool(live)
    if not rule.rules:
        return None
    held = frozenset[str]().union(*map(rules_held, proofs))
    return held >= set(rule.rules) and not set(rule.rules) & set(_in_the_way(proofs))


def _in_the_way(proofs: Iterable[Proof]) -> Iterable[str]:
    for proof in proofs:
        for capability in proof.capabilities.values():
            yield from capability.standing_in_the_way


def _complaint(rule: QualityRule, status: Status, is_shown: bool | None) -> str:
    if status is Status.DONE and is_shown is False:
        return f"{rule.name}: is said to be done, but no record shows it"
    if status is Status.TODO and is_shown and rule.name not in AUTHORS_WORD:
        return f"{rule.name}: is proven, so it is done"
    return ""
