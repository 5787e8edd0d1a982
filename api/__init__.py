"""The HTTP API: parse a request, call a step, write the response."""

import time

STARTED = time.monotonic()
"""when this process began to import the server"""
