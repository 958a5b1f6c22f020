"""What must not be lost: the run's folder and database, annotations, the ledger, feedback, the registry."""
