"""Alembic revisions that migrate a run's database to this version."""
