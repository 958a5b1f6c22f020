"""A changed row keeps a checksum that fits it."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from laud_ray.errors import DamageError
from laud_ray.store.database import integrity
from laud_ray.store.database.connection import open_database, read, write
from laud_ray.store.tables import now
from laud_ray.store.updates.tables import change, generations


def test_a_changed_row_has_a_new_checksum_and_damage_is_found(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/laud.db")
    row = {"number": 2, "source": "new.csv", "added": now(), "documents": 5, "state": "appended"}
    write(engine, lambda connection: connection.execute(insert(generations), [row]))
    write(engine, lambda connection: change(connection, generations, generations.c.number == 2, {"state": "scored"}))
    integrity.check(engine, "laud.db")
    found = read(engine, lambda connection: connection.execute(select(generations)).one())
    assert (found.state, found.documents) == ("scored", 5)
    write(engine, lambda connection: connection.execute(update(generations).values(documents=6)))
    with pytest.raises(DamageError, match="generations row 2 was changed or is damaged"):
        integrity.check(engine, "laud.db")
    engine.dispose()
