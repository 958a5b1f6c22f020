"""A run's database, SQLite or PostgreSQL: connect to it, open it, and check that it is whole."""
