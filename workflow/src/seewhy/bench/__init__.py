"""Benchmarks of the hot paths, each as a ratio against the plain floor measured in the same run."""
