/**
 * What passes between the worker and what runs user code: plain data, one JSON object a line (code-process.ts says how it travels).
 * The same for TypeScript and Python functions, models and commands, so that whoever computes a tile needs to know one port only.
 */
import type { JsonNumber } from '../base/json-number.ts';
import type { Dtype } from '../raster/dtype.ts';
import type { Window } from '../raster/window.ts';
import type { ImageModelSetup } from './model/image-model-setup.ts';

/** Any value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

export interface CodeInput {
  readonly name: string;
  readonly dtype: Dtype;
  readonly bands: number;
  readonly nodata: JsonNumber | null;
  /** Whether each call brings a plane of validity for it. */
  readonly masked: boolean;
  /** What the user's code is told of where it comes from: paths, or hrefs on S3. */
  readonly files: readonly string[];
}

export interface CodeOutput {
  readonly name: string;
  readonly dtype: Dtype;
  readonly bands: number;
  readonly nodata: JsonNumber | null;
  readonly file: string;
}

/** How a model is applied: lib/code/model says what is in it. */
export type ModelSetup = Readonly<Record<string, unknown>>;

/** Of a process that works on items, and not on tiles. */
export interface ItemSetup {
  /** null for a function. */
  readonly model: ImageModelSetup | null;
}

/** The first message to a code process: what holds for all of its tiles. */
export interface CodeSetup {
  /** Path of a local file: bundle .mjs, .py, .pkl (cloudpickle of (function, otherargs)), .onnx. */
  readonly code: string;
  /** Its name; null: the default export, or the pickled function. */
  readonly function: string | null;
  /** A JSON object. */
  readonly parameters: Json;
  /** Names under which the function gets a list of inputs (or outputs): RIOS's lists. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  /** One process, tiles in row order; what the function leaves in otherargs stays from tile to tile. */
  readonly serial: boolean;
  /** The function is `merge(a, b)`: it makes one result of two, and gets no tiles. */
  readonly merges?: boolean;
  /** The function or model is over items: there are no inputs, outputs and grid then. */
  readonly items?: ItemSetup;
  readonly inputs: readonly CodeInput[];
  readonly outputs: readonly CodeOutput[];
  readonly grid: {
    readonly columns: number;
    readonly rows: number;
    /** GDAL's six coefficients. */
    readonly geotransform: readonly number[] | null;
    /** WKT, or `EPSG:n`. */
    readonly crs: string | null;
  };
  /** Side of a tile without its margin, in px. */
  readonly tileSize: number;
  /** Margin on each side, in px. */
  readonly halo: number;
  /** Tiles of the whole grid. */
  readonly tiles: { readonly across: number; readonly down: number };
  readonly model: ModelSetup | null;
  /** RLIMIT_DATA of Python, --max-old-space-size of Node; null: no limit of ours. */
  readonly memoryBytes: number | null;
}

/** One tile. Arrays are (bands, rows + 2 halo, columns + 2 halo), C order, little-endian, in the shared file. */
export interface CodeCall {
  readonly id: number;
  /** The tile's place among the tiles, 0-based. */
  readonly column: number;
  readonly row: number;
  /** The tile on the grid, without its margin, in px. */
  readonly window: Window;
  /** In the order of the setup. Offsets are bytes in the shared file, multiples of 8; validity is uint8 (rows + 2 halo, columns + 2 halo). */
  readonly inputs: readonly { readonly offset: number; readonly validOffset: number | null }[];
  readonly outputs: readonly { readonly offset: number }[];
  /** Only finds out what the function makes: bands and dtype are not checked and nothing is copied. */
  readonly probe: boolean;
}

/** Results of tiles, for a function that merges: the first with the second, what comes of it with the third, and so on. Two at least. */
export interface MergeCall {
  readonly id: number;
  readonly values: readonly unknown[];
}

/** What a function over items is told of one. */
export interface CodeItem {
  /** The object; null for a set of parameters. */
  readonly href: string | null;
  readonly path: string;
  /** The last part of the path. */
  readonly name: string;
  /** Bytes of the object. */
  readonly size: number | null;
  /** A local file with the object's bytes. */
  readonly file: string | null;
}

/** One item, for a function. */
export interface ItemCall {
  readonly id: number;
  /** Place among all items of the run. */
  readonly index: number;
  readonly item: CodeItem;
  /** A JSON object: the job's, and in front of them the item's own. */
  readonly parameters: Json;
  /** Empty; what the function leaves in it becomes outputs of the item. */
  readonly folder: string;
}

/** Images for a model, as many as it takes at once. */
export interface ImagesCall {
  readonly id: number;
  /** Paths of local files. */
  readonly files: readonly string[];
}

/** What came of one of the images: one that can't be decoded fails alone. */
export type ImageReply = { readonly value: unknown } | { readonly error: { readonly name: string; readonly code: string; readonly message: string } };

/** What came of a tile; its outputs lie in the shared file. */
export interface CodeReply {
  /** What the function returned; absent when it returned nothing. */
  readonly result?: unknown;
  /** What the function made of each output, before it was converted to the job's dtype. */
  readonly outputs: readonly { readonly dtype: Dtype; readonly bands: number }[];
}

/** What a program printed during the last call: the end of it, and how much it was. */
export interface CodePrinted {
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

/** Runs user code on tiles, one at a time. */
export interface CodeRunner {
  /** @throws OperationError and JobError of FUNCTION_*, PYTHON_MISSING, NUMPY_MISSING, REQUIREMENT_MISSING */
  call(call: CodeCall): Promise<CodeReply>;
  /** Starts what stays from call to call, if there is something. @throws as `call` does */
  load?(): Promise<void>;
  /** What was printed during the last call. */
  output(): CodePrinted;
  /** Ends it and everything that it has started. */
  close(): Promise<void>;
}

/** A reply as it comes over the pipe. */
export type CodeMessage =
  | { readonly ready: true }
  | { readonly done: CodeReply & { readonly id: number }; /** The process isn't fit for another call, and is to be ended. */ readonly ends?: boolean }
  | { readonly error: CodeFailure };

/** The kinds of failure that a code process tells from each other. */
export const codeFailureKinds = ['function', 'shape', 'output', 'load', 'missing', 'signature', 'memory', 'requirement', 'python', 'numpy'] as const;

/** What went wrong inside a code process. */
export interface CodeFailure {
  readonly id?: number;
  readonly kind: (typeof codeFailureKinds)[number];
  /** Of an error of the tree that says it itself, such as a model's. */
  readonly code?: string | undefined;
  /** The class of what was thrown. */
  readonly type?: string | undefined;
  /** One clear sentence. */
  readonly message: string;
  readonly traceback?: string | undefined;
  /** Where in the user's source. */
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly function?: string | undefined;
  /** Of a merge: which of the values was being merged with what those before it had come to. */
  readonly merged?: number | undefined;
  /** Whether the process ends now; otherwise it can take the next call. */
  readonly ends?: boolean;
}
