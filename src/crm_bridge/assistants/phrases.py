"""The polite words around what an offline reply quotes, per language. Data only; promises nothing, claims nothing."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrases:
    """`one` and `several` lead to the quoted text, `more` to its page; tuples hold equal ways to say it.

    `{name}` in the greeting is empty or begins with a space.
    """

    greeting: str = ""
    thanks: tuple[str, ...] = ("",)
    apology: str = ""
    one: tuple[str, ...] = ("“{title}”:",)
    several: tuple[str, ...] = ("",)
    more: str = "{url}"
    outro: tuple[str, ...] = ("",)
    closing: str = ""


NEUTRAL = Phrases()
"""For languages without phrases of their own: the sources speak for themselves."""

_PHRASES = {
    "en": Phrases(
        greeting="Hello{name},",
        thanks=("Thank you for your message.", "Thank you for getting in touch.", "Thanks for writing to us."),
        apology="We are sorry for the trouble.",
        one=(
            "Our article “{title}” answers this:",
            "This is what our article “{title}” says:",
            "You will find the answer in our article “{title}”:",
        ),
        several=(
            "Here is what our articles say about each of your points.",
            "These articles of ours answer your questions:",
            "Let us take your points one by one.",
        ),
        more="You can read the whole article here: {url}",
        outro=(
            "If anything is still unclear, just reply to this message.",
            "Please write back if this does not settle it.",
            "Does this answer your question? If not, just reply to us.",
        ),
        closing="Kind regards",
    ),
    "de": Phrases(
        greeting="Guten Tag{name},",
        thanks=("vielen Dank für Ihre Nachricht.", "danke, dass Sie sich gemeldet haben.", "danke für Ihre Anfrage."),
        apology="Für die Umstände bitten wir um Entschuldigung.",
        one=(
            "Unser Artikel „{title}“ beantwortet das:",
            "Dazu steht in unserem Artikel „{title}“:",
            "Die Antwort finden Sie in unserem Artikel „{title}“:",
        ),
        several=(
            "Zu Ihren Punkten steht in unseren Artikeln Folgendes.",
            "Diese Artikel beantworten Ihre Fragen:",
            "Wir gehen Ihre Punkte der Reihe nach durch.",
        ),
        more="Den ganzen Artikel lesen Sie hier: {url}",
        outro=(
            "Falls noch etwas unklar ist, antworten Sie einfach auf diese Nachricht.",
            "Schreiben Sie uns gern zurück, falls das nicht weiterhilft.",
            "Ist Ihre Frage damit beantwortet? Wenn nicht, antworten Sie uns einfach.",
        ),
        closing="Freundliche Grüße",
    ),
    "es": Phrases(
        greeting="Hola{name}:",
        thanks=("Gracias por su mensaje.", "Gracias por ponerse en contacto con nosotros.", "Gracias por escribirnos."),
        apology="Lamentamos las molestias.",
        one=(
            "Nuestro artículo «{title}» responde a su consulta:",
            "Esto es lo que dice nuestro artículo «{title}»:",
            "Encontrará la respuesta en nuestro artículo «{title}»:",
        ),
        several=(
            "Esto es lo que dicen nuestros artículos sobre cada punto.",
            "Estos artículos responden a sus preguntas:",
            "Vamos punto por punto.",
        ),
        more="Puede leer el artículo completo aquí: {url}",
        outro=(
            "Si algo no queda claro, responda a este mensaje.",
            "Escríbanos de nuevo si esto no lo resuelve.",
            "¿Responde esto a su pregunta? Si no, conteste a este mensaje.",
        ),
        closing="Un cordial saludo",
    ),
    "fr": Phrases(
        greeting="Bonjour{name},",
        thanks=("Merci pour votre message.", "Merci de nous avoir contactés.", "Merci de nous avoir écrit."),
        apology="Veuillez nous excuser pour ce désagrément.",
        one=(
            "Notre article « {title} » répond à votre question :",
            "Voici ce que dit notre article « {title} » :",
            "Vous trouverez la réponse dans notre article « {title} » :",
        ),
        several=(
            "Voici ce que disent nos articles sur chacun de vos points.",
            "Ces articles répondent à vos questions :",
            "Reprenons vos points un par un.",
        ),
        more="L'article complet se trouve ici : {url}",
        outro=(
            "Si un point reste obscur, répondez simplement à ce message.",
            "N'hésitez pas à nous réécrire si cela ne suffit pas.",
            "Cela répond-il à votre question ? Sinon, répondez-nous simplement.",
        ),
        closing="Cordialement",
    ),
    "it": Phrases(
        greeting="Buongiorno{name},",
        thanks=("grazie per il suo messaggio.", "grazie per averci contattato.", "grazie per averci scritto."),
        apology="Ci scusiamo per il disagio.",
        one=(
            "Il nostro articolo «{title}» risponde alla sua domanda:",
            "Ecco che cosa dice il nostro articolo «{title}»:",
            "Troverà la risposta nel nostro articolo «{title}»:",
        ),
        several=(
            "Ecco che cosa dicono i nostri articoli su ciascun punto.",
            "Questi articoli rispondono alle sue domande:",
            "Vediamo i suoi punti uno per uno.",
        ),
        more="L'articolo completo si trova qui: {url}",
        outro=(
            "Se qualcosa non è chiaro, risponda pure a questo messaggio.",
            "Ci riscriva pure se questo non bastasse.",
            "Questo risponde alla sua domanda? Altrimenti ci risponda pure.",
        ),
        closing="Cordiali saluti",
    ),
    "nl": Phrases(
        greeting="Goedendag{name},",
        thanks=("Bedankt voor uw bericht.", "Bedankt dat u contact met ons opneemt.", "Dank voor uw vraag."),
        apology="Onze excuses voor het ongemak.",
        one=(
            "Ons artikel “{title}” geeft hierop antwoord:",
            "Dit staat in ons artikel “{title}”:",
            "U vindt het antwoord in ons artikel “{title}”:",
        ),
        several=(
            "Dit zeggen onze artikelen over elk van uw punten.",
            "Deze artikelen geven antwoord op uw vragen:",
            "We nemen uw punten een voor een door.",
        ),
        more="Het hele artikel leest u hier: {url}",
        outro=(
            "Is iets nog niet duidelijk, beantwoord dan gewoon dit bericht.",
            "Schrijf ons gerust terug als dit niet helpt.",
            "Is uw vraag hiermee beantwoord? Zo niet, antwoord ons dan gewoon.",
        ),
        closing="Met vriendelijke groet",
    ),
    "pt": Phrases(
        greeting="Olá{name},",
        thanks=("Obrigado pela sua mensagem.", "Obrigado por entrar em contacto.", "Obrigado por nos escrever."),
        apology="Pedimos desculpa pelo incómodo.",
        one=(
            "O nosso artigo “{title}” responde à sua pergunta:",
            "Eis o que diz o nosso artigo “{title}”:",
            "Encontra a resposta no nosso artigo “{title}”:",
        ),
        several=(
            "Eis o que dizem os nossos artigos sobre cada ponto.",
            "Estes artigos respondem às suas perguntas:",
            "Vejamos os seus pontos um a um.",
        ),
        more="Pode ler o artigo completo aqui: {url}",
        outro=(
            "Se algo não estiver claro, basta responder a esta mensagem.",
            "Escreva-nos de novo se isto não resolver.",
            "Isto responde à sua pergunta? Se não, basta responder-nos.",
        ),
        closing="Com os melhores cumprimentos",
    ),
}

PHRASES = MappingProxyType(_PHRASES)
