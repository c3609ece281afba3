/**
 * GDAL at work in processes of its own. GDAL's warps and its many drivers are the reference for pixels that don't lie on the output grid; in
 * processes, because a driver that crashes must not take the worker along, and because GDAL is not for several threads.
 */
import { OperationError, type TilefanError } from '../base/errors.ts';
import { bytesPerSample, type Dtype } from '../raster/dtype.ts';
import type { Window } from '../raster/window.ts';
import { displayHref } from '../store/href.ts';
import { findGdal, gdalMissing } from './find-gdal.ts';
import {
  receiveNumber,
  sendNumber,
  type ConvertRequest,
  type RasterizeRequest,
  type ReadRequest,
  type RequestLimits,
  type SourceFacts,
  type WarpRequest,
  type WarpResampling,
} from './gdal-requests.ts';
import { gdalName, gdalPath, subdatasetName, type GdalSource } from './gdal-source.ts';
import { HelperProcess, type HelperReply, type HelperRequest } from './helper-process.ts';

export interface GdalPoolOptions {
  /** Processes at most; each is started when a request finds no other free. */
  readonly processes: number;
  /** The output grid: the bytes of a GeoTIFF whose size, geotransform and CRS are the output's. Its blocks are never read. Without it, `warp` and `rasterize` are refused. */
  readonly grid?: Uint8Array;
  /** Options of GDAL (`--config`), such as what `gdalS3Environment` gives. A function is asked before a request, so that credentials stay fresh. */
  readonly environment?: Readonly<Record<string, string>> | (() => Promise<Readonly<Record<string, string>>>);
  /** Size of GDAL's block cache, for each process; default 64. */
  readonly cacheMegabytes?: number;
  /** The interpreter with osgeo; default: the one that `findGdal` finds. */
  readonly python?: string;
}

const defaultCacheMegabytes = 64;

/** What GDAL is told in any case. https://gdal.org/en/stable/user/configoptions.html */
function baseOptions(cacheMegabytes: number): Readonly<Record<string, string>> {
  return {
    GDAL_CACHEMAX: String(cacheMegabytes),
    // The pool is what uses the cores.
    GDAL_NUM_THREADS: '1',
    // Sidecar files are asked for by name: listing a prefix with a million keys takes minutes.
    GDAL_DISABLE_READDIR_ON_OPEN: 'TRUE',
    // A VRT may hold Python, which nobody has looked at.
    GDAL_VRT_ENABLE_PYTHON: 'NO',
    GDAL_HTTP_MAX_RETRY: '4',
    GDAL_HTTP_RETRY_DELAY: '0.5',
  };
}

interface Slot {
  helper: HelperProcess;
  /** What it was told last, as text. */
  options: string;
}

