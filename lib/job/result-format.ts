/** How the results of tiles are written. */
import { resultFormats, type JobResults } from './spec.ts';

export type ResultFormat = (typeof resultFormats)[number];

/** As the job says, or as the ending of the href does; undefined when neither does. */
export function resultFormat({ href, format }: Pick<JobResults, 'href' | 'format'>): ResultFormat | undefined {
  const ending = /\.([a-z]+)$/i.exec(href)?.[1]?.toLowerCase();
  return format ?? resultFormats.find((each) => each === ending || (each === 'jsonl' && ending === 'ndjson'));
}
