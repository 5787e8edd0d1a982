"""Floor 0: the words and records everything else is written in. No I/O."""
