/** Which hrefs mean something on AWS. */
import { isPlacedLater } from '../../lib/job/output-place.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { displayHref, parseHref } from '../../lib/store/href.ts';

/** Functions and tasks see S3, and nothing of this machine. */
export function hrefProblems(hrefs: readonly (readonly [string, string])[]): Problem[] {
  return hrefs.flatMap(([path, href]) => (isS3(href) ? [] : [{ path, message: `found ${displayHref(href)}, which AWS can't reach; wanted s3://bucket/key` }]));
}

export function isS3(href: string): boolean {
  try {
    // The output bucket of the deployment, which split knows.
    return isPlacedLater(href, null) || parseHref(href).scheme === 's3';
  } catch {
    return false;
  }
}
