"""The file that inputs and outputs of a tile lie in, seen as numpy arrays."""
import ctypes
import mmap
import os
import sys

import numpy

MAP_FIXED = 0x10


class SharedFile:
    def __init__(self, fd):
        self.fd = fd
        self.map = None
        self.bytes = None

    def need(self, length):
        """Maps the file, anew if it has grown."""
        if self.map is None or len(self.map) < length:
            size = os.fstat(self.fd).st_size
            if size < length:
                raise ValueError('the shared file has %d bytes; wanted %d' % (size, length))
            self.map = mmap.mmap(self.fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self.bytes = numpy.frombuffer(self.map, dtype=numpy.uint8)

    def view(self, offset, dtype, shape):
        """An array over the file's own bytes, which may be written to."""
        dtype = numpy.dtype(dtype).newbyteorder('<')
        count = 1
        for side in shape:
            count *= side
        self.need(offset + count * dtype.itemsize)
        return numpy.ndarray(shape, dtype, buffer=self.map, offset=offset)

    def leave(self):
        """
        Leaves what is mapped to the arrays that the user's code has kept: the worker is about to write the next tile into the file, and arrays of this
        one must not change with it. The pages of the mapping become memory of this process with the same content, under the same addresses.
        """
        if self.map is None:
            return
        if sys.platform == 'linux':
            address, length = self.bytes.ctypes.data, len(self.map)
            content = self.bytes.tobytes()
            libc = ctypes.CDLL(None, use_errno=True)
            libc.mmap.restype = ctypes.c_void_p
            libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
            found = libc.mmap(address, length, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED, -1, 0)
            if found != address:
                raise MemoryError('arrays of the tile that were kept could not be copied')
            ctypes.memmove(address, content, length)
        self.map = None
        self.bytes = None
