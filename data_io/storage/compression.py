"""Limits of compressed files, by which a damaged or hostile one is recognised before it is unpacked."""

DEFLATE_MOST = 1032
"""So many bytes one byte of gzip or zlib can expand to: the limit of the deflate format."""
