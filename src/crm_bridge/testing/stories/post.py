"""The CRM's webhook system as it misbehaves: late, twice, in another order, in batches, never; and those who forge."""

from __future__ import annotations

from dataclasses import replace

from crm_bridge.contract import BridgeError, Delivery
from crm_bridge.testing.stories.play import Letter, Play

FORGERIES = ("changes a byte", "takes the signature away", "sends it to the other connection")


def collect(play: Play, connection: str) -> None:
    """Take what the CRM has to tell; it lies in its bag until it is delivered."""
    for delivery in play.stage.companies[connection].crm.deliveries():
        number = len(play.bags[connection]) + sum(letter.connection == connection for letter in play.told) + 1
        label = f"webhook {number} of {play.stage.companies[connection].name}"
        play.bags[connection].append(Letter(connection=connection, delivery=delivery, label=label))


def deliver_all(play: Play, *, quietly: bool = False) -> None:
    """Everything, in order."""
    for connection, bag in play.bags.items():
        collect(play, connection)
        while bag:
            letter = bag.pop(0)
            _post(play, letter)
            if not quietly:
                play.tell(f"{letter.label} arrives.")


def deliver_one(play: Play, choice: int, times: int) -> None:
    """One of those that wait, once or several times; the others go on waiting."""
    waiting = _waiting(play)
    if not waiting:
        return
    letter = waiting[choice % len(waiting)]
    play.bags[letter.connection].remove(letter)
    play.tell(f"{letter.label} arrives{'' if times == 1 else f' {times} times'}.")
    for _ in range(times):
        _post(play, letter)


def deliver_again(play: Play, choice: int) -> None:
    """One that arrived before."""
    if not play.told:
        return
    letter = play.told[choice % len(play.told)]
    play.tell(f"{letter.label} arrives once more.")
    _post(play, letter)


def lose(play: Play, choice: int) -> None:
    """One that never arrives; only a poll can tell."""
    waiting = _waiting(play)
    if not waiting:
        return
    letter = waiting[choice % len(waiting)]
    if not play.stage.companies[letter.connection].known.adapter.capabilities.reconcile:
        return
    play.bags[letter.connection].remove(letter)
    play.tell(f"{letter.label} is lost.")


def forge(play: Play, choice: int, how: str) -> None:
    """Somebody who knows no secret sends what looks like a webhook: nothing may come of it."""
    known = [*play.told, *_waiting(play)]
    if not known:
        return
    letter = known[choice % len(known)]
    adapter = play.stage.companies[letter.connection].known.adapter
    if adapter.capabilities.delivery_auth.is_hint and how != FORGERIES[2]:
        return  # nothing but the secret in its path makes it believed
    forged = _forged(play, letter, how)
    before = _events(play)
    play.tell(f"A stranger takes {letter.label} and {how}.")
    status = play.stage.post(forged)
    play.require(status >= 400, f"a forged webhook was answered with {status}")
    play.require(_events(play) == before, "a forged webhook was stored")


def _forged(play: Play, letter: Letter, how: str) -> Delivery:
    real = letter.delivery
    if how == FORGERIES[0]:
        return replace(real, body=real.body[:-1] + bytes([real.body[-1] ^ 1]))
    if how == FORGERIES[1]:
        return replace(real, headers={"Content-Type": "application/json"})
    other = next(name for name in play.stage.companies if name != letter.connection)
    return replace(real, target=real.target.replace(letter.connection, other))


def _waiting(play: Play) -> list[Letter]:
    for connection in play.bags:
        collect(play, connection)
    return [letter for bag in play.bags.values() for letter in bag]


def _post(play: Play, letter: Letter) -> None:
    status = play.stage.post(letter.delivery)
    play.require(200 <= status < 300, f"{letter.label} was answered with {status}")
    play.told.append(letter)
    adapter = play.stage.companies[letter.connection].known.adapter
    try:
        events = adapter.parse(adapter.verify(letter.delivery))
    except BridgeError as error:
        play.require(False, f"{letter.label} was taken although it is not valid: {type(error).__name__}")
        return
    play.stored[letter.connection] |= {event.key for event in events if event.key is not None}
    play.keyless[letter.connection] += sum(event.key is None for event in events)


def _events(play: Play) -> int:
    return int(play.stage.ask("select count(*) from events where connection = any(:names)")[0][0])
