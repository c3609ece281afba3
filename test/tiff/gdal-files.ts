/**
 * Makes TIFF files with GDAL and takes down what GDAL itself reads back from them: the expected pixels of every test that compares.
 *
 * One Python process makes all files of a test, because starting it costs more than the files.
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Dtype } from '../../lib/raster/dtype.ts';
import { runPythonJson } from '../support/gdal.ts';

export interface FileSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly width: number;
  readonly height: number;
  readonly bands: number;
  /** GDAL's creation options, `KEY=VALUE`. */
  readonly options: readonly string[];
  /** `smooth` (the default) has structure and noise; `nan` has NaN in places; `corner` writes only a part, for sparse files. */
  readonly pattern?: 'smooth' | 'nan' | 'corner';
  /** Expect what was written instead of what GDAL reads: for lossless files that this GDAL can't read itself. */
  readonly expectWritten?: boolean;
  readonly nodata?: string;
  readonly mask?: boolean;
  readonly overviews?: readonly number[];
  /** Python that runs on the finished dataset `ds` before it is closed. */
  readonly script?: string;
  /** Makes the file by CreateCopy with this driver. */
  readonly driver?: 'GTiff' | 'COG';
}

export interface GdalFile {
  readonly name: string;
  readonly path: string;
  /** GDAL's reason where it does not write such a file. */
  readonly refused?: string;
  readonly geotransform: readonly number[];
  readonly hasGeotransform: boolean;
  readonly nodata: number | string | null;
  readonly descriptions: readonly string[];
  readonly epsg: number | null;
  /** Files with raw samples (bands, rows, cols): the image, then each overview; the same for the mask (uint8, 0 or 255). */
  readonly pixels: readonly string[];
  readonly masks: readonly string[];
}

const program = `
import json, sys, numpy as np
from osgeo import gdal
gdal.UseExceptions()
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')
types = {'uint8': gdal.GDT_Byte, 'int8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32,
         'int32': gdal.GDT_Int32, 'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64}
folder = sys.argv[1]
specs = json.load(open(folder + '/specs.json'))

def samples(s):
    rng = np.random.default_rng(7)
    b, h, w = s['bands'], s['height'], s['width']
    y, x, z = np.arange(h)[None, :, None], np.arange(w)[None, None, :], np.arange(b)[:, None, None]
    a = 60 * np.sin(x / 9 + z) + 40 * np.cos(y / 7 - z) + rng.normal(0, 4, (b, h, w))
    dt = np.dtype(s['dtype'])
    if dt.kind == 'f':
        a = (a * 3.7).astype(dt)
        a[:, ::11, ::5] = -1e4
        a[:, 3:5, 3:6] = [0, -0.0, 1e-7]
        a[:, 6, 2] = np.inf
        if s.get('pattern') == 'nan':
            a[:, 5:20, 4:12] = np.nan
    else:
        i = np.iinfo(dt)
        a = np.rint((a + 120) / 240 * (float(i.max) - i.min) * 0.9 + i.min)
        a = np.clip(a, i.min, i.max).astype(dt)
        a[:, 1:3, 2:9] = i.max; a[:, 1:3, 9:14] = i.min
    return a

def dump(path, a):
    a.tofile(path); return path

out = []
for s in specs:
    tif = folder + '/' + s['name'] + '.tif'
    record = {'name': s['name'], 'path': tif}
    out.append(record)
    options = list(s['options'])
    int8 = s['dtype'] == 'int8'
    if int8: options.append('PIXELTYPE=SIGNEDBYTE')
    a = samples(s)
    written = a.view(np.uint8) if int8 else a
    copy = s.get('driver')
    try:
        if copy: ds = gdal.GetDriverByName('MEM').Create('', s['width'], s['height'], s['bands'], types[s['dtype']])
        else: ds = gdal.GetDriverByName('GTiff').Create(tif, s['width'], s['height'], s['bands'], types[s['dtype']], options)
    except RuntimeError as e:
        record['refused'] = str(e); continue
    if s.get('nodata'):
        for i in range(s['bands']): ds.GetRasterBand(i + 1).SetNoDataValue(float(s['nodata']))
    if s.get('pattern') == 'corner':
        for i in range(s['bands']): ds.GetRasterBand(i + 1).WriteArray(written[i, 16:40, 16:40], 16, 16)
    else:
        ds.WriteArray(written) if s['bands'] > 1 else ds.GetRasterBand(1).WriteArray(written[0])
    if s.get('mask'):
        ds.CreateMaskBand(gdal.GMF_PER_DATASET)
        m = np.full((s['height'], s['width']), 255, np.uint8); m[4:20, 7:31] = 0; m[-3:, -5:] = 0
        ds.GetRasterBand(1).GetMaskBand().WriteArray(m)
    exec(s.get('script') or '')
    if copy:
        source = ds
        try: ds = gdal.GetDriverByName(copy).CreateCopy(tif, source, options=options)
        except RuntimeError as e:
            record['refused'] = str(e); continue
    if s.get('overviews'):
        ds.FlushCache(); ds.BuildOverviews('NEAREST', s['overviews'])
    ds = None
    ds = gdal.Open(tif)
    levels = [ds.GetRasterBand(1)] + [ds.GetRasterBand(1).GetOverview(i) for i in range(ds.GetRasterBand(1).GetOverviewCount())]
    pixels, masks = [], []
    for n, level in enumerate(levels):
        bands = [ds.GetRasterBand(i + 1) if n == 0 else ds.GetRasterBand(i + 1).GetOverview(n - 1) for i in range(s['bands'])]
        read = a if s.get('expectWritten') else np.stack([b.ReadAsArray() for b in bands])
        pixels.append(dump(tif + '.%d.bin' % n, read))
        if s.get('mask'): masks.append(dump(tif + '.%d.mask' % n, bands[0].GetMaskBand().ReadAsArray()))
    nodata = ds.GetRasterBand(1).GetNoDataValue()
    srs = ds.GetSpatialRef()
    code = srs.GetAuthorityCode(None) if srs else None
    gt = ds.GetGeoTransform(can_return_null=True)
    record.update(pixels=pixels, masks=masks, geotransform=gt or [], hasGeotransform=gt is not None,
        nodata=nodata if nodata is None or np.isfinite(nodata) else repr(float(nodata)),
        descriptions=[ds.GetRasterBand(i + 1).GetDescription() for i in range(s['bands'])], epsg=int(code) if code else None)
print(json.dumps(out))
`;

/** Makes the files in a new temporary folder, hands them to `use` and removes them. */
export async function withGdalFiles(specs: readonly FileSpec[], use: (files: readonly GdalFile[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tilefan-gdal-'));
  try {
    await writeFile(path.join(folder, 'specs.json'), JSON.stringify(specs));
    await use(runPythonJson(program, [folder]) as GdalFile[]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Raw samples that GDAL read. */
export async function expectedBytes(file: string): Promise<Uint8Array> {
  return readFile(file);
}
