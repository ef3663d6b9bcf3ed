"""Runs the migrations on the connection that `store.migrate` brings; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from crm_bridge.store.tables import metadata


def _ours(_object: object, name: str | None, kind: str, *_rest: object) -> bool:
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=_ours,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
