"""What drafts have cost so far: calls of a model and money, of a case or a connection. It owns no limit."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from crm_bridge.store.tables import drafts


def count_since(connection: sa.Connection, since: timedelta, *, case_id: int | None = None, name: str = "") -> int:
    """Drafts that cost a model call within `since` of now, of one case or of one connection."""
    scope = drafts.c.case_id == case_id if case_id is not None else drafts.c.connection == name
    return connection.execute(
        sa.select(sa.func.count())
        .select_from(drafts)
        .where(scope, drafts.c.created_at > sa.func.now() - since, drafts.c.context_id != "")
    ).scalar_one()


def cost_since(connection: sa.Connection, since: timedelta, name: str) -> float:
    """What the drafts of a connection cost within `since` of now, in the currency of the price table."""
    cost = sa.func.coalesce(sa.func.sum(sa.cast(drafts.c.usage["cost"].astext, sa.Float)), 0.0)
    spent: float = connection.execute(
        sa.select(cost).where(drafts.c.connection == name, drafts.c.created_at > sa.func.now() - since)
    ).scalar_one()
    return spent
