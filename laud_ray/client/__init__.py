"""The Python client of the service: requests, retries, what comes back, and telling it of a new model."""
