"""Numbers of papers and of citizens: passports, tax and social-security numbers, dates of birth. Folded text.

Most have no form of their own, so a word beside them has to say what they are (English, German, Spanish, French).
What carries its own check digits is believed without one where an order number would hardly pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum.es import dni, nie
from stdnum.fr import nir

from crm_bridge.core.masking.spans import Kind, Span

_LINK = (
    r"(?:[ ]?(?:number|numero|nummer|no|nr|num|n\u00b0|nro|id|code|is|was|ist|lautet|es|est|de|du|del|of|my|mein"
    r"|meine|mi"
    r"|mon|the|der|die|[(\[][a-z]{2,12}[)\]])(?![a-z]))*[\s.:#=\u00b0\-(\[\"']{0,4}"
)
_PAPERS = (
    r"passport|reisepass|pass(?:nummer|nr|[ \-]nr)|pasaporte|passeport|(?:personal)?ausweis(?:nummer|nr|[ \-]nr)?"
    r"|identity card|id card|national id|driv(?:er'?s?|ing) licen[cs]e|fuhrerschein(?:nummer)?|cedula"
    r"|carne de conducir|permiso de conducir|permis de conduire|carte (?:nationale )?d'identite|documento de identidad"
    r"|dni|nif|tin|itin|(?:nie|ein|spi|utr)(?=[ ]?[:#=]|[ ](?:no|nr|number|numero)(?![a-z]))"
    r"|tax(?:payer)? (?:id(?:entification)?|ref(?:erence)?|number|no|code)(?![a-z])"
    r"|steuer[ \-]?id(?:nr|entifikationsnummer)?|steuernummer|identifikationsnummer|idnr|st\.?-?nr"
    r"|numero fiscal|numero de identificacion fiscal|numero fiscal de reference"
)
_SOCIAL = (
    r"ssn|social security(?: number| no)?|national insurance(?: number| no)?|nino|ni (?:number|no)|nhs (?:number|no)"
    r"|sozialversicherungsnummer|rentenversicherungsnummer|sv-?nummer|rvnr|krankenversicher\w{0,14}nummer"
    r"|versichertennummer|seguridad social|numero de afiliacion|securite sociale|numero de secu|numero insee"
)
_VALUE = (
    r"(?!(?:(?:19|20)\d{2}[\-./ ]\d{1,2}[\-./ ]\d{1,2}|\d{1,2}[\-./ ]\d{1,2}[\-./ ](?:19|20)?\d{2})(?!\d))"
    r"([a-z]{0,3}[ \-.]?\d(?:[ \-./]{0,2}\d){4,16}(?:[ \-]?[a-z][ \-]?\d{1,3}|-?[a-z]|[ ][a-z](?![\w ]))?(?![a-z0-9])"
    r"|(?=[a-z]*\d[a-z]*\d[a-z]*\d[a-z]*\d)[a-z0-9]{6,16}(?![a-z0-9]))"
)
_LABELLED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.ID, re.compile(rf"(?<![a-z])(?:{_PAPERS}){_LINK}{_VALUE}")),
    (Kind.SSN, re.compile(rf"(?<![a-z])(?:{_SOCIAL}){_LINK}{_VALUE}")),
)
_SSN = re.compile(r"(?<![\d\-])(?!000|666|9\d\d)\d{3}([\- .])(?!00)\d{2}\1(?!0000)\d{4}(?!\d|-\d)")
_SSN_NEAR = re.compile(r"(?<![a-z])(?:ssn|social\s+security)[^\d\n]{0,25}(\d{9}|\d{3}[\- .]\d{2}[\- .]\d{4})(?!\d)")
_NI = re.compile(r"(?<![a-z0-9])(?![dfiquv])[a-z](?![dfioquv])[a-z][ ]\d\d[ ]\d\d[ ]\d\d[ ][a-d](?![a-z0-9])")
_SPANISH = re.compile(r"(?<![a-z0-9])(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[xyz][ \-]?\d{7})[ \-]?[a-z](?![a-z0-9])")
_FRENCH = re.compile(
    r"(?<![\d.,/\-])[12][ .\-]?\d\d[ .\-]?\d\d[ .\-]?\d[\dab][ .\-]?\d{3}[ .\-]?\d{3}[ .\-]?\d{2}(?![\d]|[.,/\-]\d)"
)

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|enero|feb(?:ruary|ruar|rero)?|fevrier|mar(?:ch|zo|s)?|marz|apr(?:il)?|abril|avril|may"
    r"|mai"
    r"|mayo|june?|juni|junio|juin|july?|juli|julio|juillet|aug(?:ust)?|agosto|aout|sep(?:t(?:ember|iembre|embre)?)?"
    r"|o[ck]t(?:ober|ubre|obre)?|nov(?:ember|iembre|embre)?|de[cz](?:ember|iembre|embre)?|diciembre)"
)
_BORN = re.compile(
    r"(?<![a-z])(?:d\.?o\.?b\.?|date of birth|birth ?dat?[ey]|born|birthday|geburts(?:datum|tag)|geboren|geb\.?"
    r"|fecha de nacimiento|nacid[oa]|naci|cumpleanos|date de naissance|nee?)"
    r"(?:[ ]?(?:is|was|on|the|am|ist|war|el|es|fue|dia|le|est|den|in)(?![a-z]))*[\s:.=\-(]{0,3}"
    r"((?:19|20)\d{2}[\-./ ]\d{1,2}[\-./ ]\d{1,2}|\d{1,2}[\-./ ]{1,2}\d{1,2}[\-./ ]{1,2}(?:19|20)?\d{2}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|\.)?[ ](?:of |de )?{_MONTH}\.?,?(?: de| del)? (?:19|20)\d{{2}}"
    rf"|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d{{2}})(?!\d)"
)


def find_papers(text: str) -> Iterator[Span]:
    """Numbers of papers and persons, and dates of birth that are called so."""
    for kind, pattern in _LABELLED:
        for match in pattern.finditer(text):
            yield Span(kind, *match.span(1))
    for match in _SSN.finditer(text):
        yield Span(Kind.SSN, *match.span())
    for match in _SSN_NEAR.finditer(text):
        yield Span(Kind.SSN, *match.span(1))
    for match in _NI.finditer(text):
        yield Span(Kind.SSN, *match.span())
    for match in _SPANISH.finditer(text):
        if _is_spanish(match.group()):
            yield Span(Kind.ID, *match.span())
    for match in _FRENCH.finditer(text):
        if nir.is_valid(re.sub(r"[ .\-]", "", match.group()).upper()):
            yield Span(Kind.SSN, *match.span())
    for match in _BORN.finditer(text):
        yield Span(Kind.DOB, *match.span(1))


def _is_spanish(written: str) -> bool:
    number = re.sub(r"[ .\-]", "", written).upper()
    return bool((nie if number[0] in "XYZ" else dni).is_valid(number))
