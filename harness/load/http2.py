"""HTTP/2 (RFC 9113)."""

ALPN = ("h2",)


class Pool:
    """Placeholder until the client stands here."""
