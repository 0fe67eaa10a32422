"""Wrong bits with right checksums: what only computing again can find."""

import ctypes
import struct

import h5py
import numpy


class _Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_128bits.restype = _Hash128
_xxhash.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

# Fields of a record of the group "first", in the order of the table of fields.
FIRST_FIELDS = ("lm_loss", "accuracy", "loss", "log_odds", "failed_run", "lm_rise", "lm_progress_lost", "displacement",
                "gradient_norm", "curve_loss")


def checksum(content):
    """XXH3, 128 bits: the low and the high word."""
    found = _xxhash.XXH3_128bits(content, len(content))
    return found.low, found.high


def places_of(file, group, row):
    """Flat indices, over the dimensions of a group's variables, of the places that a row fills."""
    return numpy.flatnonzero(file[f"stages/row_of_{group}"][()] == row)


def record_of_first(file, row):
    """The record of a stage that fills the group "first" and no other, from its first place."""
    place, numbers = places_of(file, "first", row)[0], []
    cells = file["stages/row_of_first"].size
    for field in FIRST_FIELDS:
        values = file[f"first_{field}"][()].reshape(cells, -1)
        numbers.append(values[place])
    return numpy.concatenate(numbers).tobytes()


def plant_in_first(results, row, field, bit=0):
    """Flips a bit of the first number of a field in every place of the row, and makes the mark agree with it."""
    with h5py.File(results, "r+") as file:
        mark = file["stages/mark"][row]
        assert tuple(int(word) for word in mark[1:3]) == checksum(record_of_first(file, row)), "another form of record"
        values = file[f"first_{field}"][()]
        bits = values.view(numpy.uint64).reshape(file["stages/row_of_first"].size, -1)
        bits[places_of(file, "first", row), 0] ^= numpy.uint64(1 << bit)
        file[f"first_{field}"][...] = values
        low, high = checksum(record_of_first(file, row))
        words = [int(mark[0]), low, high]
        check, _ = checksum(struct.pack("<4Q", *words, row))
        file["stages/mark"][row] = numpy.array([*words, check], dtype=numpy.uint64)


def _text(text):
    return struct.pack("<Q", len(text)) + text.encode()


def seal_checkpoint(content):
    """The content of a checkpoint whose front block agrees with the rest of it again."""
    state, record, partial = content[32:48], content[48:64], content[80:88]
    inside = checksum(bytes(content[512:]))
    chain = b"".join((_text("checkpoint"), _text("state"), state, _text("record"), record, _text("partial"), partial,
                      _text("content"), struct.pack("<2Q", *inside)))
    return bytes(content[:64]) + struct.pack("<2Q", *checksum(chain)) + bytes(content[80:])


def plant_in_checkpoint(path, tensor, bit=0):
    """Flips a bit of the first weight of a tensor, and makes the front block agree with it."""
    content = bytearray(path.read_bytes())
    assert seal_checkpoint(content) == bytes(content), "another form of checkpoint"
    with h5py.File(path, "r") as file:
        offset = file["tensors"][tensor].id.get_offset()
    content[offset + bit // 8] ^= 1 << bit % 8
    path.write_bytes(seal_checkpoint(content))
