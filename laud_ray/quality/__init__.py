"""Are the answers right: noise, settled votes, raters, where a model is wrong."""
