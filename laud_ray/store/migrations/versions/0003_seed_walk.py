"""For which class a seed query was made, and how it was found: until now only its reason said so, in English."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = depends_on = None

# The reasons that earlier versions gave, as they were.
RANKED = re.compile(r"no\. \d+ for (.+) \(\d\.\d\d\) in the zero-shot ranking", re.DOTALL)
NEAR = re.compile(r"near a confirmed (.+) \(-?\d\.\d\d\)", re.DOTALL)


def upgrade() -> None:
    connection = op.get_bind()
    # A database from before revisions may have been made by code that knows these.
    there = {column["name"] for column in sa.inspect(connection).get_columns("queries")}
    for name in ("sought", "walk"):
        if name not in there:
            op.add_column("queries", sa.Column(name, sa.String))
    queries = sa.table("queries", *map(sa.column, ("position", "purpose", "reason", "sought", "walk")))
    known = queries.c.sought.is_not(None)
    asked = sa.select(queries.c.position, queries.c.reason).where(queries.c.purpose == "seed", ~known)
    made = [(position, *found) for position, reason in connection.execute(asked).all() if (found := _read(reason))]
    if made:
        change = sa.update(queries).where(queries.c.position == sa.bindparam("at"))
        change = change.values(sought=sa.bindparam("name"), walk=sa.bindparam("kind"))
        connection.execute(change, [{"at": at, "name": name, "kind": kind} for at, name, kind in made])


def _read(reason: str) -> tuple[str, str] | None:
    if (found := RANKED.fullmatch(reason)) is not None:
        return found[1], "ranking"
    if (found := NEAR.fullmatch(reason)) is not None:
        return found[1], "nearness"
    return None
