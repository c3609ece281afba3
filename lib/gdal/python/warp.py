"""Windows of the output grid, warped."""
import math
import re

from osgeo import gdal

from gdal_c import Samples, fill, lib
from grid import need_grid
from samples import TO_VALIDITY, narrowed
from sources import raster
from warp_operation import CHUNK, Plan
from window import window_of


def pieces(start, length, side, aligned):
    """Cuts a range into (from, to); aligned to multiples of `side`, so that pieces may begin before it and end after it."""
    at = (start // side) * side if aligned else start
    while at < start + length:
        yield at, min(at + side, start + length) if not aligned else at + side
        at += side


def warp(request):
    source = raster(request['source'])
    plan = Plan(source, request)
    target = need_grid()
    column, row, columns, rows = window_of(request)
    plane = columns * rows
    planes = len(request['bands']) * plane * plan.size
    out = Samples(planes + (plane if plan.validity else 0))
    # An alpha plane stays 0 where nothing lies.
    fill(out.address, plan.init, plan.code, plan.size, len(plan.bands) * plane)
    if plan.outside_is_data:
        out.bytes[planes:planes + plane] = b'\x01' * plane
    chunk_columns, chunk_rows = plan.sides()
    aligned = plan.threshold > 0
    left, right = max(column, 0), min(column + columns, target.columns)
    top, bottom = max(row, 0), min(row + rows, target.rows)
    for x0, x1 in pieces(left, right - left, CHUNK if not aligned else chunk_columns, aligned):
        # A chunk of an approximate warp is whole where the grid is.
        x1 = min(x1, target.columns)
        for y0, y1 in pieces(top, bottom - top, CHUNK, False):
            for part in touched_parts(plan, x0, y0, x1, y1, chunk_columns, chunk_rows):
                warp_chunk(plan, out, planes, (column, row, columns, rows), *part)
    view = out.view()
    if plan.narrow:
        view = narrowed(bytes(view[:planes]), plan.nodata) + view[planes:]
    return {'ok': True}, view


def touched_parts(plan, x0, y0, x1, y1, most_columns, most_rows):
    """Cuts a rectangle until its parts are small enough, and leaves out those that lie far from the source: where a pixel of the grid is a thousand of the source, chunks are tiny."""
    if not may_touch(plan, x0, y0, x1, y1):
        return
    wide, high = x1 - x0, y1 - y0
    if wide <= most_columns and high <= most_rows:
        yield x0, y0, x1, y1
        return
    middle_x = x0 + (wide + 1) // 2 if wide > most_columns else x1
    middle_y = y0 + (high + 1) // 2 if high > most_rows else y1
    for left, right in ((x0, middle_x), (middle_x, x1)):
        for top, bottom in ((y0, middle_y), (middle_y, y1)):
            if right > left and bottom > top:
                yield from touched_parts(plan, left, top, right, bottom, most_columns, most_rows)


# Places across and down a rectangle at which its place in the source is looked at.
SAMPLES = 9


def may_touch(plan, x0, y0, x1, y1):
    """False only where all places can be transformed, or none, and the source is farther away than half of what they span."""
    source = plan.source
    places = source.transformer(0).points(True, [(x0 + (x1 - x0) * i / (SAMPLES - 1), y0 + (y1 - y0) * j / (SAMPLES - 1)) for j in range(SAMPLES) for i in range(SAMPLES)])
    found = [place for place in places if place is not None]
    if not found:
        return False
    if len(found) < len(places):
        return True
    outreach = [2 * max(1, math.ceil(1 / value)) for value in plan.scale]
    for axis, length in ((0, source.dataset.RasterXSize), (1, source.dataset.RasterYSize)):
        low, high = min(place[axis] for place in found), max(place[axis] for place in found)
        margin = (high - low) / 2 + 16 + outreach[axis]
        if high + margin < 0 or low - margin > length:
            return False
    return True


def warp_chunk(plan, out, planes, window, x0, y0, x1, y1):
    column, row, columns, rows = window
    wide, high = x1 - x0, y1 - y0
    count = len(plan.bands)
    size = plan.working_size
    chunk = Samples(count * wide * high * size)
    begin = plan.init if plan.nodata is None else plan.nodata
    fill(chunk.address, begin, plan.working, size, count * wide * high)
    alpha = None
    if plan.validity or plan.alpha_last:
        # Of the samples' type, as gdalwarp has it, so that it is rounded to nothing at the same pixels.
        alpha = Samples(wide * high * plan.size)
        # A band of the whole grid, of which only the chunk's memory is ever touched.
        whole = gdal.GetDriverByName('MEM').Create('', need_grid().columns, need_grid().rows, 0, gdal.GDT_Byte)
        # The bands before it are there to be counted: samples go to a buffer.
        start = alpha.address - (y0 * wide + x0) * plan.size
        for _ in range(count + 1):
            whole.AddBand(plan.code, ['DATAPOINTER=%d' % start, 'PIXELOFFSET=%d' % plan.size, 'LINEOFFSET=%d' % (wide * plan.size)])
        whole.GetRasterBand(count + 1).SetColorInterpretation(gdal.GCI_AlphaBand)
        operation = plan.alpha_operation(whole)
        try:
            operation.run(x0, y0, wide, high, chunk.address, plan.working)
        finally:
            operation.close()
        # The alpha may still lie in GDAL's cache.
        whole.FlushCache()
    else:
        plan.operation().run(x0, y0, wide, high, chunk.address, plan.working)
    if plan.replaced:
        replace_unreached(plan, chunk, alpha, x0, y0, wide, high)
    # The part of the chunk that was asked for.
    first, last = max(x0, column), min(x1, column + columns)
    for y in range(y0, y1):
        at = (y - row) * columns + first - column
        for band in range(count):
            origin = chunk.address + ((band * high + y - y0) * wide + first - x0) * size
            goal = out.address + (band * rows * columns + at) * plan.size
            lib.GDALCopyWords64(origin, plan.working, size, goal, plan.code, plan.size, last - first)
        if plan.alpha_last:
            start = ((y - y0) * wide + first - x0) * plan.size
            goal = (count * rows * columns + at) * plan.size
            out.bytes[goal:goal + (last - first) * plan.size] = alpha.bytes[start:start + (last - first) * plan.size]
        if plan.validity:
            # Anything but 0 becomes 1, which no conversion between types does by itself.
            begin = ((y - y0) * wide + first - x0) * plan.size
            raw = alpha.bytes[begin:begin + (last - first) * plan.size].translate(TO_VALIDITY)
            merged = int.from_bytes(raw[0::plan.size], 'little')
            for byte in range(1, plan.size):
                merged |= int.from_bytes(raw[byte::plan.size], 'little')
            out.bytes[planes + at:planes + at + last - first] = merged.to_bytes(last - first, 'little')


def replace_unreached(plan, chunk, alpha, x0, y0, wide, high):
    reached = Samples(wide * high)
    fill(reached.address, 255, gdal.GDT_Byte, 1, wide * high)
    plan.reach_operation().run(x0, y0, wide, high, reached.address, gdal.GDT_Byte)
    for run in re.finditer(b'\xff+', reached.bytes[:wide * high]):
        for band in range(len(plan.bands)):
            fill(chunk.address + (band * wide * high + run.start()) * plan.working_size, plan.init, plan.working, plan.working_size, run.end() - run.start())
        if plan.outside_is_data:
            alpha.bytes[run.start() * plan.size:run.end() * plan.size] = b'\xff' * ((run.end() - run.start()) * plan.size)