export class GdalPool {
  readonly #options: GdalPoolOptions;
  readonly #python: string;
  readonly #idle: Slot[] = [];
  readonly #all = new Set<HelperProcess>();
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: TilefanError) => void }[] = [];
  #busy = 0;
  #closed: TilefanError | undefined;

  private constructor(options: GdalPoolOptions, python: string) {
    this.#options = options;
    this.#python = python;
  }

  /**
   * Makes ready; no process is started before it is needed.
   * @throws InputUnavailableError GDAL_MISSING
   */
  static async start(options: GdalPoolOptions): Promise<GdalPool> {
    const python = options.python ?? (await findGdal())?.python;
    if (python === undefined) throw gdalMissing('Reading other files than GeoTIFFs on the output grid');
    return new GdalPool(options, python);
  }

  /** Ids of the processes that run now. */
  get pids(): readonly number[] {
    return [...this.#all].flatMap((helper) => (helper.alive && helper.pid !== undefined ? [helper.pid] : []));
  }

  /**
   * Warps a source onto a window of the output grid. Exactly what one call of `gdalwarp -et 0 -ovr NONE -wo UNIFIED_SRC_NODATA=PARTIAL` gives there, which warps the whole grid in one chunk,
   * whatever the windows are; with `validity`, what it gives with `-dstalpha`. Where gdalwarp cuts the grid into chunks (`-wm`, or a source that covers little of it), its own
   * kernels depend on them, and this is what it gives with `-wo XSCALE=… -wo YSCALE=…` of `warpScale`. With an error threshold it is what any other cut gives, too: GDAL's
   * approximation is made for 256 columns of the grid at a time.
   * Resampling by areas (`average`, `mode`, `min`, `max`, `med`) is gdalwarp's with `-wo SOURCE_EXTRA=20`: without it, pixels at the edges of the grid lose a part of theirs.
   * @throws DataError GDAL_FAILED, GDAL_REFUSED; OperationError GDAL_DIED, GDAL_CLOSED; TryAgainError GDAL_TIMEOUT
   */
  async warp(request: WarpRequest): Promise<void> {
    const { source, window, bands, dtype, resampling, nodata, init, validity = false, outsideIsData = false, alpha = false, errorThreshold = 0, scale, into } = request;
    checkRoom(into, window, bands.length, dtype, validity);
    if (into.length === 0) return;
    await this.#ask({
      body: {
        do: 'warp',
        source: sourceBody(source),
        window: windowBody(window),
        bands,
        dtype,
        resampling,
        nodata: sendNumber(nodata),
        init: sendNumber(init),
        validity,
        outsideIsData,
        alpha,
        errorThreshold,
        scale,
      },
      into,
      ...said('warp', source, window, request),
    });
  }

  /**
   * Pixels of the grid to a pixel of the source, along the source's x and y, by which kernels are widened (the warp options XSCALE and YSCALE): what gdalwarp
   * itself takes where it warps the whole grid in one chunk. It is the same for every window. Where the source covers less than half of what the grid
   * spans, gdalwarp cuts the grid, and its scales differ from chunk to chunk: then it is that of the part of the grid that the source covers.
   * @throws as `warp`
   */
  async warpScale(source: GdalSource, resampling: WarpResampling, limits: RequestLimits = {}): Promise<readonly [x: number, y: number]> {
    const reply = await this.#ask({ body: { do: 'scale', source: sourceBody(source), resampling }, ...said('find the scale of', source, undefined, limits) });
    const [x = 1, y = 1] = reply['scale'] as readonly number[];
    return [x, y];
  }

  /**
   * Where a source lies on the grid, by the very map that `warp` goes by: places of a lattice over it, (steps + 1) rows of (steps + 1), in pixels of the grid (column, row); undefined
   * for those that GDAL finds no place for.
   * @throws as `warp`
   */
  async place(source: GdalSource, steps: number, limits: RequestLimits = {}): Promise<readonly ((readonly [column: number, row: number]) | undefined)[]> {
    const reply = await this.#ask({ body: { do: 'place', source: sourceBody(source), steps }, ...said('find the place of', source, undefined, limits) });
    return (reply['places'] as readonly ([number, number] | null)[]).map((place) => place ?? undefined);
  }

  /** Reads pixels of a source as they are. @throws as `warp` */
  async read(request: ReadRequest): Promise<void> {
    const { source, window, bands, dtype, init, validity = false, outsideIsData = false, into } = request;
    checkRoom(into, window, bands.length, dtype, validity);
    if (into.length === 0) return;
    await this.#ask({
      body: { do: 'read', source: sourceBody(source), window: windowBody(window), bands, dtype, init: sendNumber(init), validity, outsideIsData },
      into,
      ...said('read', source, window, request),
    });
  }

  /** Burns a vector's features into a window of the output grid, as `gdal_rasterize` does it for the whole grid. @throws as `warp` */
  async rasterize(request: RasterizeRequest): Promise<void> {
    const { source, layer, where, value, allTouched = false, dtype, init, window, into } = request;
    checkRoom(into, window, 1, dtype, false);
    if (into.length === 0) return;
    const values = 'attribute' in value ? { attribute: value.attribute } : { burn: sendNumber(value.burn) };
    await this.#ask({
      body: { do: 'rasterize', source: sourceBody(source), layer, where, ...values, allTouched, dtype, init: sendNumber(init), window: windowBody(window) },
      into,
      ...said('rasterize', source, window, request),
    });
  }

  /** What a source is. @throws as `warp` */
  async describe(source: GdalSource, limits: RequestLimits = {}): Promise<SourceFacts> {
    const reply = await this.#ask({ body: { do: 'describe', source: sourceBody(source) }, ...said('open', source, undefined, limits) });
    const facts = reply as unknown as SourceFacts;
    const { driver, subdatasets, raster, layers } = facts;
    if (raster === null) return { driver, subdatasets, raster, layers };
    // NaN and infinities come as words.
    const bands = raster.bands.map((band) => ({ ...band, nodata: receiveNumber(band.nodata) }));
    return { driver, subdatasets, raster: { ...raster, bands }, layers };
  }

  /**
   * Writes a source as a tiled GeoTIFF with its CRS, geotransform, nodata, band descriptions, scale and offset, colour table and mask. A subdataset is looked for in the file's own
   * list, and its driver need not be known.
   * @returns the file's size in bytes
   * @throws as `warp`; DataError GDAL_REFUSED for sources without a geotransform that are placed by control points, for complex samples, and for a subdataset that isn't there
   */
  async convert(request: ConvertRequest): Promise<number> {
    const { source, target, bands, compression } = request;
    const { href, subdataset, openOptions = {} } = source;
    const wanted = subdataset === undefined ? {} : { subdataset: { wanted: subdataset, likely: subdatasetName(source) } };
    const reply = await this.#ask({ body: { do: 'convert', source: { name: gdalPath(href), openOptions }, ...wanted, target, bands, compression }, ...said('convert', source, undefined, request) });
    return Number(reply['bytes_written']);
  }

  /** Ends all processes; whoever waits gets an OperationError GDAL_CLOSED. */
  async close(): Promise<void> {
    const reason = new OperationError('GDAL_CLOSED', 'The pool of processes with GDAL was closed');
    this.#closed ??= reason;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason);
    await Promise.all([...this.#all].map(async (helper) => await helper.close(reason)));
    this.#all.clear();
  }

  /** Asks once more when the process died over it: the request may not have been what it died of. */
  async #ask(request: HelperRequest): Promise<HelperReply> {
    try {
      return await this.#askOnce(request);
    } catch (error) {
      if (!(error instanceof OperationError) || error.code !== 'GDAL_DIED' || this.#closed !== undefined) throw error;
      return await this.#askOnce(request);
    }
  }

  async #askOnce(request: HelperRequest): Promise<HelperReply> {
    await this.#turn();
    let slot: Slot | undefined;
    try {
      slot = await this.#slot(request);
      return await slot.helper.ask(request);
    } finally {
      this.#busy--;
      if (slot?.helper.alive === true) this.#idle.push(slot);
      else if (slot !== undefined) this.#all.delete(slot.helper);
      this.#waiting.shift()?.resolve();
    }
  }

  /** Waits until one process less than allowed is at work. */
  async #turn(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#busy >= this.#options.processes) await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    if (this.#closed !== undefined) throw this.#closed;
    this.#busy++;
  }

  /** A process that knows the options of now. */
  async #slot(request: HelperRequest): Promise<Slot> {
    const { environment = {}, grid, cacheMegabytes = defaultCacheMegabytes } = this.#options;
    const given = typeof environment === 'function' ? await environment() : environment;
    const options = { ...baseOptions(cacheMegabytes), ...given };
    const text = JSON.stringify(options);
    let slot = this.#idle.pop();
    while (slot !== undefined && !slot.helper.alive) {
      this.#all.delete(slot.helper);
      slot = this.#idle.pop();
    }
    if (this.#closed !== undefined) throw this.#closed;
    const about = { what: request.what, where: request.where };
    if (slot === undefined) {
      // Options go by the first request; what the environment says of AWS would only stand in their way.
      const helper = new HelperProcess(this.#python, process.env);
      this.#all.add(helper);
      slot = { helper, options: text };
      await this.#told(slot, { body: { do: 'start', options }, ...(grid === undefined ? {} : { payload: grid }), ...about });
    } else if (slot.options !== text) {
      slot.options = text;
      await this.#told(slot, { body: { do: 'configure', options }, ...about });
    }
    return slot;
  }

  async #told(slot: Slot, request: HelperRequest): Promise<void> {
    try {
      await slot.helper.ask(request);
    } catch (error) {
      this.#all.delete(slot.helper);
      await slot.helper.close(new OperationError('GDAL_CLOSED', 'The process with GDAL did not start'));
      throw error;
    }
  }
}

