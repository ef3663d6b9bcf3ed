"""Identifiers in unusual writings: none survives masking, all of them come back, and other numbers stay."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from importlib import resources

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.es import dni
from stdnum.iso7064 import mod_97_10

from crm_bridge.contract import CaseContext, Message, Person
from crm_bridge.core.masking import mask
from crm_bridge.core.masking.identifiers import find_identifiers
from crm_bridge.core.masking.spans import Kind
from crm_bridge.core.policy import MaskingPolicy
from crm_bridge.core.textmatch import fold

Make = Callable[..., CaseContext]
Say = Callable[..., Message]


def wide(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def cards(rng: random.Random) -> str:
    body = rng.choice(["4", "51", "2221"]) + "".join(rng.choice("0123456789") for _ in range(14))
    return body[:15] + luhn.calc_check_digit(body[:15])


def card_writings(digits: str) -> list[str]:
    fours = [digits[place : place + 4] for place in range(0, 16, 4)]
    marks = ["•", "'", "=", "][", "\\", "\u00a0", " - ", "·", '","', "&nbsp;", "/", "\n> "]
    mixed = f"{fours[0]} {fours[1]}-{fours[2]}.{fours[3]}"
    return [digits, wide(digits), mixed, f"[{']['.join(fours)}]", *(mark.join(fours) for mark in marks)]


def ibans(rng: random.Random) -> str:
    account = "".join(rng.choice("0123456789") for _ in range(18))
    return f"DE{mod_97_10.calc_check_digits(account + 'DE')}{account}"


def iban_writings(iban: str) -> list[str]:
    fours = [iban[place : place + 4] for place in range(0, len(iban), 4)]
    marks = [" ", "-", ".", "/", "•", "'", "_", "] [", " | ", "\u202f", "\n"]
    return [iban, iban.lower(), wide(iban), " ".join(iban), *(mark.join(fours) for mark in marks)]


def phones(rng: random.Random) -> str:
    region = rng.choice(["DE", "GB", "US", "ES", "FR"])
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    shown = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    for _ in range(20):
        changed = shown[:-3] + "".join(rng.choice("0123456789") for _ in range(3))
        if phonenumbers.is_valid_number(phonenumbers.parse(changed, None)):
            return changed
    return shown


def phone_writings(shown: str) -> list[str]:
    groups = re.findall(r"\d+", shown)
    country, rest = groups[0], groups[1:]
    joined = [f"+{country}{mark}{mark.join(rest)}" for mark in (" ", ".", "/", "-", "•", "", "_")]
    double_zero = f"00{country} {' '.join(rest)}" if country != "1" else joined[0]
    round_ones = f"+{country} ({rest[0]}) {'.'.join(rest[1:])}"
    square_ones = f"+{country} [{rest[0]}] {' '.join(rest[1:])}"
    return [*joined, round_ones, square_ones, wide(joined[0]), double_zero]


def mails(rng: random.Random) -> str:
    name = "".join(rng.choice("abcdefghkmnpqrstuvwxyz") for _ in range(7))
    return f"{name}@{name[::-1]}.example.com"


def mail_writings(address: str) -> list[str]:
    local, host = address.split("@")
    ats = ["@", "&#64;", "(at)", "[at]", " (at) ", " [at] ", "{at}", "&commat;", " @ ", "%40", "＠"]
    dotted = [f"{local} at {host.replace('.', ' dot ')}", f"{local} [at] {host.replace('.', ' [dot] ')}"]
    others = [f"{local} arroba {host.replace('.', ' punto ')}", f"{local}@{host.replace('.', '[.]')}", wide(address)]
    return [f"{local}{at}{host}" for at in ats] + dotted + others


def national_ids(rng: random.Random) -> str:
    return "".join(rng.choice("0123456789") for _ in range(8))


def national_writings(digits: str) -> list[str]:
    spanish = digits + dni.calc_check_digit(digits)
    named = [f"passport no. C{digits}", f"Reisepass Nr. {digits}", f"número de pasaporte: AB{digits}"]
    named += [f"passeport n° {digits[:2]}AB{digits[2:]}", f"Steuer-ID: {digits}123", f"SSN {digits}1", f"TIN: {digits}"]
    named += [f"NI number AB{digits[:6]}C", f"numéro fiscal {digits}12345", f"NIF B{digits}", wide(f"DNI {spanish}")]
    return [*named, spanish, f"{digits[:2]}.{digits[2:5]}.{digits[5:]}-{spanish[-1]}", f"DNI {spanish}"]


MAKERS: dict[str, tuple[Callable[[random.Random], str], Callable[[str], list[str]]]] = {
    "card": (cards, card_writings),
    "iban": (ibans, iban_writings),
    "phone": (phones, phone_writings),
    "mail": (mails, mail_writings),
    "national": (national_ids, national_writings),
}


def squeezed(text: str) -> str:
    return re.sub(r"[\W_]", "", fold(text).text)


@pytest.mark.parametrize("maker", MAKERS)
def test_no_identifier_survives_in_any_writing_and_all_come_back(maker: str, case: Make, message: Say) -> None:
    make, write = MAKERS[maker]
    rng = random.Random(f"writings-{maker}")
    for _ in range(12):
        value = make(rng)
        core = squeezed(value)[-7:] if maker != "mail" else value.split("@")[0]
        for written in write(value):
            text = f"Hello, this is it: {written}, thank you."
            masked, unmasking = mask(case(message(text)), MaskingPolicy())
            assert core not in squeezed(masked.question), written
            assert unmasking.restore(masked.question) == text


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32), noise=st.lists(st.text(max_size=30), min_size=3, max_size=3))
def test_many_identifiers_among_any_text_come_back_exactly(
    seed: int, noise: list[str], case: Make, message: Say
) -> None:
    rng = random.Random(seed)
    pieces = [rng.choice(write(make(rng))) for make, write in rng.sample(list(MAKERS.values()), 3)]
    text = " \n ".join(part for pair in zip(noise, pieces, strict=True) for part in pair)
    masked, unmasking = mask(case(message(text)), MaskingPolicy())
    assert unmasking.restore(masked.messages[0].text) == text
    assert unmasking.unresolved(masked.messages[0].text) == ()


def test_an_address_is_one_value_however_its_sign_is_hidden(case: Make, message: Say) -> None:
    masked, _ = mask(case(message("bob@shop.test, bob (at) shop [dot] test, bob at shop dot test")), MaskingPolicy())
    assert masked.question == "[EMAIL_1], [EMAIL_1B], [EMAIL_1C]"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("born on 12 March 1984", Kind.DOB),
        ("DOB: 12/03/1984", Kind.DOB),
        ("Geburtsdatum: 12.03.1984", Kind.DOB),
        ("fecha de nacimiento 12-03-1984", Kind.DOB),
        ("né le 12/03/1984", Kind.DOB),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Kind.WALLET),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", Kind.WALLET),
        ("solana: 7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV", Kind.WALLET),
        ("2 55 08 14 168 025 38", Kind.SSN),
        ("AB 12 34 56 C", Kind.SSN),
        ("X-1234567-L", Kind.ID),
        ("fe80::1%eth0", Kind.IP),
        ("[2001:db8::1]:443", Kind.IP),
    ],
)
def test_papers_wallets_and_machines_are_found(text: str, kind: Kind) -> None:
    assert kind in {span.kind for span in find_identifiers(fold(text).text)}


def test_an_embedded_ipv4_is_masked_whole(case: Make, message: Say) -> None:
    masked, _ = mask(case(message("from ::ffff:81.20.14.3 today")), MaskingPolicy())
    assert masked.question == "from [IP_1] today"


@pytest.mark.parametrize(
    "text",
    [
        "ein 12345678 und nie wieder",
        "my passport expires 12.03.2027",
        "I was born to shop, born in 1984",
        "pedido 20417 hace 6 días",
        "tax 1234567, tax invoice INV/2026/00045",
        "1.234,50 EUR, 1,299.00 USD, 3 x 12345 = 37035",
        "tracking 00340434161094021501",
        "10:30-12:45, Mon 8:00 to 18:00, 2026-11-02 12:00, 2026-11-03 13:00",
        "meet me at the dot on the map, look at example.com",
        "sku 3a7bc99, commit 3f2a9c1d0e4b5a6f7c8d9e0f1a2b3c4d5e6f7a8b",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]",
        "driving licence since 2019, the passport 2026 edition",
        "your case 00001001, RMA123456789, product ABCD1234567890",
    ],
)
def test_dates_prices_and_numbers_of_orders_are_no_identifiers(text: str) -> None:
    assert find_identifiers(fold(text).text) == []


def test_the_texts_of_the_demo_hold_no_identifiers_but_its_own() -> None:
    seeds = resources.files("crm_bridge_mock") / "emulator" / "seeds"
    cases = json.loads((seeds / "cases.json").read_text("utf-8"))
    articles = json.loads((seeds / "articles.json").read_text("utf-8"))
    texts = [text for item in cases for text in (item["subject"], *(said["body"] for said in item["messages"]))]
    found = {
        (span.kind, fold(text).text[span.start : span.end])
        for text in [*texts, *(article["body"] for article in articles)]
        for span in find_identifiers(fold(text).text)
    }
    assert {kind for kind, _ in found} <= {Kind.CARD, Kind.EMAIL, Kind.PHONE}
    assert all("example" in text for kind, text in found if kind is Kind.EMAIL)


ROBIN = Person(id="cus_77123", name="Søren Łukasz Müller", email="s.muller84@customer.test", phone="+49 170 1234567")


NAMES = [
    "SØREN",
    "Soren",
    "søren",
    "Ѕøren",
    "Sоren",
    "ｓøｒｅｎ",
    "Lukasz",
    "ŁUKASZ",
    "MULLER",
    "Mueller",
    "Mu\u0308ller",
]
CODES = ["s.muller84", "S.Muller84", "cus_77123", "CUS_77123", "0170/123.45.67", "[0170] 1234567"]
CODES += ["ѕ.muller84@customer.test"]


@pytest.mark.parametrize("written", [*NAMES, *CODES])
def test_what_the_crm_knows_is_masked_in_look_alike_writing(written: str, case: Make, message: Say) -> None:
    masked, unmasking = mask(case(message(f"I am {written} indeed"), requester=ROBIN), MaskingPolicy())
    assert re.fullmatch(r"I am \[[A-Z]+_\d+[A-Z]*\] indeed", masked.question)
    assert unmasking.restore(masked.question) == f"I am {written} indeed"


@pytest.mark.parametrize(
    "unit", ["1 ", "'1", "612 345 678 ", "0170 1234567 ", "4111 1111 1111 1111 123 ", "a@", "(at)", "a at b dot ",
             "passport ", "dni 1", "de89 3704 ", "1.2.3.4 ", "::", "0x1", "born ", "а", "\u200b"]
)  # fmt: skip
def test_masking_a_hostile_text_costs_no_more_than_its_length(unit: str, case: Make, message: Say) -> None:
    context = case(message((unit * 100_000)[:100_000]), requester=ROBIN)
    begun = time.process_time()
    mask(context, MaskingPolicy())
    assert time.process_time() - begun < 3
