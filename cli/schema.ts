/** `tilefan schema`: the JSON Schema that editors and other programs can use. */
import { itemJobJsonSchema } from '../lib/job/items/item-validate.ts';
import { jobJsonSchema } from '../lib/job/validate.ts';

/** @param items of object jobs, instead of raster jobs */
export function schema({ items = false }: { readonly items?: boolean }): void {
  process.stdout.write(`${JSON.stringify(items ? itemJobJsonSchema() : jobJsonSchema(), undefined, 2)}\n`);
}
