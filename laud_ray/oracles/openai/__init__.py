"""The engine for OpenAI-compatible endpoints: requests, optional parameters and replies."""
