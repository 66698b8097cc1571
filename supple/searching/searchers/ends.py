"""What no searcher proposes: a search begins with the largest and the smallest member."""

ENDS = 2
"""How many they are. What a warm start brings comes after them, and counts as if it had been proposed."""
