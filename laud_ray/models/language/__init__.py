"""Language models: prompts, label codes, engines, the causal and the in-context learner."""
