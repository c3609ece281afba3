/** Files that hold several rasters: HDF 5 written by h5py, HDF 4, NetCDF and KEA by GDAL. Each raster by its name, and what a job is told that gives none. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { runCli, runJob } from '../support/cli.ts';
import { gdalPython, withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles, oracle } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('subdatasets');
after(() => space.remove());

const withoutH5py: string | false = spawnSync(gdalPython, ['-c', 'import h5py']).status === 0 ? false : `needs h5py for ${gdalPython} (apt-get install python3-h5py)`;

function withoutDriver(name: string): string | false {
  return oracle(`answer(gdal.GetDriverByName(sys.argv[1]) is not None)`, [name]) === true ? false : `GDAL here has no driver ${name}`;
}

/** Outputs with the bands of inputs, and their values as they are: in float64, which holds those of all types. */
function jobOf(name: string, inputs: Readonly<Record<string, object | string>>): string {
  return space.job(`${name}.json`, {
    inputs,
    grid: { tileSize: 128 },
    operation: { expression: Object.fromEntries(Object.keys(inputs).map((input) => [input, `${input}[1]`])) },
    outputs: Object.fromEntries(Object.keys(inputs).map((input) => [input, { href: space.path(`${name}-${input}.tif`), dtype: 'float64', blockSize: 128, overviews: 'none', statistics: false }])),
  });
}

async function run(name: string, inputs: Readonly<Record<string, object | string>>): Promise<void> {
  await runJob([jobOf(name, inputs), '--work', space.path('work'), '--run', name]);
}

async function refused(name: string, input: object): Promise<string> {
  const { exitCode, stderr } = await runCli(['run', jobOf(name, { a: input }), '--work', space.path('work'), '--run', name, '--json']);
  assert.equal(exitCode, 65);
  return stderr;
}

void describe('HDF 5', { skip: withoutGdal === false ? withoutH5py : withoutGdal }, () => {
  const file = space.path('several.h5');
  const single = space.path('single.he5');
  before(() => {
    makeFiles(
      `
import h5py
rng = np.random.default_rng(3)
with h5py.File(sys.argv[1], 'w') as f:
    f.create_dataset('/science/red', data=rng.integers(0, 250, (230, 300), np.uint8), chunks=(50, 70), compression='gzip', shuffle=True)
    f.create_dataset('/science/deep/heights', data=rng.normal(0, 900, (230, 300)).astype('>f4'), chunks=(64, 64))
    f['counts'] = rng.integers(-30000, 30000, (230, 300)).astype(np.int16)
    f.attrs['title'] = 'several'
with h5py.File(sys.argv[2], 'w') as f:
    f['/science/only'] = rng.integers(0, 60000, (230, 300)).astype('>u2')`,
      [file, single],
    );
  });

  // Catches: another raster of the file than the one that was named, rows or bytes in another order, a path that is known with one slash before it and not with another, and
  // a file with a single raster that can't be read by its name or without.
  void it('is read by the path in the file, and without where there is one raster', async () => {
    await run('hdf5', {
      red: { href: file, subdataset: '/science/red' },
      heights: { href: file, subdataset: 'science/deep/heights' },
      counts: { href: file, subdataset: '//counts' },
      listed: { href: file, subdataset: `HDF5:"${file}"://counts` },
      only: { href: single, subdataset: '/science/only' },
      alone: single,
    });
    assertNoDifferences(
      `
import h5py
out, found, *names = [], sys.argv[1], *sys.argv[2:]
several, single = (h5py.File(name, 'r') for name in names)
for name, data in (('red', several['science/red']), ('heights', several['science/deep/heights']), ('counts', several['counts']), ('listed', several['counts']), ('only', single['science/only']), ('alone', single['science/only'])):
    out += same_pixels(gdal.Open(found + name + '.tif').ReadAsArray()[None], data[...].astype(np.float64)[None], name)
answer(out)`,
      [space.path('hdf5-'), file, single],
    );
  });

  // Catches: a raster of the file that is taken because it is the first, and errors with words of the library's insides instead of the names that there are.
  void it('with several rasters says which there are, where none is named or another', async () => {
    for (const [name, input] of [['unnamed', { href: file }], ['misnamed', { href: file, subdataset: '/science/blue' }]] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const words = await refused(name, input);
      assert.match(words, /input a: .*several\.h5: /);
      for (const path of ['science/red', 'science/deep/heights', 'counts']) assert.ok(words.includes(`://${path}`), `${path}: ${words}`);
      assert.doesNotMatch(words, /HDF5-DIAG/);
    }
  });
});

