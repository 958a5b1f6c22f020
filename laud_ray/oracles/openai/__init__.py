"""The engine for an endpoint that speaks OpenAI's protocol: requests, optional parameters and replies."""
