"""Actions, bars, calendars, records and errors: what everything else is written in. No I/O."""
