"""What the steps of a run are made of: parts that know no other step and no observer."""
