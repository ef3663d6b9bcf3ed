"""Contact and payment data in a draft that nobody of the company gave: addresses, phone numbers, accounts, wallets.

What only the customer wrote is no reason to tell anybody to call or to pay there: whoever wrote a mail chose it. Card
numbers are judged elsewhere: no draft may hold one, whoever gave it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import phonenumbers

from crm_bridge.core.guard.grounds import Grounds, Remark, Said
from crm_bridge.core.guard.linkforms import is_under
from crm_bridge.core.guard.look import Look, Seen
from crm_bridge.core.masking.emails import find_emails, plain_address
from crm_bridge.core.masking.spans import Kind
from crm_bridge.core.policy import GuardPolicy
from crm_bridge.core.textmatch import visible

MAX_CONTACTS = 200
"""Different ones of one draft; further ones are in no source."""

_CODE = "contact_not_in_sources"
_NAMES = {Kind.EMAIL: "address", Kind.PHONE: "phone number", Kind.IBAN: "account", Kind.WALLET: "wallet"}

_THEIR_OWN = re.compile(
    r"\b(?:your|ihr\w{0,2}|dein\w{0,2}|su|tu|votre)"
    r"(?: (?:e-?mail|mail|contact|phone|mobile|telephone|cell|registered|new|neue|correo|de|d'))?"
    r" ?(?:e-?mail|mail|address|number|phone|mobile|mailadresse|e-mail-adresse|adresse|telefonnummer|handynummer"
    r"|rufnummer|nummer|handy|telefon|correo(?: electronico)?|direccion|telefono|numero|movil|courriel|telephone"
    r"|portable|numero de telephone|numero de telefono)(?: (?:is|was|ist|lautet|es|est|as))?[ :(\"']{0,3}\Z"
    r"|\b(?:we|i)(?:'ll| will| can| could| tried to| have)? (?:call|called|reach|reached|contact|phone|ring|text) you"
    r"(?: back)?(?: at| on| under| via)? \Z"
    r"|\b(?:wir|ich) (?:rufen|rufe|erreichen|kontaktieren|melden uns bei)(?: (?:sie|dich|ihnen))? (?:unter"
    r"|auf)(?: der)? \Z"
    r"|\ble (?:llamaremos|llamamos|contactaremos)(?: (?:al|en el|en))? \Z"
    r"|\b(?:nous vous|je vous) (?:appellerons|rappellerons|appelons|rappelons|contacterons|rappelle)(?: (?:au"
    r"|sur le))? \Z"
)


def check_contacts(look: Look, grounds: Grounds, policy: GuardPolicy, *, ours: str) -> Iterator[Remark]:
    """Contacts the company never gave. `ours` is text of the policy itself: greeting, closing, signature."""
    found = _contacts(look, grounds, policy)
    if not found:
        return
    company = _given(
        found.values(), Said(f"{grounds.company.shown}\n{ours}", f"{grounds.company.folded}\n{ours.lower()}")
    )
    customer = _given(found.values(), grounds.customer)
    for seen, contact in found.items():
        if contact in company:
            continue
        name, excerpt = _NAMES[contact[0]], look.text[seen.start : seen.end]
        if contact not in customer:
            yield Remark(_CODE, f"this {name} is in no source and nobody of this case has it", excerpt)
        elif contact[0] in {Kind.EMAIL, Kind.PHONE} and _is_called_theirs(look.looks, seen):
            yield Remark("contact_echoed", f"only the customer wrote this {name}", excerpt)
        else:
            yield Remark(_CODE, f"only the customer wrote this {name}; the company never gave it", excerpt)


Contact = tuple[Kind, str]


def _contacts(look: Look, grounds: Grounds, policy: GuardPolicy) -> dict[Seen, Contact]:
    """Contacts of a draft that the case itself and the policy do not vouch for."""
    listed = frozenset(host.lower() for host in policy.allowed_link_hosts)
    numbers = {number for phone in grounds.phones for number in _writings(phone)}
    found: dict[Seen, Contact] = {}
    for seen in look.identifiers:
        if seen.kind is None or seen.kind not in _NAMES:
            continue
        contact = _contact(seen.kind, look.text[seen.start : seen.end])
        if seen.kind is Kind.EMAIL:
            known = contact[1] in grounds.addresses or is_under(contact[1].rpartition("@")[2], listed)
        else:
            known = seen.kind is Kind.PHONE and not numbers.isdisjoint(_writings(contact[1]))
        if not known and len(found) < MAX_CONTACTS:
            found[seen] = contact
    return found


def _contact(kind: Kind, written: str) -> Contact:
    """What two writings of it have in common. Look-alike letters stay what they are: they make another address."""
    shown = unicodedata.normalize("NFKC", visible(written))
    if kind is Kind.EMAIL:
        return kind, plain_address(shown)
    if kind is Kind.PHONE:
        plus = "+" if shown.lstrip("([ ").startswith("+") else ""
        return kind, plus + "".join(str(unicodedata.decimal(sign)) for sign in shown if sign.isdecimal())
    return kind, re.sub(r"[\W_]", "", shown.casefold())


def _given(contacts: Iterable[Contact], grounds: Said) -> set[Contact]:
    """Which of the contacts stand in a text."""
    wanted = set(contacts)
    given: set[Contact] = set()
    if any(kind is Kind.EMAIL for kind, _ in wanted):
        shown = grounds.shown.lower()
        addresses = {plain_address(shown[span.start : span.end]) for span in find_emails(shown)}
        given |= {contact for contact in wanted if contact[0] is Kind.EMAIL and contact[1] in addresses}
    numbers = {writing: contact for contact in wanted if contact[0] is Kind.PHONE for writing in _writings(contact[1])}
    if numbers:
        given |= {numbers[digits] for digits in _numbers(grounds.folded) if digits in numbers}
    accounts = [contact for contact in wanted if contact[0] in {Kind.IBAN, Kind.WALLET}]
    if accounts:
        squeezed = re.sub(r"[\W_]", "", grounds.folded)
        given |= {contact for contact in accounts if contact[1] in squeezed}
    return given


_GROUPED = re.compile(r"(\+)?[(\[]?\d+(?:[^\w\n]{1,4}\d+)*")
_LONGEST, _MOST_GROUPS, _MOST_COUNTRIES = 17, 8, 200


def _numbers(folded: str) -> Iterator[str]:
    """Digits of every row of up to eight groups, without what separates them: a phone number may be any of them."""
    countries = 0
    for run in _GROUPED.finditer(folded.replace("(0)", "")):
        groups = re.findall(r"\d+", run.group())
        for first in range(len(groups)):
            digits = ""
            for group in groups[first : first + _MOST_GROUPS]:
                digits += group
                if len(digits) > _LONGEST:
                    break
                yield digits
                says_country = first == 0 and len(digits) > 7 and (run.group(1) or digits.startswith("00"))
                if says_country and countries < _MOST_COUNTRIES:
                    countries += 1
                    yield from _writings((run.group(1) or "") + digits)


def _writings(number: str) -> set[str]:
    """The digits of a phone number with and without its country."""
    digits = re.sub(r"\D", "", number)
    if not digits:
        return set()
    international = number.startswith("+") or digits.startswith("00")
    bare = digits.removeprefix("00") if international else digits
    try:
        parsed = phonenumbers.parse(f"+{bare}", None) if international else None
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None:
        return {digits, digits.lstrip("0") or digits, "0" + digits}
    country, national = str(parsed.country_code), str(parsed.national_number)
    return {f"{country}{national}", f"00{country}{national}", f"{country}0{national}", national, f"0{national}"}


def _is_called_theirs(looks: str, seen: Seen) -> bool:
    before = looks[max(0, seen.first - 90) : seen.first]
    return bool(_THEIR_OWN.search(re.split(r"[.!?\n](?=\s)", before)[-1]))
