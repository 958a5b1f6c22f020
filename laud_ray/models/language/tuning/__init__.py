"""Train a LoRA adapter of a decoder on label codes: the model, one course of training, and what it taught."""
