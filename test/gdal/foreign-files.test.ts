/** Files whose content names other files or servers: whoever sends one must not get what lies elsewhere. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';

import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import { fileHref } from '../../lib/store/href.ts';
import { runPython, withoutGdal } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('foreign-files');
after(() => workspace.remove());
const secret = workspace.path('elsewhere/secret.png');

function vrtOf(name: string): string {
  return `<VRTDataset rasterXSize="64" rasterYSize="64"><GeoTransform>0,1,0,0,0,-1</GeoTransform><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>${name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>`;
}

function wms(address: string): string {
  return `<GDAL_WMS><Service name="TMS"><ServerUrl>${address}</ServerUrl></Service><DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>0</UpperLeftY><LowerRightX>64</LowerRightX><LowerRightY>-64</LowerRightY>
<TileLevel>0</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><BlockSizeX>64</BlockSizeX><BlockSizeY>64</BlockSizeY><BandsCount>1</BandsCount></GDAL_WMS>`;
}

/** Each makes GDAL, left to itself, give the bytes of the secret (or of the server) as pixels. */
function documents(port: number): Readonly<Record<string, string>> {
  const server = `http://127.0.0.1:${String(port)}/x.png`;
  return {
    'cache.mrf': `<MRF_META><CachedSource><Source>${secret}</Source></CachedSource><Raster><Size x="64" y="64" c="1"/><Compression>PNG</Compression><DataType>Byte</DataType><PageSize x="64" y="64" c="1"/></Raster></MRF_META>`,
    'file.wms': wms(`file://${secret}`),
    'web.wms': wms(server),
    'tile.tif': wms(server),
    'plain.vrt': vrtOf(secret),
    'label.lbl': `PDS_VERSION_ID = PDS3\nRECORD_TYPE = FIXED_LENGTH\nRECORD_BYTES = 64\nFILE_RECORDS = 64\n^IMAGE = ("${secret}",1)\nOBJECT = IMAGE\n LINES = 8\n LINE_SAMPLES = 8\n SAMPLE_TYPE = UNSIGNED_INTEGER\n SAMPLE_BITS = 8\n BANDS=1\nEND_OBJECT = IMAGE\nEND\n`,
    'header.ers': `DatasetHeader Begin\n\tVersion = "6.0"\n\tDataFile = "${secret}"\n\tDataSetType = ERStorage\n\tDataType = Raster\n\tByteOrder = LSBFirst\n\tRasterInfo Begin\n\t\tCellType = Unsigned8BitInteger\n\t\tNrOfLines = 8\n\t\tNrOfCellsPerLine = 8\n\t\tNrOfBands = 1\n\tRasterInfo End\nDatasetHeader End\n`,
  };
}

void describe('files that name others', { skip: withoutGdal }, () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(404).end();
  });
  let names: readonly string[] = [];
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    mkdirSync(workspace.path('elsewhere'), { recursive: true });
    runPython(`
import sys
from osgeo import gdal
a = gdal.GetDriverByName('MEM').Create('', 64, 64, 1, gdal.GDT_Byte)
a.SetGeoTransform((0, 1, 0, 0, 0, -1)); a.GetRasterBand(1).Fill(77)
gdal.GetDriverByName('PNG').CreateCopy(sys.argv[1], a)
gdal.GetDriverByName('GTiff').CreateCopy(sys.argv[2], a)
`, [secret, workspace.path('good.tif')]);
    const made = documents((server.address() as AddressInfo).port);
    for (const [name, text] of Object.entries(made)) writeFileSync(workspace.path(name), text);
    names = Object.keys(made);
  });
  after(() => server.close());

  // Catches a job that reads files and servers that it doesn't name, with the rights of the worker.
  void it('are neither described nor converted nor burnt, and no server is asked', async () => {
    const pool = await GdalPool.start({ processes: 1 });
    try {
      for (const name of names) {
        const source = { href: fileHref(workspace.path(name)) };
        const wanted = { name: 'DataError', code: 'GDAL_REFUSED', message: name.endsWith('.lbl') || name.endsWith('.ers') ? /none of the formats/ : /XML document.*servers and other files/ };
        // oxlint-disable-next-line no-await-in-loop
        await assert.rejects(pool.describe(source), wanted, name);
        // oxlint-disable-next-line no-await-in-loop
        await assert.rejects(pool.convert({ source, target: workspace.path('out.tif') }), wanted, name);
      }
      const good = { href: fileHref(workspace.path('good.tif')) };
      assert.equal((await pool.describe(good)).driver, 'GTiff');
      assert.ok((await pool.convert({ source: good, target: workspace.path('out.tif') })) > 0);
      assert.deepEqual(asked, []);
    } finally {
      await pool.close();
    }
  });

  // Catches sources of a VRT that GDAL opens with drivers that were meant to be out of reach.
  void it('are not read as sources of a VRT either', async () => {
    const pool = await GdalPool.start({ processes: 1 });
    try {
      const window = { column: 0, row: 0, columns: 64, rows: 64 };
      const read = async (inner: string): Promise<number> => {
        const path = workspace.path(`of-${inner}.vrt`);
        writeFileSync(path, vrtOf(workspace.path(inner)));
        const into = new Uint8Array(64 * 64);
        await pool.read({ source: { href: fileHref(path) }, window, bands: [1], dtype: 'uint8', into });
        return into[0] ?? 0;
      };
      assert.equal(await read('good.tif'), 77);
      for (const name of names) {
        if (name === 'plain.vrt') continue; // VRTs in VRTs are for checkVrt.
        // oxlint-disable-next-line no-await-in-loop
        await assert.rejects(read(name), { code: 'GDAL_FAILED' }, name);
      }
      assert.deepEqual(asked, []);
    } finally {
      await pool.close();
    }
  });
});
