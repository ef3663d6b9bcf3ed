"""Words of a help desk that mean the same topic, per language. Data only.

Customers say "parcel" where an article says "delivery"; without a model, a small table is what bridges that.
"""

from __future__ import annotations

from types import MappingProxyType

_CONCEPTS = {
    "en": {
        "account": "account profile",
        "address": "address",
        "cancel": "cancel cancellation",
        "damage": "damaged broken defective faulty cracked",
        "delivery": "delivery deliver shipping ship shipment parcel package arrive arrival dispatch track tracking",
        "hours": "opening open hours closed",
        "invoice": "invoice bill receipt",
        "lock": "locked lock unlock blocked",
        "login": "login log logging sign signin",
        "order": "order purchase",
        "password": "password passcode",
        "pay": "pay payment paid",
        "refund": "refund reimburse reimbursement money",
        "return": "return exchange",
    },
    "de": {
        "account": "Konto Kundenkonto Benutzerkonto Account",
        "address": "Adresse Anschrift",
        "cancel": "Kündigung kündigen stornieren Storno Stornierung gekündigt storniert",
        "damage": "beschädigt kaputt defekt Defekt Schaden",
        "delivery": "Lieferung liefern geliefert Lieferzeit Versand versendet verschickt Paket Päckchen Sendung"
        " ankommen angekommen Zustellung Sendungsverfolgung",
        "hours": "Öffnungszeiten Öffnungszeit geöffnet offen geschlossen öffnen",
        "invoice": "Rechnung Beleg Quittung",
        "lock": "gesperrt sperren Sperre entsperren Sperrung blockiert",
        "login": "anmelden Anmeldung einloggen Login eingeloggt",
        "order": "Bestellung bestellen bestellt Auftrag",
        "password": "Passwort Kennwort",
        "pay": "bezahlen Zahlung zahlen bezahlt Bezahlung",
        "refund": "Rückerstattung erstatten erstattet Erstattung Geld",
        "return": "Rückgabe zurückgeben Rücksendung zurücksenden Retoure zurückschicken Umtausch umtauschen",
    },
    "es": {
        "account": "cuenta",
        "address": "dirección",
        "cancel": "cancelar cancelación anular",
        "damage": "dañado roto defectuoso estropeado dañada rota",
        "delivery": "entrega entregar envío enviar enviado paquete llegar llega llegado llegó llegará",
        "hours": "horario horarios abierto abierta abren abre apertura cerrado",
        "invoice": "factura recibo",
        "lock": "bloqueada bloqueado bloquear desbloquear bloqueo",
        "login": "iniciar sesión entrar acceder acceso",
        "order": "pedido compra",
        "password": "contraseña clave",
        "pay": "pago pagar pagado",
        "refund": "reembolso reembolsar reembolsen dinero",
        "return": "devolución devolver devoluciones cambio",
    },
    "fr": {
        "account": "compte",
        "address": "adresse",
        "cancel": "annuler annulation résilier résiliation",
        "damage": "endommagé cassé défectueux abîmé",
        "delivery": "livraison livrer livré colis expédition expédié arrivé arriver arrive suivi",
        "hours": "horaires horaire ouvert ouverture ouverts fermé",
        "invoice": "facture reçu",
        "lock": "bloqué bloquer débloquer verrouillé bloqué",
        "login": "connecter connexion connecte identifier",
        "order": "commande commander commandé achat",
        "password": "passe",
        "pay": "paiement payer payé",
        "refund": "remboursement rembourser remboursé argent",
        "return": "retour retourner renvoyer échange",
    },
    "it": {
        "account": "account conto",
        "address": "indirizzo",
        "cancel": "annullare annullamento disdire disdetta cancellare",
        "damage": "danneggiato rotto difettoso",
        "delivery": "consegna consegnare consegnato spedizione spedire spedito pacco arrivato arrivare arriva",
        "hours": "orari orario aperto aperti apertura chiuso",
        "invoice": "fattura ricevuta",
        "lock": "bloccato bloccare sbloccare",
        "login": "accedere accesso entrare",
        "order": "ordine acquisto ordinato",
        "password": "password",
        "pay": "pagamento pagare pagato",
        "refund": "rimborso rimborsare rimborsato soldi",
        "return": "reso restituire restituzione cambio",
    },
    "nl": {
        "account": "account",
        "address": "adres",
        "cancel": "annuleren annulering opzeggen",
        "damage": "beschadigd kapot defect",
        "delivery": "levering leveren geleverd bezorging bezorgd bezorgen pakket verzending verzonden aangekomen"
        " levertijd",
        "hours": "openingstijden open geopend gesloten",
        "invoice": "factuur rekening",
        "lock": "geblokkeerd blokkeren vergrendeld deblokkeren",
        "login": "inloggen aanmelden ingelogd",
        "order": "bestelling bestellen besteld",
        "password": "wachtwoord",
        "pay": "betaling betalen betaald",
        "refund": "terugbetaling terugbetalen terugbetaald geld",
        "return": "retour retourneren terugsturen ruilen",
    },
    "pt": {
        "account": "conta",
        "address": "endereço morada",
        "cancel": "cancelar cancelamento anular",
        "damage": "danificado avariado defeituoso danificada",
        "delivery": "entrega entregar entregue envio enviar enviado encomenda pacote chegou chegar chega",
        "hours": "horário horários aberto aberta abertura fechado",
        "invoice": "fatura recibo",
        "lock": "bloqueada bloqueado bloquear desbloquear",
        "login": "login entrar iniciar sessão acesso aceder",
        "order": "pedido compra",
        "password": "senha palavra-passe",
        "pay": "pagamento pagar pago",
        "refund": "reembolso reembolsar dinheiro",
        "return": "devolução devolver troca",
    },
}

CONCEPTS = MappingProxyType(
    {
        language: MappingProxyType({concept: tuple(words.lower().split()) for concept, words in concepts.items()})
        for language, concepts in _CONCEPTS.items()
    }
)
