"""The command line `mm`: each command and its table in one file."""
