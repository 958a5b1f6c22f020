"""The views for people: of a run (`run`), and of the results of evaluate, relabel and diff; each as JSON too."""
