"""What the bridge and agents may do: each no more than it needs, and all that it needs."""

from __future__ import annotations

import re

import pytest

from .app import CLASSES, SOURCE, field_access, fields, permission_set, texts, tree
from .metadata_schema import METADATA

pytestmark = pytest.mark.crm_apps

DRAFT = "AI_Draft__c"
BY_THE_BRIDGE = {
    *("External_Key__c", "Draft_Id__c", "Revision__c", "Answers__c", "Made_From__c", "Body__c", "Language__c"),
    *("Sources__c", "Findings__c", "Flags__c", "Addressing__c"),
}
BY_THE_AGENT = {
    *("Decision__c", "Decided_By__c", "Decided_At__c", "Final_Body__c", "Reason__c", "Comment__c", "Acknowledged__c"),
    *("Decision_Answers__c", "Email_Message__c"),
}
BY_BOTH = {"Status__c"}
ON_THE_CASE = {
    *("CRMB_State__c", "CRMB_Sentence__c", "CRMB_Action__c", "CRMB_Reason__c", "CRMB_Sequence__c"),
    *("CRMB_State_Since__c", "CRMB_State_Detail__c"),
}
SETS = ("CRM_Bridge_Agent", "CRM_Bridge_Integration")


def test_every_field_that_is_read_and_written_exists() -> None:
    assert set(fields(DRAFT)) == {"Case__c"} | BY_THE_BRIDGE | BY_THE_AGENT | BY_BOTH
    assert set(fields("Case")) == ON_THE_CASE
    assert set(fields("CRM_Bridge_App__mdt")) == {"Version__c"}


def test_the_bridge_writes_drafts_and_states_and_only_reads_decisions() -> None:
    access = field_access("CRM_Bridge_Integration")
    editable = {name for name, edit in access.items() if edit}
    assert editable == {f"{DRAFT}.{name}" for name in BY_THE_BRIDGE | BY_BOTH} | {
        f"Case.{name}" for name in ON_THE_CASE
    }
    assert {f"{DRAFT}.{name}" for name in BY_THE_AGENT} <= set(access)


def test_agents_write_decisions_and_only_read_the_rest() -> None:
    access = field_access("CRM_Bridge_Agent")
    assert {name for name, edit in access.items() if edit} == {f"{DRAFT}.{name}" for name in BY_THE_AGENT | BY_BOTH}
    assert {f"{DRAFT}.{name}" for name in BY_THE_BRIDGE} | {f"Case.{name}" for name in ON_THE_CASE} <= set(access)


@pytest.mark.parametrize("name", SETS)
def test_nobody_may_delete_or_see_what_sharing_hides(name: str) -> None:
    node = permission_set(name)
    for never in ("allowDelete", "modifyAllRecords", "viewAllRecords"):
        assert set(texts(node, "objectPermissions", never)) == {"false"}
    assert set(texts(node, "userPermissions", "name")) <= {"ApiEnabled"}


@pytest.mark.parametrize("name", SETS)
def test_no_access_is_given_to_a_field_that_always_has_it(name: str) -> None:
    """Salesforce refuses to deploy one to a master-detail or required field."""
    own = {f"{about}.{field}": node for about in (DRAFT, "Case") for field, node in fields(about).items()}
    for path in field_access(name):
        if path in own:
            assert texts(own[path], "type") != ["MasterDetail"], path
            assert texts(own[path], "required") != ["true"], path


def test_a_detail_can_be_read_only_with_its_master() -> None:
    for name in SETS:
        assert {DRAFT, "Case"} <= set(texts(permission_set(name), "objectPermissions", "object"))


def test_only_the_bridges_user_carries_the_mark_and_only_agents_may_call_out() -> None:
    agent, bridge = (permission_set(name) for name in SETS)
    assert texts(bridge, "customPermissions", "name") == ["CRM_Bridge_Integration_User"]
    assert texts(agent, "customPermissions", "name") == []
    principal = texts(tree(next((SOURCE / "externalCredentials").iterdir())), "parameterName")
    assert texts(agent, "externalCredentialPrincipal") == [f"crm_bridge-{principal[0]}"]
    assert texts(bridge, "externalCredentialPrincipal") == []


def test_agents_may_use_what_the_component_calls_and_no_test() -> None:
    given = set(texts(permission_set("CRM_Bridge_Agent"), "classAccesses", "apexClass"))
    assert given <= {path.stem for path in CLASSES if not path.stem.endswith("Test")}
    assert {
        path.stem for path in CLASSES if re.search(r"@AuraEnabled(\(.*\))?\s+public static", path.read_text())
    } <= given
    assert texts(permission_set("CRM_Bridge_Integration"), "classAccesses", "apexClass") == []


def test_the_record_itself_lets_nobody_decide_for_another_nor_twice() -> None:
    rules = {path.name.split(".")[0]: tree(path) for path in (SOURCE / "objects" / DRAFT / "validationRules").iterdir()}
    formulas = {name: texts(node, "errorConditionFormula")[0] for name, node in rules.items()}
    assert "Decided_By__c <> $User.Id" in formulas["Decided_By_The_Person_Who_Saves"]
    assert "$Permission.CRM_Bridge_Integration_User" in formulas["Decided_By_The_Person_Who_Saves"]
    assert 'NOT(ISPICKVAL(PRIORVALUE(Status__c), "ready"))' in formulas["Decided_While_Ready"]
    for formula in formulas.values():
        assert set(re.findall(r"\b\w+__c\b", formula)) <= set(fields(DRAFT))


def test_the_keys_are_what_idempotent_writes_need() -> None:
    key = fields(DRAFT)["External_Key__c"]
    assert [texts(key, name) for name in ("unique", "externalId", "caseSensitive")] == [["true"]] * 3
    case = fields(DRAFT)["Case__c"]
    assert [texts(case, name) for name in ("type", "referenceTo", "relationshipName")] == [
        ["MasterDetail"],
        ["Case"],
        ["AI_Drafts"],
    ]


def test_the_secret_is_in_no_file() -> None:
    setting = tree(SOURCE / "objects" / "CRM_Bridge_Settings__c" / "CRM_Bridge_Settings__c.object-meta.xml")
    assert texts(setting, "visibility") == ["Protected"]
    for name in SETS:
        assert not [path for path in field_access(name) if path.startswith("CRM_Bridge_Settings__c")]
        assert permission_set(name).find(f"{METADATA}customSettingAccesses") is None
