"""Labels in a configuration: a list in the YAML, a file, the nodes of a taxonomy."""
