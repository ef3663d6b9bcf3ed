"""Every metadata file holds against the Metadata API's own schema, and mistakes in them are found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .app import APP, CLASSES, INSTALLATION, METADATA_FILES, SOURCE, TEMPLATED, rendered, texts, tree
from .metadata_schema import problems

pytestmark = pytest.mark.crm_apps

FLOW = SOURCE / "flows" / "CRM_Bridge_Case_Changed.flow-meta.xml"
WORKFLOW = SOURCE / "workflows" / "Case.workflow-meta.xml"
FIELD = SOURCE / "objects" / "AI_Draft__c" / "fields" / "Status__c.field-meta.xml"


def _name(path: Path) -> str:
    return path.relative_to(APP).as_posix()


@pytest.mark.parametrize("path", METADATA_FILES, ids=_name)
def test_a_file_holds_as_it_is_and_filled_in(path: Path) -> None:
    text = path.read_text()
    assert problems(text.encode()) == []
    assert problems(rendered(text).encode()) == []
    assert "{{" not in rendered(text)


@pytest.mark.parametrize(
    ("path", "good", "bad", "found"),
    [
        (FLOW, "<actionType>outboundMessage</actionType>", "<actionType>sendMessage</actionType>", "is not in"),
        (FLOW, "<object>Case</object>", "<objekt>Case</objekt>", "does not exist"),
        (FLOW, "    <status>Active</status>", "    <status>Active</status><status>Draft</status>", "stands twice"),
        (FLOW, "<locationX>50</locationX>", "<locationX>left</locationX>", "is no int"),
        (FLOW, "    <label>CRM Bridge: case changed</label>\n", "", "label is missing"),
        (WORKFLOW, "<includeSessionId>false</includeSessionId>", "", "includeSessionId is missing"),
        (WORKFLOW, "<protected>false<", "<protected>no<", "is no boolean"),
        (WORKFLOW, "<apiVersion>66.0<", "<apiVersion>v66<", "is no double"),
        (FIELD, "<type>Picklist</type>", "<type>Dropdown</type>", "is not in FieldType"),
        (FIELD, "</label>\n    <required>", "</label><description>again</description>\n    <required>", "is scattered"),
        (FIELD, "CustomField", "CustomFeld", "is no metadata type"),
    ],
)
def test_a_planted_mistake_is_found(path: Path, good: str, bad: str, found: str) -> None:
    text = path.read_text()
    assert good in text
    assert any(found in problem for problem in problems(text.replace(good, bad).encode()))


def test_only_the_listed_files_hold_something_of_an_installation() -> None:
    holding = {
        _name(path): sorted(set(re.findall(r"\{\{ (\w+) \}\}", path.read_text())))
        for path in [*SOURCE.rglob("*"), *(APP / "manifest").rglob("*")]
        if path.is_file() and "{{" in path.read_text()
    }
    assert holding == {name: sorted(values) for name, values in TEMPLATED["files"].items()}
    assert {value for values in holding.values() for value in values} == set(TEMPLATED["values"]) == set(INSTALLATION)


def test_the_api_version_is_66_everywhere() -> None:
    versions = [version for path in METADATA_FILES for version in texts(tree(path), "apiVersion")]
    packages = [texts(tree(path), "version")[-1] for path in (APP / "manifest").rglob("*.xml")]
    assert set(versions) | set(packages) == {"66.0"}
    assert '"sourceApiVersion": "66.0"' in (APP / "sfdx-project.json").read_text()


def test_what_has_an_api_version_says_it() -> None:
    bundles = [path / f"{path.name}.js-meta.xml" for path in (SOURCE / "lwc").iterdir()]
    for path in [*SOURCE.rglob("*.cls-meta.xml"), *bundles, *SOURCE.rglob("*.flow-meta.xml")]:
        assert texts(tree(path), "apiVersion") == ["66.0"], _name(path)


@pytest.mark.parametrize("path", sorted((SOURCE / "workflows").iterdir()), ids=_name)
def test_outbound_messages_carry_ids_and_no_session(path: Path) -> None:
    node = tree(path)
    assert set(texts(node, "includeSessionId")) == {"false"}
    assert set(texts(node, "fields")) <= {"Id", "ParentId"}
    assert texts(node, "endpointUrl") == ["{{ public_url }}/webhooks/{{ connection }}/{{ path_token }}"]


@pytest.mark.parametrize("path", sorted((SOURCE / "flows").iterdir()), ids=_name)
def test_a_flow_sends_a_message_that_exists_but_not_for_the_bridge_itself(path: Path) -> None:
    node = tree(path)
    action, about = texts(node, "actionName")[0], texts(node, "start", "object")[0]
    workflow = tree(SOURCE / "workflows" / f"{about}.workflow-meta.xml")
    assert action in {f"{about}.{name}" for name in texts(workflow, "outboundMessages", "fullName")}
    assert "NOT({!$Permission.CRM_Bridge_Integration_User})" in texts(node, "filterFormula")[0]
    assert texts(node, "status") == ["Active"]


def test_the_manifest_names_every_part() -> None:
    assert _listed(APP / "manifest" / "package.xml") == _parts()


def test_uninstalling_names_nothing_that_is_not_ours() -> None:
    gone = _listed(APP / "manifest" / "uninstall" / "destructiveChanges.xml")
    labels = {f"CustomLabel.{name}" for name in texts(tree(_labels()), "fullName")}
    assert gone <= _parts() | labels
    assert not {
        part for part in gone if part.startswith(("CustomObject.Case", "CustomObject.EmailMessage", "Workflow."))
    }


def test_the_page_on_deploying_names_every_test_class() -> None:
    page = (APP / "README.md").read_text()
    assert set(re.findall(r"\bCrmBridge\w+Test\b", page)) == {
        path.stem for path in CLASSES if path.stem.endswith("Test")
    }


def _labels() -> Path:
    return SOURCE / "labels" / "CustomLabels.labels-meta.xml"


def _listed(path: Path) -> set[str]:
    found = set()
    for kind in tree(path):
        name = texts(kind, "name")
        found |= {f"{name[0]}.{member}" for member in texts(kind, "members")} if name else set()
    return found


def _parts() -> set[str]:
    plain = {
        "ApexClass": SOURCE.glob("classes/*.cls"),
        "CustomLabels": SOURCE.glob("labels/*"),
        "CustomMetadata": (path.with_suffix("").with_suffix("") for path in SOURCE.glob("customMetadata/*")),
        "CustomObject": (path for path in SOURCE.glob("objects/*") if list(path.glob("*.object-meta.xml"))),
        "CustomPermission": SOURCE.glob("customPermissions/*"),
        "ExternalCredential": SOURCE.glob("externalCredentials/*"),
        "Flow": SOURCE.glob("flows/*"),
        "LightningComponentBundle": SOURCE.glob("lwc/*"),
        "NamedCredential": SOURCE.glob("namedCredentials/*"),
        "PermissionSet": SOURCE.glob("permissionsets/*"),
    }
    inside = {"CustomField": "fields", "ListView": "listViews", "ValidationRule": "validationRules"}
    found = {f"{kind}.{_part(path, kind)}" for kind, paths in plain.items() for path in paths}
    for kind, folder in inside.items():
        for path in SOURCE.glob(f"objects/*/{folder}/*"):
            found.add(f"{kind}.{path.parents[1].name}.{path.name.split('.')[0]}")
    for path in SOURCE.glob("workflows/*"):
        about = path.name.split(".")[0]
        found |= {
            f"WorkflowOutboundMessage.{about}.{name}" for name in texts(tree(path), "outboundMessages", "fullName")
        }
    return found


def _part(path: Path, kind: str) -> str:
    return path.name if kind == "CustomMetadata" else path.name.split(".")[0]
