"""The page on which people answer the questions of a run: its server and its files. Needs no Ray and no model."""
