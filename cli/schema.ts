/** `tilefan schema`: the JSON Schema that editors and other programs can use. */
import { jobJsonSchema } from '../lib/job/validate.ts';

export function schema(): void {
  process.stdout.write(`${JSON.stringify(jobJsonSchema(), undefined, 2)}\n`);
}
