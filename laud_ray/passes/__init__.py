"""Score every range of a corpus: passes, shortlists of candidates, embeddings of candidates."""
