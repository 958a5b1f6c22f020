"""Query strategies that look at where documents lie in embedding space."""
