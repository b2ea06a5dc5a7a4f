"""Why this class and not that one: textual summaries of a network's decisions."""
