"""Packing of codes into bytes: element ``k`` of a field at ``[lsb + k*bits, lsb + (k+1)*bits)``."""

from collections.abc import Sequence

import numpy as np

__all__ = ["pack", "pack_fields", "unpack"]


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack rows of codes into bytes, least significant first, zeros above the last element.

    Parameters
    ----------
    codes : array of integers, ``(rows, elements)``
        Codes from 0 to ``2**bits - 1``.
    bits : int
        Width of each element.

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


def pack_fields(fields: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Pack fields side by side, the first one lowest.

    Parameters
    ----------
    fields : sequence of (array of integers ``(rows, elements)``, bits)
        Codes and width of each field, as for :func:`pack`.

    Returns
    -------
    array of uint8, ``(rows, bytes)``
    """
    if len(fields) == 1:  # most payloads
        return pack(*fields[0])
    parts = [_bits(codes, bits) for codes, bits in fields]
    return np.packbits(np.concatenate(parts, axis=1), axis=1, bitorder="little")


def unpack(data: np.ndarray, bits: int, elements: int, lsb: int = 0) -> np.ndarray:
    """Codes of ``elements`` elements from bit ``lsb`` of each row on: the inverse of :func:`pack`.

    Returns
    -------
    array of int64, ``(rows, elements)``; of Python integers if codes may exceed ``int64``.
    """
    if bits in (8, 16, 32) and lsb % 8 == 0:
        words = np.ascontiguousarray(data[:, lsb // 8:(lsb + elements * bits) // 8])
        return words.view(f"<u{bits // 8}").astype(np.int64)
    rows = np.unpackbits(data, axis=1, bitorder="little", count=lsb + elements * bits)[:, lsb:]
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
