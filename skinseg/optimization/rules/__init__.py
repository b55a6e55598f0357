"""Rules that rewrite a graph into one that computes the same with less; one rule per file."""
