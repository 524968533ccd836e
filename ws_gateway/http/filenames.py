"""File names in multipart forms, in each way that browsers, mail programs and HTTP clients write them. Pure."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote_to_bytes

# The extended value of RFC 8187: charset'language'percent-encoded. RFC 7578 forbids it in forms; clients send it.
_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*\"?([\w-]*)'[^']*'([^\";\s]*)\"?", re.IGNORECASE)
_PLAIN = re.compile(rb";\s*filename\s*=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^;\s]*)", re.IGNORECASE)
_ENCODED_WORD = re.compile(r"=\?[\w-]+\?[bq]\?[^?]*\?=", re.IGNORECASE)
# What the HTML standard's multipart encoding escapes, and nothing else.
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n"}


def with_plain_filename(disposition: bytes) -> bytes:
    """Return a Content-Disposition in which a ``filename*`` parameter replaces the plain one, in UTF-8.

    Bytes that are not of its charset are replaced: a photo with a damaged name is still a photo. Without such a
    parameter, the header is returned as it is.
    """
    found = _EXTENDED.search(disposition)
    if found is None:
        return disposition
    charset = found[1].decode("ascii") or "utf-8"
    try:
        name = unquote_to_bytes(found[2]).decode(charset)
        name.encode()
    except (LookupError, UnicodeError):  # Not only of decoding: some charsets decode to halves of characters.
        name = unquote_to_bytes(found[2]).decode(errors="replace")
    rest = _PLAIN.sub(b"", _EXTENDED.sub(b"", disposition))
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode()
    return rest + b'; filename="' + quoted + b'"'


def decoded_filename(name: str) -> str:
    """Return a plain ``filename`` with RFC 2047 words and the escapes of HTML forms decoded."""
    if _ENCODED_WORD.search(name):
        try:
            decoded = str(make_header(decode_header(name)))
            decoded.encode()
        except (HeaderParseError, LookupError, UnicodeError):
            return name
        name = decoded
    return re.sub("%22|%0D|%0A", lambda escape: _ESCAPED[escape[0].upper()], name, flags=re.IGNORECASE)
