"""The HTTP API: parse a request, call a step, write the response."""
