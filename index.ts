/** What users' own code may import from `tilefan`: types of the functions that run over tiles, or over items. There is nothing in it at run time. */
export type * from './lib/code/item-function.ts';
export type * from './lib/code/tile-function.ts';
