"""SHA-1 (FIPS 180-4) of a few bytes, for community ids: one for every flow, where a library takes longer to be called.

What is hashed is no secret and nothing rests on the strength of the hash; the community ID specification names it.
"""

import numpy as np

from rustnet.engine.numbers import MASK32
from rustnet.sources.frames import zeros

LONGEST = 55
"""Bytes that fit one block together with their length."""
H0, H1, H2, H3, H4 = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0
K0, K1, K2, K3 = 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6


class ShortSha1:
    """Hashes up to `LONGEST` bytes at a time; ``digest`` are the 20 bytes of the last hash."""

    def __init__(self) -> None:
        self.words = zeros(80, np.uint32)
        self.digest = bytearray(20)

    def hash(self, text: bytearray) -> None:
        """Hash ``text``: one padded block, whose 16 words are stretched to 80."""
        size = len(text)
        if size > LONGEST:
            raise ValueError("more than one block")
        words = self.words
        for i in range(16):
            words[i] = 0
        for i in range(size):
            words[i >> 2] |= text[i] << (24 - 8 * (i & 3))
        words[size >> 2] |= 0x80 << (24 - 8 * (size & 3))
        words[15] = size * 8
        for i in range(16, 80):
            word = words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]
            words[i] = ((word << 1) | (word >> 31)) & MASK32
        self.rounds()

    def rounds(self) -> None:
        """The eighty rounds over the words of the block."""
        words = self.words
        a, b, c, d, e = H0, H1, H2, H3, H4
        for i in range(80):
            if i < 20:
                mixed = ((b & c) | (~b & d)) + K0
            elif i < 40:
                mixed = (b ^ c ^ d) + K1
            elif i < 60:
                mixed = ((b & c) | (b & d) | (c & d)) + K2
            else:
                mixed = (b ^ c ^ d) + K3
            turned = (((a << 5) | (a >> 27)) + mixed + e + words[i]) & MASK32
            e, d, c, b, a = d, c, ((b << 30) | (b >> 2)) & MASK32, a, turned
        a, b, c, d, e = (a + H0) & MASK32, (b + H1) & MASK32, (c + H2) & MASK32, (d + H3) & MASK32, (e + H4) & MASK32
        digest = self.digest
        for i in range(4):
            shift = 24 - 8 * i
            digest[i] = (a >> shift) & 255
            digest[4 + i] = (b >> shift) & 255
            digest[8 + i] = (c >> shift) & 255
            digest[12 + i] = (d >> shift) & 255
            digest[16 + i] = (e >> shift) & 255
