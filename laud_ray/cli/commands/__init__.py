"""The commands of `laud`, a module for each group."""