function sourceBody(source: GdalSource): { readonly name: string; readonly openOptions: Readonly<Record<string, string>> } {
  return { name: gdalName(source), openOptions: source.openOptions ?? {} };
}

function windowBody(window: Window): readonly number[] {
  return [window.column, window.row, window.columns, window.rows];
}

function said(verb: string, source: GdalSource, window: Window | undefined, limits: RequestLimits): Pick<HelperRequest, 'what' | 'where' | 'timeoutSeconds'> {
  const { href, subdataset, convertedFrom } = source;
  const file = convertedFrom === undefined ? displayHref(href) : `${displayHref(convertedFrom)} (converted to ${displayHref(href)})`;
  const name = subdataset === undefined ? file : `${subdataset} of ${file}`;
  const place = window === undefined ? '' : ` at column ${String(window.column)}, row ${String(window.row)} (${String(window.columns)} x ${String(window.rows)} pixels)`;
  return { what: `${verb} ${name}${place}`, where: { href: convertedFrom ?? href, ...(window === undefined ? {} : { window }) }, timeoutSeconds: limits.timeoutSeconds };
}

function checkRoom(into: Uint8Array, window: Window, bands: number, dtype: Dtype, validity: boolean): void {
  const wanted = window.columns * window.rows * (bands * bytesPerSample(dtype) + (validity ? 1 : 0));
  if (into.length === wanted) return;
  throw new OperationError('GDAL_HELPER', `There is room for ${String(into.length)} bytes; wanted ${String(wanted)} for ${String(bands)} bands of ${String(window.columns)} x ${String(window.rows)} ${dtype}${validity ? ' and their validity' : ''}`);
}
