"""The Ray Serve application: a run's current model over HTTP."""
