"""Asking the customer for what nobody may ask for in writing: passwords, PINs, one-time codes, card data.

Looks at sentences of folded text, also at those a line break or a list divides. That something is *not* to be sent is
no request; that the customer should "not hesitate to send" it is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_bridge.core.guard.grounds import Grounds, Remark, Said, sentence_places, sentences, wording

_CONFIDENTIAL = (
    r"\b(?:passwor[dt](?:e?s|er)?|\w{0,20}passwor[dt]|passcodes?|passphrase|kennwort\w*|zugangsdaten|contrasena\w*"
    r"|claves? (?:de acceso|secreta|personal)|mots? de passe|code secret|codigo secreto|geheim(?:zahl|nummer|code)"
    r"|pins?(?:[ -]?(?:code|nummer|number))?|[tm]?tans?(?:-nummer)?|cvv2?|cvc2?|cv2|security code|kartenprufnummer"
    r"|pruf(?:nummer|ziffer)|sicherheitscode|codigo de seguridad|code de securite|cryptogramme(?: visuel)?"
    r"|(?:credit |debit |bank |payment )?card (?:numbers?|details|data|info(?:rmation)?)"
    r"|(?:kreditkarten|karten)-?(?:nummern?|daten)|(?:numero|datos) (?:completos? )?(?:de (?:su |tu |la )?)tarjeta"
    r"|(?:numero|donnees|coordonnees) (?:complet )?de (?:votre |la )?carte|otps?"
    r"|(?:one[ -]time|verification|2fa|mfa|two[ -]factor|login|log-?in|access|authentication|authenticator|sms|backup"
    r"|recovery|confirmation) (?:pass)?codes?|(?:einmal|bestatigungs|verifizierungs|sms-?|zugangs|2fa-|freigabe)codes?"
    r"|einmal-?kennwort|codigos? (?:de (?:verificacion|un solo uso|acceso|confirmacion|seguridad)|sms|2fa)"
    r"|codes? (?:de verification|a usage unique|de confirmation|sms|2fa|d'acces|de validation)"
    r"|(?:\d-digit|six[ -]digit|four[ -]digit) code|social security number|ssn|secret (?:key|question|answer|phrase)"
    r"|api[ -]?keys?|private keys?|seed phrase|recovery phrase|wiederherstellungsphrase|frase semilla"
    r"|online[ -]banking[ -](?:details|login|zugang\w*)|login (?:details|credentials|data)|credentials)\b"
)
_PART_OF_IT = (
    r"\b(?:last|final) (?:four|two|4|2|three|3) (?:digits|numbers|characters)|letzten (?:vier|4|zwei"
    r"|drei) (?:ziffern|stellen)"
    r"|ultim[oa]s (?:cuatro|4|tres|dos) (?:digitos|cifras|numeros)|(?:quatre|4|trois|deux) derniers chiffres"
    r"|derniers (?:quatre|4) chiffres"
)
_NOT_US = r"(?<!we )(?<!we will )(?<!we'll )(?<!i will )(?<!i'll )(?<!wir )(?<!ich )(?<!we can )(?<!we have )(?<!we'd )"
_REQUEST = (
    rf"{_NOT_US}\b(?:send|share|provide|give|tell|supply|forward|submit|state|disclose|e-?mail us|mail us|text us"
    rf"|message us"
    r"|dictate|read (?:out|us)|type (?:in )?here|(?:reply|respond|answer|write back|come back|get back to us) with"
    r"|let us (?:know|have)|drop us|pass (?:us|on|along)|include your|schick(?:en|e|t)?|sende[nt]?|nennen|nenn(?:e"
    r"|t)?|nenne"
    r"|mitteilen|teilen sie|teile|teil|geben sie (?:bitte )?(?:uns|mir)|gib (?:uns|mir|bitte)|verraten|ubermitteln"
    r"|antworten sie(?: uns| mir)? mit"
    r"|antworte mit|durchgeben|envie(?:nos|me)?|envi[ae](?:nos|me)?|enviar(?:nos|me)|mandar(?:nos|me)|indique(?:nos"
    r"|me)?"
    r"|indica(?:nos|me)?|facilite(?:nos|me)?|facilita(?:nos|me)?|facilitar(?:nos|me)|comparta|comparte|mande(?:nos|me)?"
    r"|mandanos|proporcione(?:nos|me)?|proporciona(?:nos|me)?|proporcionar(?:nos|me)|diga(?:nos|me)|dinos|dime"
    r"|responda con|responde con|de(?:nos|me)|danos|envoyez|communiquez|communiquer|indiquez|indiquer|donnez|fournissez"
    r"|fournir|transmettez|transmettre|partagez|dites|renvoyez|repondez(?: nous)? avec|envoyer|envoie|donne|partage)\b"
    r"(?! (?:you|ihnen|dir|vous|euch)\b)"
)
_NEED = (
    r"\b(?:(?:we|i)(?:'ll| will| just| only| also| still)? (?:need|require|ask for)|may i have|(?:can|could) (?:i"
    r"|we) have"
    r"|(?:wir|ich) (?:brauchen?|benotigen?)(?: (?:noch|nur|dazu|dafur|hierfur))*"
    r"|necesit(?:amos|o)|nos hace falta|(?:avons|ai) besoin (?:de|du)|il (?:me|nous) faut"
    r"|(?:what is|what's|what was|wie (?:ist|lautet)|was ist|cual es|quel(?:le)? est)|confirm|verify|bestatigen sie"
    r"|confirme|confirmez|please enter here) (?:\w+ ){0,3}?"
)
_ABOUT_IT = (
    r"(?!\b(?:when|whether|if (?!possible|you can|need|you do)|how|why|feedback|photo|picture|screenshot|wann|ob|warum"
    r"|cuando|si (?!es posible|puede)|como|quand|si (?!possible)|comment|pourquoi)\b)"
)
_BACK = (
    r"\b(?:mitteilen|nennen|schicken|senden|verraten|durchgeben|ubermitteln|mit\b(?=\W*\Z)"
    r"|(?:send|share|give|tell|e-?mail|forward) (?:it|them|that|this)\b|(?<!and )(?:send|share|give) (?:us|me)\b"
    r"|to us\b(?= (?:by|via|in|now|so|and))"
    r"|por (?:correo|este medio|mensaje)|par (?:retour|mail|e-?mail|courriel))"
)
_ASKED_FOR = re.compile(
    rf"(?P<request>{_REQUEST})(?:{_ABOUT_IT}[^.!?]){{0,80}}?{_CONFIDENTIAL}|(?P<need>{_NEED})(?<!new ){_CONFIDENTIAL}"
    rf"|(?P<back>{_CONFIDENTIAL})[^.!?]{{0,40}}?{_BACK}"
)
_NEVER = re.compile(
    r"\b(?:never|nobody|no one|none of us|nie|niemals|niemand|keinesfalls|unter keinen umstanden|nunca|jamas|nadie"
    r"|jamais|personne|under no circumstances|without (?:sharing|sending|giving))\b"
)
_NOT = re.compile(r"\b(?:not|cannot|no|nicht|kein\w*|ne|n'\w+|sin|sans|without|avoid|ohne)\b|n't\b")
_STILL_ASKS = re.compile(
    r"\b(?:hesitate|forget|worry|problem|only|just|zoger\w*|vergess\w*|sorge\w*|nur|dud\w+|olvid\w+|preocup\w+|problema"
    r"|solo|hesit\w+|oubli\w+|inquiet\w+|probleme|seulement|but|however|sondern|aber|sino|pero|mais)\b"
)
_CLAUSE_END = re.compile(r"[,;:(]")
_BREAK = re.compile(r"(?<!\n)\n(?!\n)")


def check_asking(reply: Said, grounds: Grounds) -> Iterator[Remark]:
    """Requests for a secret, at most one per sentence. A sentence that stands in a source is fine."""
    text = _BREAK.sub(" ", reply.folded)  # as long as before: places stay
    quoted: set[str] | None = None
    for start, end in sentence_places(text):
        sentence = text[start:end]
        if not _asks(sentence):
            continue
        if quoted is None:
            quoted = {wording(said) for said in sentences(grounds.company.folded)}
            quoted |= {wording(said) for said in sentences(_BREAK.sub(" ", grounds.company.folded))}
        if wording(sentence) not in quoted:
            yield Remark("secret", "the draft asks the customer for a secret", reply.folded[start:end].strip())


def _asks(sentence: str) -> bool:
    return any(
        not _is_forbidden(sentence, match) and not re.search(_PART_OF_IT, match.group())
        for match in _ASKED_FOR.finditer(sentence)
    )


_ASKING = re.compile(r"\b(?:ask|request|requir|demand|fordern|auffordern|bitten|verlangen|pedir|solicit|exig)")


def _governs(between: str) -> bool:
    """Whether a "never" still reaches the request: `nobody will ask you, …` does, `we never sleep, so send …` not."""
    return not _CLAUSE_END.search(between) or _ASKING.search(between) is not None


def _is_forbidden(sentence: str, match: re.Match[str]) -> bool:
    """Whether the sentence says that this is not to be sent, or not needed."""
    reach, inside = sentence[max(0, match.start() - 90) : match.start()], match.group()
    after = _CLAUSE_END.split(sentence[match.end() : match.end() + 30], maxsplit=1)[0]
    never = [found.end() for found in _NEVER.finditer(reach)]
    if never and not _STILL_ASKS.search(reach, never[-1]) and _governs(reach[never[-1] :]):
        return True
    if _NEVER.search(inside) or _NEVER.search(after):
        return True
    clause = _CLAUSE_END.split(reach[-45:])[-1]
    nots = [found.start() for found in _NOT.finditer(clause)]
    if nots and not _STILL_ASKS.search(clause, nots[-1]) and not _STILL_ASKS.search(inside[:20]):
        return True
    denied = _NOT.search(inside)
    if denied and not _CLAUSE_END.search(inside, denied.end()):
        return True
    return bool(re.search(r"\b(?:not|nicht|pas)\b", after))
