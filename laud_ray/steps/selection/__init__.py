"""Select the documents to annotate: the seed, and the queries of each round."""
