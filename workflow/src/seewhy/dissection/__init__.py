"""Network dissection with actions, and the concept paths that lead to a decision."""
