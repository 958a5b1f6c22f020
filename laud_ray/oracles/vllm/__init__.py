"""Language models that vLLM runs in this cluster."""
