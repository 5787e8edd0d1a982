"""Where models live once they are made: tracking, versions, cards and the graphs that serve."""
