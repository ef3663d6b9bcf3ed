"""Links in every writing are found, and what is not what it looks like blocks."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge.contract import CaseContext, Flag, Message, Severity, Source
from crm_bridge.core.guard import inspect
from crm_bridge.core.policy import GuardPolicy

Make = Callable[..., CaseContext]
Say = Callable[..., Message]
Flags = Callable[..., dict[str, Flag]]

ARTICLE = Source(
    id="kb-1",
    title="Refunds",
    url="https://help.shop.test/refunds",
    excerpt="Write to help@shop.test or see https://shop.test/a?b=c and https://søren.test/æ.",
)


def judged(text: str, context: CaseContext, *sources: Source) -> tuple[Flag, ...]:
    return inspect(
        text,
        context=context,
        sources=sources or (ARTICLE,),
        policy=GuardPolicy(),
        unresolved=(),
        expected_language=None,
        actual_language=None,
    )


@pytest.fixture(scope="session")
def flags(case: Make, message: Say) -> Flags:
    return lambda text, *sources: {flag.code: flag for flag in judged(text, case(message("Hi")), *sources)}


@pytest.mark.parametrize(
    "link",
    [
        "hxxp://evil.test/a",
        "hxxps://evil[.]test/a",
        "https[:]//evil.test",
        "evil[.]com",
        "evil(dot)com",
        "evil [dot] com",
        "evil dot com",
        "evil . com",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://[2001:db8::1]/a",
        "81.20.14.3/login",
        "81.20.14.3:8080",
        "https://help.shop.test@evil.test/refunds",
        "https://help.shop.test:443@evil.test",
        "evil.com/login",
        "evil.icu",
        "pay.evil.vip",
        "evil.unlisted/login",
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "https:evil.test",
        "\\\\evil.test\\share",
        "xn--pypal-4ve.com",
        "https://xn--pypal-4ve.com/a",
        "[https://help.shop.test/refunds](https://evil.test/a)",
        "[refunds](https://evil.test)",
    ],
)
def test_links_are_found_in_every_writing(link: str, flags: Flags) -> None:
    assert flags(f"Please see {link} and answer.")["link_not_in_sources"].severity is Severity.BLOCKING


@pytest.mark.parametrize(
    "text",
    [
        "See [our page](https://help.shop.test/refunds), or https://help.shop.test/refunds).",
        "See [https://help.shop.test/refunds](https://help.shop.test/refunds).",
        "See [help.shop.test](https://help.shop.test/refunds) and https://shop.test/a?b=c!",
        "See help.shop.test; write to help@shop.test.",
        "See https://søren.test/æ.",
        "Choose it in your account.It is on the left.In the app, e.g. there, i.e. at 9 a.m. or 5 p.m.",
        "Bitte wählen Sie z.B. das Menü, d.h. oben, Nr.12, u.a. im Konto.",
        "Open readme.md, setup.py or Scan_0042.pdf; version 10.4.2.1 and 192.168.0.0/24 are fine.",
        "We are there from 9:00 to 18:00 (Mon.-Fri.), except on 24.12.",
        "The dot on the map is ours; connect the dots and dot the i.",
        "Привет! Ваш заказ уже в пути, т.е. скоро будет у вас.",
        "Καλημέρα, η παραγγελία σας είναι καθ' οδόν.",
        "family 👨\u200d👩\u200d👧 and می\u200cخواهم, see help.shop.test",
    ],
)
def test_honest_texts_and_links_are_left_alone(text: str, flags: Flags) -> None:
    assert flags(text) == {}


@pytest.mark.parametrize(
    "written",
    [
        "https://hеlp.shop.test/refunds",  # Cyrillic
        "pаypal.com",
        "раураӏ.com",
        "paypal.соm",
        "help@shоp.test",
        "https://ｈｅｌｐ.shop.test/refunds",
        "ｅｖｉｌ.com",
        "https://ηelp.shop.test",  # Greek
        "xn--pypal-4ve.com",
        "https://help.sh\u00adop.test/refunds",
        "https://help.shop.test/ref\u200bunds",
        "\u202ehttps://help.shop.test/refunds",
        "https://help.shop.test/refunds\u2066",
        "help@shop\u2060.test",
        "help@shop.test\U000e0041",
        "DE89 3704\u200b 0044 0532 0130 00",
        "+49 30\u00ad 1234567",
        "ev\x01il.com",
        "[https://help.shop.test](https://shop.test/a?b=c)",
    ],
)
def test_what_is_not_what_it_looks_like_blocks(written: str, flags: Flags) -> None:
    text = f"Please use {written} for it."
    assert flags(text)["disguised"].severity is Severity.BLOCKING
    given = Source(id="s", title="t", excerpt=text)
    assert "disguised" in flags(text, given)


def test_a_changed_reading_order_before_a_link_blocks(flags: Flags) -> None:
    assert "disguised" in flags("Go to \u202e the page at https://help.shop.test/refunds")
    assert "disguised" not in flags("a \u202e line\n\nhttps://help.shop.test/refunds")


@pytest.mark.parametrize("text", ["hid\u202eden", "Ge\u00adburts\u00adtag", "tag\U000e0041ged, see help.shop.test"])
def test_unseen_characters_elsewhere_only_inform(text: str, flags: Flags) -> None:
    assert [(flag.code, flag.severity) for flag in flags(text).values()] == [("hidden_characters", Severity.INFORMING)]


def test_the_remark_names_the_words_of_the_draft(flags: Flags) -> None:
    assert flags("See https://hеlp.shop.test/refunds!")["disguised"].excerpt == "https://hеlp.shop.test/refunds"


LETTERS = st.sampled_from([*"aеo.@/:[]()- \n\u200b\u202e", "http://", "xn--", ".com", "dot", "[.]", "0170", "а.com"])


@settings(deadline=None, max_examples=150)
@given(pieces=st.lists(LETTERS, max_size=40))
def test_any_mixture_is_judged_with_excerpts_of_the_draft(pieces: list[str], case: Make, message: Say) -> None:
    text = "".join(pieces)
    for flag in judged(text, case(message("Hi"))):
        if flag.code in {"disguised", "contact_not_in_sources"} and "…" not in flag.excerpt:
            assert flag.excerpt.replace("\u200b", "").replace("\u202e", "") in text.replace("\u200b", "").replace(
                "\u202e", ""
            )


HOSTILE = [
    "http://)", "](", "[.]", "a.de ", "1 ", "4111 1111 1111 1111 123 ", "612 345 678 ", "1.2.3.4 ", "send us your ",
    "a\u200b", "а", "passport ", "by 12 november ", "a at b dot ", "call me on ",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_text_of_any_kind_costs_no_more_than_its_length(unit: str, case: Make, message: Say) -> None:
    context = case(message("Hi"))
    text = (unit * (100_000 // len(unit) + 1))[:100_000]
    begun = time.process_time()
    judged(text, context)
    assert time.process_time() - begun < 3  # well under one when the machine is idle; quadratic took minutes


def test_many_dates_and_links_against_many_sources_stay_cheap(case: Make, message: Say) -> None:
    said = "by 12 november 2026 https://a.test/b +49 170 1234567 4,90 EUR. " * 300
    sources = [Source(id=str(number), title="t", excerpt=said) for number in range(20)]
    begun = time.process_time()
    judged("by 12 march. By 13.4.2027 we will. https://b.test +49 171 1234567 " * 700, case(message("Hi")), *sources)
    assert time.process_time() - begun < 5
