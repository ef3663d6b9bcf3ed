"""Describes: their form, recorded ones of real orgs, hidden fields, and the package's objects as they are deployed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crm_bridge_salesforce
from crm_bridge_salesforce.emulator import SalesforceCrm

NS = "{http://soap.sforce.com/2006/04/metadata}"
OBJECTS = Path(crm_bridge_salesforce.__path__[0]) / "crm_app/force-app/main/default/objects"
KINDS = {
    "Text": "string",
    "LongTextArea": "textarea",
    "Number": "double",
    "DateTime": "datetime",
    "Picklist": "picklist",
    "MasterDetail": "reference",
    "Lookup": "reference",
}

RECORDED = {
    "name": "Case",
    "label": "Ticket",
    "fields": [
        {"name": "Region__c", "label": "Region", "type": "picklist", "custom": True, "createable": True},
        {"name": "Subject", "label": "Betreff", "type": "string", "length": 10},
        {
            "name": "AssetId",
            "label": "Asset",
            "type": "reference",
            "referenceTo": ["Asset"],
            "relationshipName": "Asset",
            "createable": True,
        },
    ],
    "childRelationships": [
        {"childSObject": "Attachment", "field": "ParentId", "relationshipName": "Attachments", "cascadeDelete": True},
        {"childSObject": "CaseShare", "field": "CaseId", "relationshipName": None},
    ],
}


def fields_of(api: Any, sobject: str) -> dict[str, Any]:
    return {one["name"]: one for one in api("GET", f"/sobjects/{sobject}/describe").body["fields"]}


def test_a_describe_says_what_clients_rely_on(api: Any) -> None:
    case = api("GET", "/sobjects/Case/describe").body
    assert (case["keyPrefix"], case["label"], case["queryable"]) == ("500", "Case", True)
    assert case["urls"]["rowTemplate"] == "/services/data/v66.0/sobjects/Case/{ID}"
    relations = {one["relationshipName"]: (one["childSObject"], one["field"]) for one in case["childRelationships"]}
    assert relations["EmailMessages"] == ("EmailMessage", "ParentId")
    assert relations["Emails"] == ("EmailMessage", "RelatedToId")
    assert relations["AI_Drafts__r"] == ("AI_Draft__c", "Case__c")
    contact = fields_of(api, "Case")["ContactId"]
    assert (contact["referenceTo"], contact["relationshipName"]) == (["Contact"], "Contact")
    assert not any(name.startswith("_") for field in case["fields"] for name in field)


def test_a_recorded_describe_adds_to_an_object(api: Any, crm: SalesforceCrm) -> None:
    crm.org.schema.load_describe(RECORDED)
    described = api("GET", "/sobjects/Case/describe").body
    assert described["label"] == "Ticket"
    assert fields_of(api, "Case")["CRMB_State__c"]
    case = api.create("Case", Subject="short", region__c="North")
    assert api("POST", "/sobjects/Case", {"Subject": "x" * 11}).code == "STRING_TOO_LONG"
    (row,) = api.query("SELECT Region__c, Asset.Name, (SELECT Name FROM Attachments) FROM Case").body["records"]
    assert (row["Region__c"], row["Asset"], row["Attachments"]) == ("North", None, None)
    assert api.query("SELECT (SELECT Id FROM CaseShares) FROM Case").code == "INVALID_TYPE"
    assert api("DELETE", f"/sobjects/Case/{case}").status == 204


def test_a_recorded_describe_adds_an_object(api: Any, crm: SalesforceCrm) -> None:
    fields = [{"name": "Id", "type": "id"}, {"name": "Name", "type": "string", "length": 80, "createable": True}]
    crm.org.schema.load_describe({"name": "Asset", "keyPrefix": "02i", "label": "Asset", "fields": fields})
    asset = api.create("Asset", Name="Pump")
    assert asset.startswith("02i")
    assert api.rows("SELECT Name FROM Asset") == [{"Name": "Pump"}]
    assert "Asset" in [one["name"] for one in api("GET", "/sobjects").body["sobjects"]]


@pytest.mark.parametrize("document", [{}, {"name": "X"}, {"name": 1, "fields": []}])
def test_what_is_no_describe_is_refused(crm: SalesforceCrm, document: Any) -> None:
    with pytest.raises(ValueError, match="a describe has"):
        crm.org.schema.load_describe(document)


def test_a_hidden_field_is_as_if_it_were_not_there(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    before = api("GET", "/sobjects/Case/describe").headers["Last-Modified"]
    assert crm.hide(case) == ("Case.Type", "Contact.Phone")
    assert "Type" not in fields_of(api, "Case")
    assert "Type" not in api.read("Case", case.id)
    for statement in (
        "SELECT Type FROM Case",
        "SELECT Id FROM Case WHERE Type = 'x'",
        "SELECT Contact.Phone FROM Case",
        "SELECT Id FROM Case ORDER BY Type",
        "SELECT Id FROM Case WHERE Id IN (SELECT ParentId FROM EmailMessage WHERE Parent.Type = null)",
    ):
        assert api.query(statement).code == "INVALID_FIELD", statement
    assert api("PATCH", f"/sobjects/Case/{case.id}", {"Type": "x"}).code == "INVALID_FIELD"
    assert api("GET", f"/sobjects/Case/{case.id}", params={"fields": "Type"}).code == "INVALID_FIELD"
    assert "Type" not in api("GET", "/sobjects/Case/describe", headers={"If-Modified-Since": before}).body["fields"]


def test_an_org_without_the_package_has_none_of_it(api_of: Any) -> None:
    crm = SalesforceCrm(installed=False)
    api = api_of(crm)
    assert api("GET", "/sobjects/AI_Draft__c/describe").status == 404
    assert api.query("SELECT Version__c FROM CRM_Bridge_App__mdt").code == "INVALID_TYPE"
    assert api.query("SELECT CRMB_State__c FROM Case").code == "INVALID_FIELD"
    crm.stop()


def test_the_installed_version_can_be_asked_for(api: Any) -> None:
    statement = "SELECT Version__c FROM CRM_Bridge_App__mdt WHERE DeveloperName = 'Current'"
    assert api.rows(statement) == [{"Version__c": "0.1.0"}]


def _deployed() -> Iterator[tuple[str, ET.Element]]:
    for file in sorted(OBJECTS.glob("*/fields/*.field-meta.xml")):
        yield file.parent.parent.name, ET.parse(file).getroot()


@pytest.mark.skipif(not OBJECTS.is_dir(), reason="the package's sources are not here")
def test_the_packages_fields_are_those_that_are_deployed(api: Any) -> None:
    for sobject, field in _deployed():
        name = field.findtext(f"{NS}fullName") or ""
        known = fields_of(api, sobject).get(name)
        assert known is not None, f"{sobject}.{name} is deployed and not emulated"
        assert known["type"] == KINDS[field.findtext(f"{NS}type") or ""], f"{sobject}.{name}"
        if (length := field.findtext(f"{NS}length")) is not None:
            assert known["length"] == int(length), f"{sobject}.{name}"
        assert known["externalId"] == (field.findtext(f"{NS}externalId") == "true")
        values = [one.text for one in field.iter(f"{NS}fullName")][1:]
        assert {one["value"] for one in known["picklistValues"]} == set(values), f"{sobject}.{name}"


@pytest.mark.skipif(not OBJECTS.is_dir(), reason="the package's sources are not here")
def test_nothing_is_emulated_that_is_not_deployed(api: Any) -> None:
    deployed = {(sobject, field.findtext(f"{NS}fullName")) for sobject, field in _deployed()}
    emulated = {("Case", name) for name in fields_of(api, "Case") if name.startswith("CRMB_")}
    emulated |= {("AI_Draft__c", name) for name in fields_of(api, "AI_Draft__c") if name.endswith("__c")}
    assert emulated <= deployed
