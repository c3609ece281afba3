/** How the command line's arguments are read. */
import { InvalidArgumentError } from 'commander';

/** Where runs are kept that say nothing else: in the folder where one is. */
export const defaultWork = '.tilefan/';

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError(`wanted a whole number from 1, found ${JSON.stringify(text)}.`);
  return value;
}

export function pair(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, href] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || href === undefined) throw new InvalidArgumentError(`wanted NAME=HREF, found ${JSON.stringify(text)}.`);
  return { ...earlier, [name]: href };
}

export function href(text: string): string {
  if (text === '') throw new InvalidArgumentError('wanted a folder or an href, found nothing.');
  return text;
}

/** `3,4`: column and row of a tile, from 0. */
export function tile(text: string): { column: number; row: number } {
  const [, column, row] = /^(\d+),(\d+)$/.exec(text) ?? [];
  if (column === undefined || row === undefined) throw new InvalidArgumentError(`wanted COLUMN,ROW, both from 0, found ${JSON.stringify(text)}.`);
  return { column: Number(column), row: Number(row) };
}

export function index(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`wanted a whole number from 0, found ${JSON.stringify(text)}.`);
  return Number(text);
}

/** A stage is part of the names of buckets and functions. */
export function stage(text: string): string {
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(text)) throw new InvalidArgumentError(`wanted small letters, digits and -, beginning with a letter, 20 at most, found ${JSON.stringify(text)}.`);
  return text;
}

export function region(text: string): string {
  if (!/^[a-z]{2,}(?:-[a-z]+)+-\d+$/.test(text)) throw new InvalidArgumentError(`wanted a region such as eu-west-1, found ${JSON.stringify(text)}.`);
  return text;
}
