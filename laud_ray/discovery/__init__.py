"""Labels that are missing: clusters of documents unlike all that is known, and names for them. Pure."""
