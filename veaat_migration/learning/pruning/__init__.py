"""Structured pruning of the actors while they learn (Section V-C), and other ways to prune."""
