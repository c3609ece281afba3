/**
 * The TIFF tags that are read, by the names the specifications use.
 *
 * Sources: TIFF 6.0 (Adobe, 1992), TIFF Technical Notes 1 and 2, OGC GeoTIFF 1.1 (19-008r4) and
 * the list of private tags that GDAL writes (gdal.org, GTiff driver).
 */

export const tags = {
  NewSubfileType: 254,
  ImageWidth: 256,
  ImageLength: 257,
  BitsPerSample: 258,
  Compression: 259,
  PhotometricInterpretation: 262,
  FillOrder: 266,
  StripOffsets: 273,
  SamplesPerPixel: 277,
  RowsPerStrip: 278,
  StripByteCounts: 279,
  PlanarConfiguration: 284,
  Predictor: 317,
  ColorMap: 320,
  TileWidth: 322,
  TileLength: 323,
  TileOffsets: 324,
  TileByteCounts: 325,
  InkSet: 332,
  ExtraSamples: 338,
  SampleFormat: 339,
  JPEGTables: 347,
  ModelPixelScale: 33_550,
  ModelTiepoint: 33_922,
  ModelTransformation: 34_264,
  GeoKeyDirectory: 34_735,
  GeoDoubleParams: 34_736,
  GeoAsciiParams: 34_737,
  GDAL_METADATA: 42_112,
  GDAL_NODATA: 42_113,
  LercParameters: 50_674,
} as const;

export type TagNumber = (typeof tags)[keyof typeof tags];

const names = new Map<number, string>(Object.entries(tags).map(([name, number]) => [number, name]));

/** A tag as messages name it: `tag 259 Compression`. */
export function tagName(tag: number): string {
  const name = names.get(tag);
  return name === undefined ? `tag ${tag}` : `tag ${tag} ${name}`;
}

/** Bytes of one value by field type (TIFF 6.0 §2 "Types"; 16 to 18 are BigTIFF's). A type that is not here can't be read. */
export const fieldTypeBytes: ReadonlyMap<number, number> = new Map([
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 4],
  [5, 8],
  [6, 1],
  [7, 1],
  [8, 2],
  [9, 4],
  [10, 8],
  [11, 4],
  [12, 8],
  [13, 4],
  [16, 8],
  [17, 8],
  [18, 8],
]);
