import numpy as np
import pytest

from hw.packing import pack, pack_fields, unpack

WIDTHS = [*range(1, 18), 24, 31, 32, 33, 40, 47, 63]


def packed(codes, bits):
    """Rows of codes as Python integers: the definition."""
    return [sum(int(code) << k * bits for k, code in enumerate(row)) for row in codes]


def as_integers(data):
    return [int.from_bytes(row.tobytes(), "little") for row in data]


@pytest.mark.parametrize("elements", [1, 2, 3, 7, 16])
def test_pack_and_unpack(rng, elements):
    for bits in WIDTHS:
        codes = rng.integers(1 << bits, size=(9, elements))
        codes[0], codes[1] = 0, (1 << bits) - 1
        data = pack(codes, bits)
        assert data.dtype == np.uint8
        assert data.shape == (9, -(-elements * bits // 8)), bits
        assert as_integers(data) == packed(codes, bits), bits
        levels = unpack(data, bits, elements)
        assert levels.dtype == np.int64
        np.testing.assert_array_equal(levels, codes, f"{bits} bits")


def test_unpack_reads_the_first_elements_only(rng):
    for bits in WIDTHS:
        codes = rng.integers(1 << bits, size=(4, 5))
        data = np.pad(pack(codes, bits), ((0, 0), (0, 3)), constant_values=255)
        for elements in range(1, 6):
            np.testing.assert_array_equal(unpack(data, bits, elements), codes[:, :elements],
                                          f"{bits} bits")


@pytest.mark.parametrize("bits", [1, 5, 8, 16, 32])
def test_no_rows(bits):
    data = pack(np.zeros((0, 3), dtype=np.int64), bits)
    assert data.shape == (0, -(-3 * bits // 8))
    assert unpack(data, bits, 3).shape == (0, 3)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_rows_need_not_lie_together(rng, bits):
    codes = rng.integers(1 << bits, size=(6, 8))[::2, ::3]
    data = pack(codes, bits)
    assert as_integers(data) == packed(codes, bits)
    wide = np.zeros((6, 2 * data.shape[1]), np.uint8)
    wide[::2, :data.shape[1]] = data
    np.testing.assert_array_equal(unpack(wide[::2], bits, 3), codes)


def test_codes_of_any_integer_type(rng):
    codes = rng.integers(100, size=(3, 4))
    for kind in (np.int8, np.uint8, np.int32, np.uint64):
        for bits in (7, 8, 16):
            assert as_integers(pack(codes.astype(kind), bits)) == packed(codes, bits)


def test_fields_side_by_side(rng):
    widths = [3, 1, 32, 17, 40]
    columns = [rng.integers(1 << bits, size=8) for bits in widths]
    data = pack_fields([(column[:, None], bits)
                        for column, bits in zip(columns, widths, strict=True)])
    assert data.shape == (8, -(-sum(widths) // 8))
    want, lsb = np.zeros(8, object), 0
    for column, bits in zip(columns, widths, strict=True):
        want += column.astype(object) << lsb
        np.testing.assert_array_equal(unpack(data, bits, 1, lsb)[:, 0], column)
        lsb += bits
    assert as_integers(data) == want.tolist()
