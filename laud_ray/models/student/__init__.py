"""A small model that answers where it is verified to agree with the full one."""
