"""What people read about a run: values (`summary`), the terminal (`terminal`) and the HTML page (`page`)."""
