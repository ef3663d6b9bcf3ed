"""What promises sound like in English, German, Spanish and French. Folded text: no case, no accents, `ß` is `ss`."""

from __future__ import annotations

import re


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in parts))


TOPICS: dict[str, re.Pattern[str]] = {
    "refund": _any(
        r"\brefund\w*",
        r"\breimburs\w*",
        r"\bmoney[ \-]back\b",
        r"\bpay(?:ing)? you back\b",
        r"\bchargeback\b",
        r"\b(?:ruck)?erstatt\w*",
        r"\bgeld zuruck",
        r"\bruckzahlung\w*",
        r"\breembols\w*",
        r"\bdevolucion\w*(?= (?:del?|completa|total|parcial|ha|sera|se))",
        r"\bdevolver\w* (?:el|su|tu|le|te) (?:dinero|importe)",
        r"\brembours\w*",
    ),
    "compensation": _any(
        r"\bvouchers?\b",
        r"\bgift ?cards?\b",
        r"\bstore credits?\b",
        r"\bgoodwill\b",
        r"\bcompensat\w*",
        r"\bdiscount\w*",
        r"\bgutschein\w*",
        r"\bgutschrift\w*",
        r"\bgutgeschrieben\b",
        r"\bentschadig\w*",
        r"\brabatt\w*",
        r"\bkulanz\w*",
        r"\bcompensa\w*",
        r"\bdescuento\w*",
        r"\bvales? de\b",
        r"\bcupon\w*",
        r"\bindemniz\w*",
        r"\bgeste commercial\b",
        r"\bbons? (?:d'achat|de reduction)",
        r"\bremise\b",
        r"\bdedommag\w*",
    ),
    "free": _any(
        r"(?<!feel )(?<![\-])\bfree\b(?! to\b)(?! up\b)(?! time\b)",
        r"\bat no (?:extra |additional )?(?:cost|charge)\b",
        r"\bno charge\b",
        r"\bcomplimentary\b",
        r"\bon the house\b",
        r"\bwaive\w*\b",
        r"\bkostenlos\w*",
        r"\bkostenfrei\w*",
        r"\bgratis\b",
        r"\bumsonst\b",
        r"\bunentgeltlich\w*",
        r"\bohne (?:zusatzliche )?kosten\b",
        r"\bsin (?:coste|costo|cargo)\b",
        r"\bgratuit\w*",
        r"\bsans frais\b",
        r"\boffert[es]?\b",
    ),
    "guarantee": _any(
        r"\bguarante\w*",
        r"\bwarrant(?:y|ies)\b",
        r"\b(?:i|we) promise\b",
        r"\bgarant\w*",
        r"\bverspreche\w*",
        r"\bversprochen\b",
        r"\bzugesichert\b",
        r"\bzusichern\b",
        r"\bprometemos\b",
        r"\bprometo\b",
        r"\bpromettons\b",
        r"\bpromets\b",
    ),
}
"""What must be grounded in something the company said before a draft may speak of it."""

SETTLED = _any(
    r"\b(?:approved|issued|processed|granted|confirmed|initiated|authori[sz]ed|completed|credited|applied)\b",
    r"\bon (?:its|the) way\b",
    r"\b(?:have|has|'ve|had|been|was|were|is|are|i|we) (?:\w+ )?(?:refunded|reimbursed|waived|sent|compensated)\b",
    r"\b(?:genehmigt|bewilligt|veranlasst|angewiesen|bestatigt|gutgeschrieben|uberwiesen|erstattet|freigegeben)\b",
    r"\b(?:aprobad|procesad|emitid|concedid|autorizad|confirmad|reembolsad|realizad|tramitad)[oa]s?\b",
    r"\b(?:approuve|accorde|effectue|emis|valide|confirme|rembourse|autorise|traite)e?s?\b",
)
"""Said of a refund or a compensation it is a decision about this case: only an agent can have taken it."""

