"""
GDAL for tilefan: a process that lives as long as its thread and answers one request after another.

It needs Python 3.9 and osgeo (GDAL 3.4 or later), nothing else. lib/gdal/helper-process.ts speaks with it:

    request   uint32 (little endian): length of the JSON; the JSON; `payload` bytes, where the JSON has such a field
    reply     uint32: length of the JSON; the JSON; `bytes` bytes, where the JSON has such a field

The reply is {"ok": true, ...} or {"error": "words", "kind": "gdal" | "refused"}. Samples are in the machine's byte order, band after band.
Nothing else goes to the standard output: what GDAL prints there is sent to the standard error.
"""
import json
import os
import struct
import sys

from osgeo import gdal, ogr, osr

from burn import rasterize
from convert import convert
from describe import describe
from errors import GdalFailed, Refused
from grid import set_grid
from opening import leave_drivers
from place import place
from read import read
from scale import scale_request
from sources import rasters
from vectors import vectors
from warp import warp


def start(request):
    """Options of GDAL, and the grid."""
    configure(request)
    set_grid(request.get('payload_bytes'))
    return {'ok': True, 'version': gdal.__version__}, None


def configure(request):
    """Sets GDAL's options, also while it is at work: credentials that were renewed. What is open was opened with the old ones."""
    rasters.clear()
    vectors.clear()
    for key, value in (request.get('options') or {}).items():
        gdal.SetConfigOption(key, value)
    gdal.VSICurlClearCache()
    return {'ok': True}, None


REQUESTS = {'start': start, 'configure': configure, 'warp': warp, 'scale': scale_request, 'place': place, 'read': read, 'rasterize': rasterize, 'describe': describe, 'convert': convert}


def read_exactly(stream, length):
    data = stream.read(length)
    if len(data) < length:
        # The other side is gone.
        sys.exit(0)
    return data


def write_all(channel, data):
    view = memoryview(data)
    at = 0
    while at < len(view):
        at += os.write(channel, view[at:at + 1048576])


def reply(channel, header, data):
    if data is not None:
        header['bytes'] = len(data)
    text = json.dumps(header).encode()
    write_all(channel, struct.pack('<I', len(text)) + text)
    if data is not None:
        write_all(channel, data)


def answer(request):
    try:
        return REQUESTS[request['do']](request)
    except Refused as error:
        return {'error': str(error), 'kind': 'refused'}, None
    except (GdalFailed, RuntimeError) as error:
        return {'error': str(error), 'kind': 'gdal'}, None
    except MemoryError:
        return {'error': 'not enough memory', 'kind': 'memory'}, None


def main():
    channel = os.dup(1)
    os.dup2(2, 1)
    stream = sys.stdin.buffer
    while True:
        length = struct.unpack('<I', read_exactly(stream, 4))[0]
        request = json.loads(read_exactly(stream, length))
        if request.get('payload'):
            request['payload_bytes'] = read_exactly(stream, request['payload'])
        try:
            header, data = answer(request)
        except Exception as error:  # A defect of this program: the other side says so, with the place.
            import traceback
            traceback.print_exc()
            header, data = {'error': '%s: %s' % (type(error).__name__, error), 'kind': 'defect'}, None
        try:
            reply(channel, header, data)
        except BrokenPipeError:
            sys.exit(0)


if __name__ == '__main__':
    gdal.UseExceptions()
    ogr.UseExceptions()
    osr.UseExceptions()
    leave_drivers()
    try:
        main()
    except KeyboardInterrupt:
        # Control-C goes to the whole group; the one who started this process decides what it means.
        sys.exit(130)
