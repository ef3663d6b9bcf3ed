"""The newest part of a mail is cut out where that is safe; a customer's words are never lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.kit.parsing import newest_reply

GMAIL = "\n\nOn Mon, Nov 2, 2026 at 10:00 AM Support <s@example.com> wrote:\n> Hi\n> try again\n"


@pytest.mark.parametrize(
    ("mail", "newest"),
    [
        ("Still broken." + GMAIL, "Still broken."),
        (
            "Sigue sin funcionar.\n\nEl lun, 2 nov 2026 a las 10:00, S (<s@example.com>) escribió:\n> a",
            "Sigue sin funcionar.",
        ),
        ("Geht nicht.\n\nAm 02.11.2026 um 10:00 schrieb Support <s@example.com>:\n> Hallo", "Geht nicht."),
        ("Nope.\n\nFrom: Support <s@example.com>\nSent: Monday\nTo: me\nSubject: Re: x\n\nold text", "Nope."),
        ("It broke.\n\nThanks,\nJohn Doe" + GMAIL, "It broke."),
        ("It broke.\r\n-- \r\nJohn Doe, a very long title of several words, Example Ltd" + GMAIL, "It broke."),
    ],
)
def test_quoted_mails_and_sign_offs_are_cut(mail: str, newest: str) -> None:
    assert newest_reply(mail) == newest


@pytest.mark.parametrize(
    "mail",
    [
        "",
        "Just a text.",
        "Hello\nThanks, but my order 123 is still missing. Where is it?",
        "It broke.\n\nThanks,\nI still wait for the refund of 20 EUR",
        "Best,\nwhy is it late?",
        "I need:\n- a refund\n- an invoice\nsoon",
        "On Mon someone wrote:\n> Q1?\nyes\n> Q2?\nno",
        "See below" + GMAIL + "my answer stands here",
        "> only\n> quoted",
        GMAIL.strip(),
        "x" * 20_000 + GMAIL + "and more" * 3_000,
    ],
)
def test_in_doubt_the_whole_text_stays(mail: str) -> None:
    assert newest_reply(mail) == mail


def test_long_lines_and_odd_characters_survive() -> None:
    long = "A paragraph on one line. " * 40 + "\ue0000\ue001 end"
    assert newest_reply(f"{long}\n\ue0007\ue001\nsecond" + GMAIL) == f"{long}\n\ue0007\ue001\nsecond"


COSTLY = {
    "newlines": "\n" * 100_000,
    "headers": "On \n" * 30_000,
    "one header": "On " * 100_000,
    "header lines": ("On " * 60 + "\n") * 1_000,
    "German headers": ("Am " + "schrieb x " * 18 + "\n") * 1_000,
    "Swedish headers": ("Den " + "skrev x " * 20 + "\n") * 1_000,
    "From lines": ("From: " + " " * 190 + "\n") * 1_000,
    "broken From lines": ("From: " + "*" * 190 + "\nx\n") * 1_000,
    "rulers": ("_" * 31 + "\n") * 5_000,
    "spaces": (" " * 199 + "\n") * 5_000,
    "quotes": ("> " * 90 + "On x wrote\n") * 1_000,
    "warnings": ("Warning: mail mail mail " * 8 + "\n") * 1_000,
    "sign-offs": "Thanks,\n" * 3_000,
}


@pytest.mark.parametrize("mail", COSTLY.values(), ids=COSTLY.keys())
def test_mails_built_to_be_costly_are_not(mail: str) -> None:
    began = time.process_time()
    newest_reply(mail)
    assert time.process_time() - began < 1.0


@settings(deadline=None, max_examples=60)
@given(own=st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=60))
def test_nothing_raises_and_nothing_is_invented(own: str) -> None:
    assert set(newest_reply(own + GMAIL)) <= set(own + GMAIL)
    assert newest_reply(own + GMAIL) or not own.strip()
