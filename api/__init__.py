"""The HTTP face: parse, call a step, answer."""
