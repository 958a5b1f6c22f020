"""Language models as classifiers: prompts with label codes, vLLM engines, the causal and the in-context learner."""
