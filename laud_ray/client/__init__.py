"""The Python client of the service: requests, retries, responses, and the notification of a new model."""
