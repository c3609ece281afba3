/** Numbers of tasks, and what people call a task with such a number. */

/**
 * Tasks have a number that is unique in the run, over all passes, since records and logs are named after it. Batches of tiles count from 0 and are fewer than
 * 10,000; conversions count from here, the trial of user code and finding extents have numbers of their own, and the tasks of overview pass p from p million.
 */
export const firstConversion = 900_000;
export const trialNumber = 999_990;
/** The task that finds extents which only GDAL knows. */
export const extentsNumber = 999_991;
export const passNumbers = 1_000_000;
/** The task that merges the results of tiles, the last number before those passes. */
export const mergeBatch = passNumbers - 1;

/** The task in the middle of a sentence: `batch 12`. */
export function taskName(batch: number): string {
  const subject = taskSubject(batch);
  return `${subject.charAt(0).toLowerCase()}${subject.slice(1)}`;
}

/** The task as the subject of a sentence: `Batch 12`, or what the task is for where it has no tiles of its own. */
export function taskSubject(batch: number): string {
  if (batch === trialNumber) return 'The trial of the code';
  if (batch === extentsNumber) return 'Finding extents of inputs';
  if (batch === mergeBatch) return 'Merging the results';
  if (batch >= passNumbers) return `Making overviews (task ${String(batch)})`;
  return batch >= firstConversion ? `Converting an input (task ${String(batch)})` : `Batch ${String(batch)}`;
}
