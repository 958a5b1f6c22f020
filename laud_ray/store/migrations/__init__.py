"""How a run's database becomes that of this version: revisions for Alembic."""
