"""`EmulatedCrm`: what the suite and the stories ask of an emulated CRM: its people, its clock, its webhooks, its truth.

It owns the words, not one rule: the suite decides what must hold. Everything here is on the CRM's side of the wire, so
nothing an adapter does can colour it. An emulator satisfies the Protocol structurally and imports nothing from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from crm_bridge.contract import Agent, Attachment, CaseRef, Delivery, Message
from crm_bridge.kit.emulation import EmulatorClock, Faults, Transport


@runtime_checkable
class EmulatedCrm(Protocol):
    """One running emulated CRM that one connection of one bridge is configured for.

    Agents are given by name; the CRM knows them all. What a CRM cannot do answers `False` (or `None`) and changes
    nothing, and the rules about it are skipped.
    """

    @property
    def adapter(self) -> str:
        """The name of the adapter that reaches it, as in the entry-point group `crm_bridge.adapters`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The connection's table without the bridge's own keys; `base_url` leads to this emulator."""

    @property
    def public_url(self) -> str:
        """Where it believes the bridge to be."""

    @property
    def faults(self) -> Faults:
        """What goes wrong, by operation of its API."""

    @property
    def clock(self) -> EmulatorClock:
        """Its time; also given to the adapter as `services.clock`."""

    @property
    def calls(self) -> Mapping[str, int]:
        """API calls it has seen so far, by operation; token requests under `token`."""

    @property
    def longest_text(self) -> int | None:
        """Its API cuts longer texts off at so many characters and says so; None: it never does."""

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> str:
        """Serve; webhooks are kept until they are asked for. Returns the base URL."""

    def stop(self) -> None:
        """Stop serving and forget everything."""

    # --- people -----------------------------------------------------------------------------------------------

    def agent(self, name: str) -> Agent:
        """The agent of this name as the CRM vouches for them."""

    def open_case(self, subject: str, body: str, *, customer: str = "ann@example.org") -> CaseRef:
        """A new case with its first public message from the customer of this address."""

    def customer_writes(self, case: CaseRef, body: str, *, html: str | None = None, automatic: bool = False) -> str:
        """A public message from the case's customer; its id. `automatic`: an auto-reply."""

    def customer_attaches(self, case: CaseRef, body: str, files: Sequence[Attachment]) -> str | None:
        """A public message from the case's customer with these files; its id, None where there are no attachments."""

    def agent_writes(self, case: CaseRef, body: str, *, agent: str, public: bool = True) -> str:
        """A message an agent wrote without us: a reply to the customer, or an internal note; its id."""

    def close(self, case: CaseRef) -> None:
        """An agent resolves it."""

    def reopen(self, case: CaseRef) -> None:
        """An agent opens it again."""

    def merge(self, case: CaseRef, into: CaseRef) -> bool:
        """An agent merges it into another one."""

    def delete(self, case: CaseRef) -> bool:
        """An admin deletes it for good."""

    def change(self, case: CaseRef) -> None:
        """An agent changes some field of it that is no message, e.g. its priority."""

    def edit_in_place(self, case: CaseRef, text: str, agent: str) -> bool:
        """A person writes over our draft in the CRM, without deciding."""

    def remove_draft(self, case: CaseRef) -> bool:
        """A person takes our draft away."""

    def decide(
        self, case: CaseRef, kind: str, agent: str, *, revision: int, text: str | None = None, reason: str = ""
    ) -> bool:
        """A person decides on what stands there (`accept`, `edit`, `reject`, `respond`); False: refused."""

    def send_natively(self, case: CaseRef, agent: str, text: str | None = None) -> str | None:
        """The agent sends what they accepted (or `text` instead) with the CRM's own button; the message's id."""

    # --- truth ------------------------------------------------------------------------------------------------

    def thread(self, case: CaseRef) -> tuple[Message, ...]:
        """The public messages as the customer has them, oldest first; of the survivor for a merged case."""

    def standing(self, case: CaseRef) -> tuple[str, ...]:
        """The texts that stand on the case now as drafts or notes of ours, oldest first."""

    def shown(self, case: CaseRef) -> str | None:
        """The kind of the panel state shown on the case (`ready`, …); None when there is none or it shows none."""

    def publish(self, article: str, title: str, body: str, *, deleted: bool = False) -> bool:
        """A knowledge article of this id is published, changed or deleted; False where there is no knowledge."""

    # --- trouble ----------------------------------------------------------------------------------------------

    def hide(self, case: CaseRef) -> Sequence[str]:
        """Take away our permission to read some of the case; the names `unreadable` must list, () where it cannot."""

    def let_index_lag(self, by: timedelta) -> bool:
        """From now on what is new is found or listed only `by` later (by its clock); zero: at once again."""

    def expire_tokens(self) -> bool:
        """Every access token given out so far is refused from now on; False where there are none."""

    # --- webhooks ---------------------------------------------------------------------------------------------

    def connect(self, bridge: Transport) -> None:
        """How the CRM reaches the bridge from now on: for calls of its panel, and for webhooks that are not held."""

    def hold(self) -> None:
        """Keep webhooks for `deliveries`, so that they can be dropped, doubled and reordered (so from the start)."""

    def release(self) -> None:
        """Send webhooks to the bridge again, those it kept first; nothing is sent before `tell`."""

    def deliveries(self) -> list[Delivery]:
        """The held webhooks since last asked, signed now, ready for `verify`, oldest first. Empties what was held."""

    def tell(self) -> int:
        """Send what waits to the bridge now, in this thread; how many requests it took."""


@runtime_checkable
class Signer(Protocol):
    """Signs as this CRM signs, with a secret the connection knows."""

    @property
    def security_headers(self) -> tuple[str, ...]:
        """The headers the proof rests on, in lower case; () where it rests on the target alone."""

    @property
    def time_header(self) -> str | None:
        """The one of them that carries the signed time; None where no time is covered."""

    @property
    def tolerance(self) -> timedelta:
        """How far the signed time may lie from the time of receipt."""

    def sign(self, body: bytes, *, at: datetime | None = None) -> Delivery:
        """A webhook of this CRM with this body, made and received `at` (now)."""

    def sign_panel(self, agent: Agent, body: bytes = b"{}", *, at: datetime | None = None) -> Delivery | None:
        """A panel call this CRM vouches to come from `agent`; None where it has no panel."""

    def renewed(self) -> Signer:
        """The same CRM with a fresh secret that no connection knows yet."""

    def configured(self, config: Mapping[str, Any], *older: Any) -> dict[str, Any]:
        """The connection's table with this signer's secret first and those of `older` after it."""
