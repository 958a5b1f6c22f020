"""What each oracle of a run is worth, read from the run: in the terminal, as JSON, and on the run's page."""
