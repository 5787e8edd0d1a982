"""Market Master: next-bar trading actions for every constituent of an index, and one signal for the index."""
