"""When bytes arrived, by the kernel's word: a busy machine may let this program see them a good deal later.

SO_TIMESTAMPNS (socket(7), Linux) hands the time of arrival over with the bytes. Elsewhere, and under TLS, it is the time of reading.
"""
import io
import socket
import struct
import time

SO_TIMESTAMPNS = 35


def note_arrivals(listening):
    """Has the connections that a socket accepts note when their bytes arrive: they inherit the option."""
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        pass


class Incoming(io.RawIOBase):
    """A connection's bytes, to be read through a BufferedReader; `wall_ns` is when those that were read last arrived."""

    def __init__(self, connection):
        self.connection, self.wall_ns = connection, time.time_ns()

    def readable(self):
        return True

    def readinto(self, buffer):
        count, notes, _, _ = self.connection.recvmsg_into([buffer], 64)
        self.wall_ns = next(map(_nanoseconds, filter(_is_time, notes)), time.time_ns())
        return count


def monotonic(wall_ns):
    """The instant on the monotonic clock, if nobody has set the other one since."""
    return time.monotonic_ns() - (time.time_ns() - wall_ns)


def _is_time(note):
    level, kind, data = note
    return level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= 16


def _nanoseconds(note):
    seconds, rest = struct.unpack("@qq", note[2][:16])
    return seconds * 1_000_000_000 + rest
