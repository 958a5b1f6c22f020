"""What an oracle is worth: its accuracy, the price of a right label, its thresholds, the best mix of two. Pure."""
