"""The Ray Serve application: models of a run behind HTTP, and a page to try them."""
