/** Rectangles of pixels, blocks or tiles. Column and row count from the upper left corner, which is (0, 0). */

export interface Window {
  readonly column: number;
  readonly row: number;
  readonly columns: number;
  readonly rows: number;
}

/** The part that two windows share; columns or rows are 0 where they don't meet. */
export function intersect(a: Window, b: Window): Window {
  const column = Math.max(a.column, b.column);
  const row = Math.max(a.row, b.row);
  return {
    column,
    row,
    columns: Math.max(0, Math.min(a.column + a.columns, b.column + b.columns) - column),
    rows: Math.max(0, Math.min(a.row + a.rows, b.row + b.rows) - row),
  };
}

/** Pixels of a window. */
export function area({ columns, rows }: Window): number {
  return columns * rows;
}
