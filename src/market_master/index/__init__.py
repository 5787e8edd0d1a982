"""The index: its signal at a bar, over a history, and what moved it."""
