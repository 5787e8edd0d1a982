"""How the world looks now against the champion's training: Evidently's page for the reviewer."""
