"""Procedural corpora with exact ground truth: puppets (videos), aviary (birds)."""
