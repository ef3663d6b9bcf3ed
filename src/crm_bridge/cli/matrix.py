"""What is known of each installed adapter: capabilities declared and proven, calls per case, answers to the scale.

It owns joining records to what is declared, as plain values; how they are shown is `adapters.py` and the pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crm_bridge.contract import Capabilities, InvalidConfig
from crm_bridge.kit.matrix import MatrixRow, matrix_rows
from crm_bridge.kit.proof import (
    LIVE_FILE,
    LIVE_FOLDER,
    PROOF_FILE,
    Proof,
    UnusableRecord,
    adapter_of,
    code_digest,
    read_proofs,
)
from crm_bridge.kit.quality import QUALITY_FILE, QUALITY_RULES, InvalidQuality, read_quality
from crm_bridge.registry import adapter_folder, declared_capabilities

ONE_CASE = ("read_case", "write_draft", "send_reply")
"""What a case takes from the first look to the reply, when nothing comes between."""


def matrix_of(adapter: str, data_dir: Path | None = None) -> dict[str, Any]:
    """Everything about one adapter; of live records, those it ships and those of `data_dir`, the newest of a variant.

    `{"variants": […], "quality": […]}`, with `"error"` when it cannot be asked. Records that cannot be used count as
    none and are named under `"unusable"`.
    """
    try:
        folder, declared = adapter_folder(adapter), declared_capabilities(adapter)
    except InvalidConfig as error:
        return {"error": str(error), "variants": [], "quality": []}
    code = code_digest(folder) if folder is not None else ""
    unusable: list[str] = []
    emulated = _read(folder / PROOF_FILE, unusable) if folder is not None else {}
    live = _live(adapter, folder, data_dir, unusable)
    variants = [
        _variant(
            name, has, matrix_rows(has, code=code, emulator=emulated.get(name), live=live.get(name)), emulated.get(name)
        )
        for name, has in declared.items()
    ]
    found = {"variants": variants, "quality": _quality(folder, unusable)}
    return {**found, "unusable": unusable} if unusable else found


def alike(variants: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Variants of which the same is known, together."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for variant in variants:
        groups.setdefault(json.dumps([variant["capabilities"], variant["calls"]]), []).append(variant)
    return list(groups.values())


def _live(adapter: str, folder: Path | None, data_dir: Path | None, unusable: list[str]) -> Mapping[str, Proof]:
    files = [folder / LIVE_FILE] if folder is not None else []
    if data_dir is not None:
        files += [file for file in sorted((data_dir / LIVE_FOLDER).glob("*.json")) if adapter_of(file) == adapter]
    newest: dict[str, Proof] = {}
    for file in files:
        for variant, proof in _read(file, unusable).items():
            known = newest.get(variant)
            if proof.at is not None and (known is None or known.at is None or proof.at > known.at):
                newest[variant] = proof
    return newest


def _read(file: Path, unusable: list[str]) -> Mapping[str, Proof]:
    try:
        return read_proofs(file)
    except UnusableRecord as error:
        unusable.append(str(error))
        return {}


def _variant(name: str, has: Capabilities, found: tuple[MatrixRow, ...], proof: Proof | None) -> dict[str, Any]:
    return {
        "variant": name,
        **declared_document(has),
        "capabilities": [_capability(one) for one in found],
        "calls": _calls(proof),
    }


def _capability(one: MatrixRow) -> dict[str, Any]:
    live = one.live
    return {
        "capability": one.capability,
        "declared": one.declared,
        "state": one.state.value,
        "sentence": one.sentence,
        "on_emulator": one.on_emulator,
        "live": {"at": live.at.isoformat(), "api_version": live.api_version} if live and live.at else None,
        "why": one.why,
    }


def _calls(proof: Proof | None) -> dict[str, Any] | None:
    if proof is None or not proof.calls:
        return None
    operations = {name: {"measured": one.measured, "budget": one.budget} for name, one in proof.calls.items()}
    counted = [proof.calls[name] for name in ONE_CASE if name in proof.calls]
    total = {"measured": sum(one.measured for one in counted), "budget": sum(one.budget for one in counted)}
    return {"per_case": total, "operations": operations}


def _quality(folder: Path | None, unusable: list[str]) -> list[dict[str, str]]:
    if folder is None:
        return []
    try:
        answers = read_quality(folder / QUALITY_FILE)
    except InvalidQuality as error:
        unusable.append(str(error))
        return []
    return [
        {"rule": rule.name, "sentence": rule.sentence, "status": said.status.value, "comment": said.comment}
        for rule in QUALITY_RULES
        if (said := answers.get(rule.name)) is not None
    ]


def declared_document(declared: Capabilities) -> dict[str, Any]:
    """What an adapter declares, as plain values."""
    target = declared.target
    return {
        "delivery_auth": {
            "kind": declared.delivery_auth.kind.value,
            "covers": sorted(declared.delivery_auth.covers),
        },
        "target": {
            "kind": target.kind.value,
            "decides": sorted(item.value for item in target.decides),
            "withdrawable": target.withdrawable,
            "readable": target.readable,
            "idempotent": target.idempotent,
            "shows_states": target.shows_states,
            "mutability": target.mutability.value,
        },
        "sends": declared.sends.value,
        "send_marker": declared.send_marker.value,
        **{name: getattr(declared, name) for name in ("knowledge", "reconcile", "deletions", "panel")},
    }
