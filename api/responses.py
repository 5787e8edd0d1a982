"""JSON responses with an ETag, which a client that has them already need not get again."""

from __future__ import annotations

import gzip
import hashlib

from fastapi import Request, Response

JSON = "application/json"
WORTH_COMPRESSING = 1024
"""bytes"""


def etag_of(content: bytes) -> str:
    """A tag that changes when the content does."""
    return '"' + hashlib.sha256(content).hexdigest()[:24] + '"'


def tagged_response(request: Request, content: bytes, etag: str, *, compressible: bool = False) -> Response:
    """JSON with its tag, or 304 for a client that names the same tag; gzip, where allowed, for those who take it."""
    headers = {"ETag": etag, **({"Vary": "Accept-Encoding"} if compressible else {})}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if compressible and len(content) > WORTH_COMPRESSING and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, compresslevel=1, mtime=0), "gzip"
    return Response(content, media_type=JSON, headers=headers)
