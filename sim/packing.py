"""Codes to bytes and back: element ``k`` of a payload at bits ``[k*bits, (k+1)*bits)``."""

import numpy as np

__all__ = ["pack", "pack_fields", "unpack"]


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack rows of codes into bytes, least significant first, zeros above the last element.

    Parameters
    ----------
    codes : array of integers, ``(rows, elements)``
        From 0 to ``2**bits - 1``.
    bits : int
        Of each element.

    Returns
    -------
    array of uint8, ``(rows, ceil(elements * bits / 8))``
    """
    if bits in (8, 16, 32):  # whole words: no need to look at bits
        words = np.ascontiguousarray(codes).astype(f"<u{bits // 8}")
        return words.view(np.uint8).reshape(len(codes), codes.shape[1] * bits // 8)
    if bits in (1, 2, 4):  # several to a byte
        each = 8 // bits
        padded = np.zeros((len(codes), -(-codes.shape[1] // each) * each), dtype=np.uint8)
        padded[:, :codes.shape[1]] = codes
        packed = padded[:, ::each].copy()
        for place in range(1, each):
            packed |= padded[:, place::each] << (place * bits)
        return packed
    return np.packbits(_bits(codes, bits), axis=1, bitorder="little")


def pack_fields(fields: list[tuple[np.ndarray, int]], width: int) -> np.ndarray:
    """Pack one code of each field side by side, and pad with zeros to ``width`` bits.

    Parameters
    ----------
    fields : list of (array of integers ``(rows,)``, bits)
        Low bits first.
    width : int
        Of a row.

    Returns
    -------
    array of uint8, ``(rows, ceil(width / 8))``
    """
    parts = [_bits(np.asarray(codes)[:, None], bits) for codes, bits in fields]
    rows = np.concatenate(parts, axis=1)
    rows = np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
    return np.packbits(rows, axis=1, bitorder="little")


def unpack(data: np.ndarray, bits: int, elements: int) -> np.ndarray:
    """Codes of the first ``elements`` elements of each row of bytes: the inverse of :func:`pack`.

    Returns
    -------
    array of int64, ``(rows, elements)``; of Python integers where ``int64`` may not do.
    """
    if bits in (8, 16, 32):
        words = np.ascontiguousarray(data[:, :elements * bits // 8])
        return words.view(f"<u{bits // 8}").astype(np.int64)
    rows = np.unpackbits(data, axis=1, bitorder="little", count=elements * bits)
    digits = rows.reshape(len(data), elements, bits).astype(np.int64 if bits < 64 else object)
    return digits @ (1 << np.arange(bits, dtype=digits.dtype))


def _bits(codes: np.ndarray, bits: int) -> np.ndarray:
    """Bits of each code, low ones first, as uint8 ``(rows, elements * bits)``."""
    if bits > 63:
        octets = -(-bits // 8)
        data = b"".join(int(code).to_bytes(octets, "little") for code in codes.flat)
        rows = np.frombuffer(data, dtype=np.uint8).reshape(*codes.shape, octets)
        whole = np.unpackbits(rows, axis=-1, bitorder="little", count=bits)
        return whole.reshape(len(codes), codes.shape[1] * bits)
    codes = np.asarray(codes, dtype=np.int64)
    digits = (codes[..., None] >> np.arange(bits, dtype=np.int64)) & 1
    return digits.astype(np.uint8).reshape(len(codes), codes.shape[1] * bits)
