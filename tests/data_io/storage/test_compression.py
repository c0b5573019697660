import gzip
import zlib

from pneumoseg.data_io.storage.compression import DEFLATE_MOST


def test_zeros_do_not_expand_beyond_the_limit():
    content = bytes(50_000_000)
    for compressed in (zlib.compress(content, 9), gzip.compress(content, 9)):
        assert 0.95 * DEFLATE_MOST < len(content) / len(compressed) <= DEFLATE_MOST
