"""Network Dissection with actions: which units of a network are named by which concepts."""
