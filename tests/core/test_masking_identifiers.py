"""What is recognised by its form alone, and what is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from stdnum import luhn

from crm_bridge.core.masking import mask
from crm_bridge.core.masking.identifiers import find_identifiers
from crm_bridge.core.masking.spans import Kind
from crm_bridge.core.policy import MaskingPolicy
from crm_bridge.core.textmatch import fold

BRANDS = [("4", 16), ("4", 13), ("4", 19), ("51", 16), ("2221", 16), ("34", 15), ("37", 15), ("36", 14), ("6011", 16)]
BRANDS += [("62", 17), ("62", 18), ("3530", 16), ("5018", 14), ("81", 16)]


def card(rng: random.Random, prefix: str, length: int) -> str:
    body = prefix + "".join(rng.choice("0123456789") for _ in range(length - len(prefix) - 1))
    return next(body + check for check in "0123456789" if luhn.is_valid(body + check))


def grouped(digits: str, separator: str) -> str:
    return separator.join(digits[start : start + 4] for start in range(0, len(digits), 4))


def digits_at(digits: str, zero: int) -> str:
    return "".join(chr(zero + int(digit)) for digit in digits)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda digits: digits,
    "spaces": lambda digits: grouped(digits, " "),
    "dashes": lambda digits: grouped(digits, "-"),
    "no_break_spaces": lambda digits: grouped(digits, "\u00a0"),
    "fullwidth": lambda digits: digits_at(digits, 0xFF10),
    "fullwidth_spaced": lambda digits: grouped(digits_at(digits, 0xFF10), "\u3000"),
    "newline": lambda digits: digits[:7] + "\n" + digits[7:],
    "quoted_newline": lambda digits: grouped(digits[:8], " ") + "\r\n> " + grouped(digits[8:], " "),
    "dots": lambda digits: grouped(digits, "."),
    "en_dashes": lambda digits: grouped(digits, "\u2013"),
    "zero_width": lambda digits: grouped(digits, "\u200b"),
    "arabic_digits": lambda digits: digits_at(digits, 0x0660),
    "every_digit_apart": lambda digits: " ".join(digits),
    "amex_groups": lambda digits: f"{digits[:4]} {digits[4:10]} {digits[10:]}",
    "tabs": lambda digits: grouped(digits, "\t"),
}
FRAMES = ["{}", "my card is {} thanks", "card:{}, please", "2026 {} 12/27", "({})", "order 2026-004512, {}", "x{}y"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_card_is_found_however_it_is_written(encoding: str) -> None:
    rng = random.Random(f"cards-{encoding}")
    missed = []
    for _ in range(400):
        digits = card(rng, *rng.choice(BRANDS))
        written = rng.choice(FRAMES).format(ENCODINGS[encoding](digits))
        folded = fold(written).text
        left = folded
        for span in find_identifiers(folded):
            if span.kind is Kind.CARD:
                left = left.replace(folded[span.start : span.end], "")
        if sum(character.isdigit() for character in left) > 12:
            missed.append(written)
    assert missed == []


def test_a_card_of_an_unknown_brand_is_found_when_it_stands_in_one_piece_or_in_fours() -> None:
    rng = random.Random(8)
    for length in range(13, 20):
        for _ in range(40):
            digits = card(rng, rng.choice("0123456789"), length)
            for written in (digits, grouped(digits, " ")):
                assert any(span.kind is Kind.CARD for span in find_identifiers(written)), written


def test_order_numbers_and_versions_are_left_alone() -> None:
    rng = random.Random(2026)

    def number(count: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(count))

    shapes: list[Callable[[], str]] = [
        lambda: f"20{rng.randrange(19, 27)}-{number(6)}",
        lambda: f"ORD-{number(8)}",
        lambda: f"#{number(7)}",
        lambda: f"order {number(10)}",
        lambda: f"Bestellung Nr. {number(9)}",
        lambda: f"pedido n.º {number(8)}",
        lambda: f"{rng.randrange(100, 800)}-{number(7)}-{number(7)}",
        lambda: f"INV/20{rng.randrange(19, 27)}/{number(5)}",
        lambda: f"case {number(8).zfill(8)}",
        lambda: f"version {rng.randrange(30)}.{rng.randrange(20)}.{rng.randrange(10)}.{rng.randrange(10)}",
        lambda: f"v{rng.randrange(30)}.{rng.randrange(20)}.{rng.randrange(10)}",
        lambda: f"RMA{number(9)}",
    ]
    written = [f"Where is {rng.choice(shapes)()}? Thank you." for _ in range(3000)]
    wrong = [text for text in written if find_identifiers(fold(text).text)]
    assert len(wrong) / len(written) < 0.005, wrong[:20]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00.", Kind.IBAN),
        ("gb82west12345698765432", Kind.IBAN),
        ("ES91-2100-0418-4502-0005-1332", Kind.IBAN),
        ("FR14 2004 1010 0505\n0001 3M02 606", Kind.IBAN),
        ("my iban: DE00 3704 0044 0532 0130 01", Kind.IBAN),
        ("write to ada+x@mail.example.co.uk.", Kind.EMAIL),
        ("mailto:jürgen@müller.example", Kind.EMAIL),
        ("ada＠example．com", Kind.EMAIL),
        ("+49 170 1234567", Kind.PHONE),
        ("0049 170 1234567", Kind.PHONE),
        ("0170 1234567", Kind.PHONE),
        ("(212) 555-0123", Kind.PHONE),
        ("020 7946 0958", Kind.PHONE),
        ("612 345 678", Kind.PHONE),
        ("01 42 68 53 00", Kind.PHONE),
        ("call me on 5550123", Kind.PHONE),
        ("Handynummer: 01701234567", Kind.PHONE),
        ("123-45-6789", Kind.SSN),
        ("SSN 123456789", Kind.SSN),
        ("from 81.20.14.3 today", Kind.IP),
        ("2001:db8:85a3::8a2e:370:7334", Kind.IP),
        ("CVV: 123", Kind.CVV),
        ("the security code is 1234", Kind.CVV),
        ("Prüfnummer 987", Kind.CVV),
    ],
)
def test_identifiers_are_found(text: str, kind: Kind) -> None:
    assert kind in {span.kind for span in find_identifiers(fold(text).text)}


@pytest.mark.parametrize(
    "text",
    [
        "Order 2026-004512 of 2026-11-02",
        "version 10.4.2.1 is out",
        "netmask 255.255.255.0",
        "meet at 10:30:45, MAC aa:bb:cc:dd:ee:ff",
        "std::vector and face::value",
        "call about 2026-004512",
        "01.02.2026 12:00",
        "DE12 is no account",
        "1234 5678 9012 3456 7",
        "follow us @company",
        "it costs 1.234,50 EUR",
        "IMEI 356938035643800",
    ],
)
def test_other_numbers_are_no_identifiers(text: str) -> None:
    assert find_identifiers(fold(text).text) == []


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 123",
        "4111111111111111 12/27 123",
        "4111 1111 1111 1111, exp 12/2027, code 123",
        "123 is the CVV of 4111111111111111",
        "4111111111111111\nCVC 123",
    ],
)
def test_the_security_code_beside_a_card_is_masked(
    text: str, case: Callable[..., object], message: Callable[..., object]
) -> None:
    masked, _ = mask(case(message(text)), MaskingPolicy())  # type: ignore[arg-type]
    assert "123" not in masked.question
