"""The lists that Apex, the component, the records and the bridge share say the same; parts fit to each other."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest

from crm_bridge.contract import DecisionKind, NoDraftReason, StateKind
from crm_bridge.core import visible

from .app import APP, CLASSES, SOURCE, fields, texts, tree

pytestmark = pytest.mark.crm_apps

LWC = SOURCE / "lwc"
DRAFT = LWC / "crmBridgeDraft"
APEX = {path.stem: path.read_text() for path in CLASSES}
TESTED = sorted(name for name in APEX if not name.endswith("Test") and name != "CrmBridgeTestData")
SCRIPTS = sorted(path for path in LWC.rglob("*.js") if "__tests__" not in path.parts)
LABELS = {
    texts(node, "fullName")[0]: texts(node, "value")[0]
    for node in tree(SOURCE / "labels" / "CustomLabels.labels-meta.xml")
}


def _keys(source: str, name: str) -> set[str]:
    """The keys of `const NAME = Object.freeze({…})` in a script."""
    body = re.search(rf"\b{name} = Object\.freeze\(\{{(.*?)\n\}}\);", source, re.DOTALL)
    assert body is not None
    return set(re.findall(r"^    (\w+):", body[1], re.MULTILINE))


@pytest.mark.parametrize("name", TESTED)
def test_every_class_has_a_test_that_names_it(name: str) -> None:
    assert f"{name}Test" in APEX
    assert "@IsTest" in APEX[f"{name}Test"]
    assert re.search(rf"\b{name}\b\s*[.(]|new {name}\b", APEX[f"{name}Test"])


@pytest.mark.parametrize("name", TESTED)
def test_every_class_runs_as_its_user(name: str) -> None:
    """Sharing, and the user's own rights in each query and each save."""
    source = re.sub(r"/\*.*?\*/|//[^\n]*", "", APEX[name], flags=re.DOTALL)
    assert "with sharing class" in source
    assert source.count("SELECT") == source.count("WITH USER_MODE")
    assert not re.search(r"^\s*(insert|update|upsert|delete) (?!as user)", source, re.MULTILINE)
    assert "Database.query" not in source


def test_the_component_knows_every_state_and_its_words() -> None:
    view, labels = (DRAFT / "view.js").read_text(), (DRAFT / "labels.js").read_text()
    kinds = {kind.value for kind in StateKind}
    assert _keys(view, "LOOKS") == _keys(labels, "BADGES") == kinds | {"new"}
    assert kinds <= _keys(labels, "SENTENCES") & _keys(labels, "ACTIONS")
    assert _keys(labels, "REASONS") == {reason.value for reason in NoDraftReason}


@pytest.mark.parametrize("kind", sorted(set(StateKind) - {StateKind.NO_DRAFT}))
def test_the_components_own_sentences_are_the_bridges(kind: StateKind) -> None:
    assert LABELS[f"CRMB_Sentence_{kind.value}"] == visible.kind_words(kind).sentence


def test_the_component_knows_every_status_of_a_record() -> None:
    status = texts(fields("AI_Draft__c")["Status__c"], "value", "fullName")
    assert _keys((DRAFT / "view.js").read_text(), "KIND_OF_STATUS") == set(status)


def test_a_decision_means_the_same_in_apex_the_record_and_the_bridge() -> None:
    after = dict(
        re.findall(r"'(\w+)' => '(\w+)'", APEX["CrmBridgeDecision"].split("STATUS_AFTER", 1)[1].split("};")[0])
    )
    assert set(after) == set(texts(fields("AI_Draft__c")["Decision__c"], "value", "fullName")) == set(DecisionKind)
    assert set(after.values()) <= set(texts(fields("AI_Draft__c")["Status__c"], "value", "fullName"))


def test_the_reasons_offered_are_those_apex_takes() -> None:
    taken = re.search(r"REASONS = new Set<String>\{(.*?)\}", APEX["CrmBridgeDecision"], re.DOTALL)
    assert taken is not None
    offered = re.findall(r'value: "(\w+)"', (LWC / "crmBridgeDraftPanel" / "crmBridgeDraftPanel.js").read_text())
    assert re.findall(r"'(\w+)'", taken[1]) == offered


def test_every_label_is_used_and_every_used_label_exists() -> None:
    used = {name for path in SCRIPTS for name in re.findall(r"@salesforce/label/c\.(\w+)", path.read_text())}
    assert used == set(LABELS)
    assert max(len(value) for value in LABELS.values()) <= 1000


def test_the_signature_in_the_apex_test_is_the_one_we_check() -> None:
    signed = hmac.new(b"first-secret", b'1767323045.{"type":"decision"}', hashlib.sha256).hexdigest()
    assert f"'v1={signed}'" in APEX["CrmBridgeDecisionCalloutTest"]


def test_every_part_of_the_app_has_the_same_version() -> None:
    version = texts(tree(SOURCE / "customMetadata" / "CRM_Bridge_App.Current.md-meta.xml"), "value")[0]
    assert json.loads((APP / "package.json").read_text())["version"] == version
    package = json.loads((APP / "sfdx-project.json").read_text())["packageDirectories"][0]
    assert package["versionNumber"] == f"{version}.NEXT"


@pytest.mark.parametrize("path", sorted(LWC.rglob("*.html")), ids=lambda path: path.name)
def test_a_template_loads_nothing_from_elsewhere(path: Path) -> None:
    html = path.read_text()
    assert not re.search(r"<script|<iframe|<style|lwc:dom|src=|https?://", html)


def test_no_script_writes_markup_or_runs_text() -> None:
    for path in SCRIPTS:
        assert not re.search(r"innerHTML|insertAdjacent|\beval\b|new Function|document\.write", path.read_text()), (
            path.name
        )


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((APP / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert name == "" or package.get("link") or package.get("inBundle") or "integrity" in package, name


def test_the_bundle_for_other_pages_is_made_from_these_sources() -> None:
    preview = APP / "preview"
    made_from = [preview / name for name in ("mount.js", "bridge.js", "build.mjs", "styles.mjs")]
    made_from += [*LWC.rglob("*"), *(preview / "stubs").rglob("*"), SOURCE / "labels" / "CustomLabels.labels-meta.xml"]
    names = sorted(
        path.relative_to(APP).as_posix()
        for path in made_from
        if path.is_file()
        and "__tests__" not in path.parts
        and (path.parent.name == "labels" or not path.name.endswith("meta.xml"))
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode() + (APP / name).read_bytes())
    built = (preview / "bundle" / "SOURCES.sha256").read_text().strip()
    assert built == digest.hexdigest(), "npm run preview builds it anew"
