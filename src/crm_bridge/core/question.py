"""Which messages are the open question: one rule, for the quality gate and for what an assistant reads."""

from __future__ import annotations

from collections.abc import Sequence

ANSWERING = frozenset({"agent", "bridge"})


def open_question(authors: Sequence[str]) -> tuple[int, ...]:
    """Indexes of the customer's messages nobody answered yet, given the author kinds of public messages in order.

    When the last word was ours, the newest message of the customer is the question (an agent asks for another
    draft). What a system wrote answers nothing.
    """
    last_answer = max((index for index, kind in enumerate(authors) if kind in ANSWERING), default=-1)
    waiting = tuple(index for index in range(last_answer + 1, len(authors)) if authors[index] == "customer")
    if waiting:
        return waiting
    return tuple(index for index, kind in enumerate(authors) if kind == "customer")[-1:]
