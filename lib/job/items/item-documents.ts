/** Tells the documents of object jobs from those of raster jobs. Imports nothing: raster jobs ask too, and should not load the rest. */

/** Whether a document is meant as an object job: it has items, as no raster job has. */
export function isItemJob(document: unknown): boolean {
  return typeof document === 'object' && document !== null && Object.hasOwn(document, 'items');
}

/** Whether a document is meant as a job that makes copies of images. */
export function isImageJob(document: unknown): boolean {
  if (!isItemJob(document)) return false;
  const { operation } = document as { operation?: unknown };
  return typeof operation === 'object' && operation !== null && Object.hasOwn(operation, 'images');
}

/** Whether a document is the plan of an object job, and not that of a raster job. */
export function isItemPlan(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'kind' in document && document.kind === 'items';
}
