"""The durable state of a run: its folder and database, annotations, paid calls, feedback, and models."""
