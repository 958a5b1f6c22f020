"""Before a run: write its configuration from the data (`laud init`), and estimate its cost (`laud plan`)."""
