/** Errors that say in which tile they came up. */
import { DataError, InputUnavailableError, OperationError, OutOfMemoryError, TilefanError } from '../base/errors.ts';
import type { Window } from '../raster/window.ts';

/** A tile by its place in the grid of tiles, and its pixels. */
interface PlacedTile {
  readonly column: number;
  readonly row: number;
  readonly window: Window;
}

/** The same error with the tile named in message and data. */
export function inTile(error: unknown, { column, row, window }: PlacedTile): Error {
  const place = `tile ${String(column)},${String(row)} (columns ${String(window.column)} to ${String(window.column + window.columns - 1)}, rows ${String(window.row)} to ${String(window.row + window.rows - 1)})`;
  const where = { tile: [column, row], window };
  for (const Class of [DataError, InputUnavailableError, OperationError, OutOfMemoryError]) {
    // What crossed a border on its way, and was named before it, is named once.
    if (error instanceof Class && error.where['tile'] !== undefined) return error;
    if (error instanceof Class) return new Class(error.code, `${place}: ${error.message}`, { cause: error, where: { ...error.where, ...where } });
  }
  if (error instanceof TilefanError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OperationError('OPERATION_FAILED', `${place}: ${message}`, { cause: error, where });
}
