/** Windows of scenes by GDAL: warped, read out of a VRT, or burnt. */
import pLimit from 'p-limit';
import { GdalPool } from '../gdal/gdal-pool.ts';
import { gdalS3Environment } from '../gdal/s3-environment.ts';
import { parseHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { cogHeaderBytes, createBlockTable, writeCogHeader, type CogImage } from '../tiff/cog-header.ts';
import { nodataOf, type Plan, type PlanScene } from './plan.ts';
import type { VersionedFile } from './scene-facts.ts';
import { checkVersion } from './scene-files.ts';
import type { SceneWindow, WindowSource } from './scene-windows.ts';

/** Files looked at at a time. */
const concurrency = 32;

/** Blocks of the file that describes the grid: large, so that there are few. None is ever written. */
const headerBlockSize = 32_768;

/** A grid as a GeoTIFF without pixels, from which GDAL takes size, geotransform and CRS just as it would from an output. */
export function gridHeader({ columns, rows, geo }: Pick<Plan['grid'], 'columns' | 'rows' | 'geo'>): Uint8Array {
  const image: CogImage = { dtype: 'uint8', bands: 1, blockSize: headerBlockSize, compression: 'none', predictor: 1, nodata: undefined, geo, metadata: '', levels: [{ columns, rows }] };
  const format = cogHeaderBytes(image, 'classic') < 2 ** 32 ? 'classic' : 'big';
  return writeCogHeader(image, format, [createBlockTable({ columns, rows }, headerBlockSize)]);
}

export class GdalWindows implements WindowSource {
  readonly #reader: Pick<ObjectReader, 'stat'>;
  readonly #pool: GdalPool;
  readonly #scenes: readonly PlanScene[];
  readonly #checked = new Map<string, Promise<void>>();

  private constructor(reader: Pick<ObjectReader, 'stat'>, plan: Plan, pool: GdalPool) {
    this.#reader = reader;
    this.#scenes = plan.inputs.flatMap(({ scenes }) => scenes.filter(({ reading }) => reading.by !== 'blocks'));
    this.#pool = pool;
  }

  /**
   * @param processes at work at a time; they are started as they are needed
   * @throws InputUnavailableError GDAL_MISSING
   */
  static async start(reader: Pick<ObjectReader, 'stat'>, plan: Plan, processes: number): Promise<GdalWindows> {
    const inS3 = plan.inputs.some(({ scenes }) => scenes.some(({ href }) => parseHref(href).scheme === 's3'));
    const pool = await GdalPool.start({ processes, grid: gridHeader(plan.grid), ...(inS3 ? { environment: gdalS3Environment() } : {}) });
    return new GdalWindows(reader, plan, pool);
  }

  async read({ scene, window, bands, init, validity, outsideIsData }: SceneWindow, into: Uint8Array): Promise<void> {
    await this.#check(scene);
    const { reading, href, subdataset, convertedFrom, dtype } = scene;
    const source = { href, ...(subdataset === null ? {} : { subdataset }), ...(convertedFrom === undefined ? {} : { convertedFrom }) };
    const pool = this.#pool;
    switch (reading.by) {
      case 'warp':
        await pool.warp({ source, window, bands, dtype, resampling: reading.resampling, nodata: reading.alpha ? null : (nodataOf(scene) ?? null), init, validity, outsideIsData, errorThreshold: reading.errorThreshold, alpha: reading.alpha && bands.length === scene.bands.length, into });
        return;
      case 'window':
        await pool.read({ source, window: { ...window, column: window.column - reading.column, row: window.row - reading.row }, bands, dtype, init, validity, outsideIsData, into });
        return;
      case 'burn': {
        const { layer, where, attribute, value, allTouched } = reading;
        await pool.rasterize({
          source,
          ...(layer === null ? {} : { layer }),
          ...(where === null ? {} : { where }),
          value: attribute === null ? { burn: value ?? 1 } : { attribute },
          allTouched,
          dtype,
          init,
          window,
          into,
        });
        return;
      }
      case 'blocks':
        throw new Error(`${href} is read block by block`);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  /**
   * Looks whether every file that windows are read from, of all scenes, is what it was when the run was planned. GDAL opens files by name and reads them as they
   * are then, so this is asked once more when all tiles are there.
   * @throws DataError INPUT_CHANGED
   */
  async verify(): Promise<void> {
    this.#checked.clear();
    const limit = pLimit(concurrency);
    await Promise.all(this.#scenes.map((scene) => limit(() => this.#check(scene))));
  }

  async #check({ href, version, sources }: PlanScene): Promise<void> {
    await Promise.all([{ href, version }, ...sources].map((file) => this.#checkFile(file)));
  }

  #checkFile(file: VersionedFile): Promise<void> {
    const known = this.#checked.get(file.href);
    if (known !== undefined) return known;
    const checking = this.#reader.stat(file.href).then(({ version }) => {
      checkVersion(file, version);
    });
    this.#checked.set(file.href, checking);
    checking.catch(() => this.#checked.delete(file.href));
    return checking;
  }
}
