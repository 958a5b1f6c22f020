"""Which documents are asked about: the seed, and the queries of each round."""
