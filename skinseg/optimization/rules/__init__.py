"""Rules that rewrite a graph into one that computes the same with less, by what they rewrite."""
