"""Sentence encoders: the LoRA learner, the linear learner, and how texts become embeddings."""