CONDITION = re.compile(
    r"\b(?:once|if|when|as soon as|until|after|before|unless|whether|sobald|wenn|falls|nachdem|bevor|ob|cuando|si"
    r"|una vez|despues de|hasta que|des que|lorsque|quand|apres|avant)\b[^,;:]{0,80}\Z"
)
NEGATION = re.compile(
    r"\b(?:not|n't|cannot|can't|won't|unable|no longer|without|nicht|kein\w*|leider nicht|ohne|no|nunca|ne|n'\w+|pas)\b"
)

_TENS = {
    1: "one|an|ein|eine|einem|einer|eines|un|una|une",
    2: "two|couple of|zwei|dos|deux",
    3: "three|drei|tres|trois",
    4: "four|vier|cuatro|quatre",
    5: "five|funf|cinco|cinq",
    6: "six|sechs|seis",
    7: "seven|sieben|siete|sept",
    8: "eight|acht|ocho|huit",
    10: "ten|zehn|diez|dix",
    14: "fourteen|vierzehn|catorce|quatorze",
}
NUMBER_WORDS = {word: value for value, words in _TENS.items() for word in words.split("|")}
TIME_UNITS: dict[str, str] = {
    "minute": r"min(?:ute[ns]?|utos?)?",
    "hour": r"h|hours?|hrs?|stunden?|horas?|heures?",
    "working day": r"(?:business|working) days?|werktag(?:e[ns]?|s)?|arbeitstag(?:e[ns]?|s)?"
    r"|dias? (?:habil(?:es)?|laborables?)|jours? (?:ouvre|ouvrable)s?",
    "day": r"(?:calendar )?days?|tag(?:e[ns]?|s)?|dias?|jours?",
    "week": r"weeks?|wochen?|semanas?|semaines?",
    "month": r"months?|monat(?:e[ns]?|s)?|mes(?:es)?|mois",
}

_MONTHS = (
    "jan(?:uary|uar|vier)?|enero|feb(?:ruary|ruar|rero)?|fevrier|mar(?:ch|zo|s)?|marz|apr(?:il)?|abril|avril|may|mai|mayo"
    "|june?|juni|junio|juin|july?|juli|julio|juillet|aug(?:ust)?|agosto|aout|sep(?:t(?:ember|iembre|embre)?)?"
    "|o[ck]t(?:ober|ubre|obre)?|nov(?:ember|iembre|embre)?|de[cz](?:ember|iembre|embre)?|diciembre"
)
_WEEKDAYS = (
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag"
    "|lunes|martes|miercoles|jueves|viernes|sabado|domingo|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
)
_DATE = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}(?:[./](?:\d{{2}}){{0,2}})?"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er)?(?: of| de)? (?:{_MONTHS})\b(?:,? (?:de )?\d{{4}})?"
    rf"|(?:{_MONTHS})\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}})?"
    rf"|(?:next |this |nachsten |kommenden |proximo |el |prochain )?(?:{_WEEKDAYS})\b"
    r"|(?:the )?end of (?:the |this |next )?(?:day|week|month)|today|heute|hoy|aujourd'hui"
    r"|ende (?:der|dieser|nachster) woche|next (?:week|month)|nachste[nr]? (?:woche|monat)|(?:la )?proxima semana"
    r"|(?:la )?semaine prochaine"
)
FIRM_DATE = re.compile(
    r"\b(?:by|until|before|no later than|at the latest|bis(?: zum)?|spatestens(?: am)?|vor dem|hasta(?: el)?"
    rf"|antes del?|a mas tardar(?: el)?|avant(?: le)?|d'ici(?: le| a)?|au plus tard(?: le)?) ((?:{_DATE}))"
)
LOOSE_DATE = re.compile(rf"\b(?:on|am|el|le|this|next|kommt|arrives?|arriving|llega(?:ra)?) ((?:{_DATE}))")
RELATIVE_DATE = re.compile(
    r"(?<!guten )(?<!guter )(?<!am )(?<!la )(?<!buena )"
    r"\b(tomorrow|tonight|morgen|ubermorgen|manana|demain|apres-demain)\b"
)
FUTURE = re.compile(
    r"\b(?:will|shall|going to|'ll|werden|wird|wirst|werde|va a|van a|vamos a|\w+(?:remos|ran?)|va|vont|allons|\w+rons"
    r"|recevrez|sera|seront|recibira)\b|'ll\b"
)
