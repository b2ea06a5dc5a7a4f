"""Scores of captions, and intervals for them."""
