"""Sentence encoders: embedding of texts, the LoRA learner, and the linear learner."""