void describe('HDF 4', { skip: withoutGdal === false ? withoutDriver('HDF4Image') : withoutGdal }, () => {
  // Catches: a file of HDF 4 that is taken for HDF 5 because both are named .hdf.
  void it('is read by the number or the name that GDAL gives to its rasters', async () => {
    const file = space.path('several.hdf');
    makeFiles(
      `
ds = gdal.GetDriverByName('HDF4Image').Create(sys.argv[1], 210, 190, 3, gdal.GDT_Int16, ['RANK=2'])
for band in (1, 2, 3): ds.GetRasterBand(band).WriteArray(np.random.default_rng(band).integers(-3000, 3000, (190, 210)).astype(np.int16))
ds = None`,
      [file],
    );
    await run('hdf4', { first: { href: file, subdataset: '0' }, last: { href: file, subdataset: 'Band2' } });
    assertNoDifferences(
      `
wanted = {'first': 1, 'last': 3}
answer([d for name, seed in wanted.items() for d in same_pixels(gdal.Open(sys.argv[1] + name + '.tif').ReadAsArray()[None], np.random.default_rng(seed).integers(-3000, 3000, (190, 210)).astype(np.float64)[None], name)])`,
      [space.path('hdf4-')],
    );
    assert.match(await refused('hdf4-unnamed', { href: file }), /several\.hdf.*subdatasets/);
  });
});

void describe('NetCDF', { skip: withoutGdal === false ? withoutDriver('netCDF') : withoutGdal }, () => {
  // Catches: a name that GDAL lists and takes apart at its colons, also where the file has no list because the variable is the only one.
  void it('is read by the name of the variable, whatever is in it', async () => {
    const [several, single] = [space.path('several.nc'), space.path('single.nc')];
    makeFiles(
      `
def make(path, names):
    ds = gdal.GetDriverByName('netCDF').CreateMultiDimensional(path)
    root = ds.GetRootGroup()
    sides = [root.CreateDimension(name, None, None, size) for name, size in (('y', 190), ('x', 210))]
    for seed, name in enumerate(names):
        root.CreateMDArray(name, sides, gdal.ExtendedDataType.Create(gdal.GDT_Int16)).Write(np.random.default_rng(seed).integers(0, 999, (190, 210)).astype(np.int16))
make(sys.argv[1], ['t', 't:c', 't:c:d', 'with space'])
make(sys.argv[2], ['t:c'])`,
      [several, single],
    );
    await run('netcdf', {
      plain: { href: several, subdataset: 't' },
      colon: { href: several, subdataset: 't:c' },
      listed: { href: several, subdataset: `NETCDF:"${several}":t:c:d` },
      space: { href: several, subdataset: 'with space' },
      single: { href: single, subdataset: 't:c' },
    });
    assertNoDifferences(
      `
# Without coordinates GDAL takes the first row for the southernmost.
wanted = {'plain': 0, 'colon': 1, 'listed': 2, 'space': 3, 'single': 0}
answer([d for name, seed in wanted.items() for d in same_pixels(gdal.Open(sys.argv[1] + name + '.tif').ReadAsArray()[None], np.random.default_rng(seed).integers(0, 999, (190, 210)).astype(np.float64)[None, ::-1], name)])`,
      [space.path('netcdf-')],
    );
  });
});

void describe('KEA', { skip: withoutGdal === false ? withoutDriver('KEA') : withoutGdal }, () => {
  // Catches: a format that the page of inputs promises and that no worker opens; nodata lost on the way.
  void it('is read as GDAL reads it', async () => {
    const file = space.path('scene.kea');
    makeFiles(
      `
mem = gdal.GetDriverByName('MEM').Create('', 210, 190, 2, gdal.GDT_Int16)
mem.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10)); mem.SetProjection('EPSG:32633')
for band in (1, 2):
    mem.GetRasterBand(band).WriteArray(np.random.default_rng(band).integers(0, 9, (190, 210)).astype(np.int16))
    mem.GetRasterBand(band).SetNoDataValue(3)
gdal.GetDriverByName('KEA').CreateCopy(sys.argv[1], mem)`,
      [file],
    );
    await run('kea', { a: { href: file, bands: [2] } });
    assertNoDifferences(
      `
values, valid = band_values(sys.argv[1], 2)
answer(same_pixels(gdal.Open(sys.argv[2]).ReadAsArray()[None], np.where(valid, values, np.nan)[None], 'KEA'))`,
      [file, space.path('kea-a.tif')],
    );
  });
});
