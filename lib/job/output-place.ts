/** `s3://{outputBucket}/…` in outputs: the place for outputs that a deployment has, as `s3://{bucket}/…` is that of its uploads. */
import { JobError } from '../base/errors.ts';
import { displayHref, formatHref, parseHref } from '../store/href.ts';

const outputBucket = 's3://{outputBucket}/';

/** Where that is: an href that ends in `/`; null where only the deployment will know, and hrefs stay as they are; undefined where nobody does. */
export type OutputPlace = string | null | undefined;

/** Whether an href lies in the place for outputs, which is known later. */
export function isPlacedLater(text: string, place: OutputPlace): boolean {
  return place === null && text.startsWith(outputBucket);
}

/**
 * An output's href in the place for outputs; others are only filled. Where a folder stands for the bucket, hrefs in the bucket are files in the folder.
 * @param fill fills the other placeholders of a text
 * @throws JobError OUTPUT_BUCKET_UNKNOWN, HREF_CLIMBS_OUT
 */
export function placeOutput(text: string, place: OutputPlace, fill: (text: string) => string): string {
  if (!text.startsWith(outputBucket)) return fill(text);
  const below = text.slice(outputBucket.length);
  if (place === null) return `${outputBucket}${fill(below)}`;
  if (place === undefined) throw new JobError('OUTPUT_BUCKET_UNKNOWN', `${text}: {outputBucket} is the output bucket of a deployment, and none is known here; write the href out`);
  const folder = parseHref(place);
  const filled = fill(below);
  if (folder.scheme === 's3') return `s3://${folder.bucket}/${folder.key}${filled}`;
  if (filled.split('/').includes('..')) throw new JobError('HREF_CLIMBS_OUT', `${JSON.stringify(filled)} climbs out of ${displayHref(place)} with ".."`);
  return formatHref({ scheme: 'file', path: `${folder.path}${filled}` });
}
