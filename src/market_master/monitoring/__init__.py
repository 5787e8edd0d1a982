"""How the world looks now against the champion's training: our own alarms, and Evidently's page for the reviewer."""
