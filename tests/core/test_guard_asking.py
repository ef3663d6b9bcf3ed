"""Asking the customer for a secret blocks; speaking of one does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crm_bridge.contract import CaseContext, Flag, Message, Severity, Source
from crm_bridge.core.guard import inspect
from crm_bridge.core.policy import GuardPolicy

Make = Callable[..., CaseContext]
Say = Callable[..., Message]

ASKING = [
    "Please send us your password.",
    "We never lose a mail, so send us your password.",
    "Could you please share the PIN of your card with us?",
    "Reply with the one-time code you received by SMS.",
    "Please don't hesitate to send us your password.",
    "Do not forget to tell us the verification code.",
    "If you have not received the e-mail, send us your password and we log in for you.",
    "No problem, just send us the CVV.",
    "What is your card number?",
    "To verify your identity we need your full card number and the CVV.",
    "Can I have your 2FA code?",
    "Please provide the following:\n- your name\n- your password",
    "Please send us\nyour password",
    "Tell me the 6-digit code on your screen.",
    "Please confirm your card number and expiry date.",
    "Read out the code from your authenticator: give us the authentication code.",
    "Please reply with your online banking login.",
    "Bitte teilen Sie uns Ihr Passwort mit.",
    "Nennen Sie uns bitte Ihre PIN.",
    "Bitte senden Sie uns die TAN, die Sie erhalten haben.",
    "Wir benötigen noch Ihre Kreditkartennummer und die Prüfnummer.",
    "Wie lautet Ihr Kennwort?",
    "Zögern Sie nicht, uns Ihr Passwort zu senden.",
    "Schicken Sie mir den SMS-Code.",
    "Ihre Kreditkartendaten können Sie uns per Mail senden.",
    "Antworten Sie mit dem Bestätigungscode.",
    "Geben Sie uns Ihre Zugangsdaten.",
    "Envíenos su contraseña.",
    "Por favor, indíquenos el código de verificación que ha recibido.",
    "¿Cuál es su PIN?",
    "Necesitamos el número de su tarjeta y el CVV.",
    "No dude en enviarnos su contraseña.",
    "Facilítenos su número de tarjeta completo.",
    "Responda con el código SMS.",
    "Indiquez votre mot de passe.",
    "Merci de nous communiquer votre mot de passe.",
    "Pouvez-vous nous envoyer le code de vérification ?",
    "Quel est votre code secret ?",
    "N'hésitez pas à nous envoyer votre mot de passe.",
    "Nous avons besoin de votre numéro de carte et du cryptogramme.",
    "Veuillez nous transmettre le code à usage unique.",
]
NOT_ASKING = [
    "We will never ask for your password.",
    "Never send your password to anyone.",
    "Niemand von uns wird Sie auffordern, uns Ihr Passwort zu senden.",
    "Please choose a new password with twelve characters.",
    "We will send you a link to choose a new password.",
    "You can reset your password on the sign-in page.",
    "Please do not share your PIN with anybody, not even with us.",
    "Nobody from our team will ask you to send the code.",
    "Please tell us the last four digits of your card number.",
    "Never send us your card number: we do not need it.",
    "If you did not enter the wrong passwords yourself, please change your password and tell us.",
    "We sent you a verification code; enter it in the app.",
    "There is no need to send us your password.",
    "Please tell us when you changed your password.",
    "Could you tell us whether the password reset worked?",
    "Let us know if you need a new PIN.",
    "Please send us your order number and a photo of the pin on the hinge.",
    "Tell us the colour of the card and the order number.",
    "Wir werden Sie nie nach Ihrem Passwort fragen.",
    "Teilen Sie niemals Ihr Passwort mit.",
    "Bitte senden Sie uns keine Kreditkartendaten.",
    "Bitte ändern Sie Ihr Passwort und sagen Sie uns Bescheid.",
    "Wählen Sie ein neues Passwort mit mindestens zwölf Zeichen.",
    "Geben Sie Ihr Passwort nur auf unserer Anmeldeseite ein.",
    "Wir senden Ihnen einen Bestätigungscode.",
    "Wir benötigen Ihr Passwort nicht.",
    "Nunca le pediremos su contraseña.",
    "Elija una contraseña nueva de al menos doce caracteres.",
    "No comparta su contraseña con nadie.",
    "Le enviaremos un código de verificación.",
    "Cámbiela y avísenos.",
    "Indíquenos su número de pedido, por favor.",
    "Nous ne vous demanderons jamais votre mot de passe.",
    "Ne communiquez jamais votre mot de passe.",
    "Choisissez un nouveau mot de passe.",
    "Nous vous envoyons un code de vérification.",
    "Indiquez les quatre derniers chiffres de votre numéro de carte.",
    "Did you include the PIN code area in your address, such as 560001?",
    "Please enter your password on the sign-in page.",
    "Your PIN was sent by post.",
    "Give it a minute: the code arrives by SMS.",
    "Please let us know if the login code does not arrive.",
    "Enter your card number at the checkout, as always.",
    "You can provide feedback on the new PIN pad in the app.",
    "We cannot see your password.",
]


def flags_of(text: str, context: CaseContext, *sources: Source) -> tuple[Flag, ...]:
    return inspect(
        text,
        context=context,
        sources=sources,
        policy=GuardPolicy(),
        unresolved=(),
        expected_language=None,
        actual_language=None,
    )


@pytest.mark.parametrize("text", ASKING)
def test_asking_for_a_secret_blocks_in_four_languages(text: str, case: Make, message: Say) -> None:
    flags = flags_of(f"Hello Ada,\n\n{text}\n\nKind regards", case(message("Hi")))
    assert [(flag.code, flag.severity) for flag in flags] == [("secret", Severity.BLOCKING)]
    assert flags[0].excerpt.rstrip("…") in text or "…" in flags[0].excerpt


@pytest.mark.parametrize("text", NOT_ASKING)
def test_speaking_of_a_secret_is_no_request(text: str, case: Make, message: Say) -> None:
    assert flags_of(f"Hello Ada,\n\n{text}\n\nKind regards", case(message("Hi"))) == ()


def test_a_sentence_of_an_article_may_be_repeated(case: Make, message: Say) -> None:
    text = "Tell us the last login code you used."
    article = Source(id="a", title="Locked out", excerpt=f"Call the desk. {text}")
    assert [flag.code for flag in flags_of(text, case(message("Hi")))] == ["secret"]
    assert flags_of(text, case(message("Hi")), article) == ()
