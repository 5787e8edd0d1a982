"""How features are declared, ordered, computed and fingerprinted."""
