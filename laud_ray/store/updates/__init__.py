"""What `laud update` records: generations of documents, the evidence of drift, proposed labels, and decisions."""
