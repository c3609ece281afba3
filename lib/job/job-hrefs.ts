/** The hrefs that a job names, made absolute. */
import { JobError, messageOf } from '../base/errors.ts';
import { resolveHref } from '../store/href.ts';
import { jsonPath, type Problem } from './problems.ts';

type Path = readonly (string | number)[];

/**
 * @param base the folder of the job file, an href that ends in `/`; undefined for a job that has no file
 * @param problems gets hrefs that can't be, with the place of each in the job
 */
export function hrefResolver(base: string | undefined, problems: Problem[]): (text: string, path: Path) => string {
  return (text, path) => {
    try {
      // A path in a job file names things beside it; one that climbs out could name anything.
      if (climbsOut(text)) {
        throw new JobError('HREF_CLIMBS_OUT', `${JSON.stringify(text)} climbs out with ".."; wanted an absolute path, an href, or a path below the job file's folder`);
      }
      return resolveHref(text, base);
    } catch (error) {
      problems.push({ path: jsonPath(path), message: messageOf(error) });
      return text;
    }
  };
}

/** Whether a path or a file URL has a segment `..`, percent-encoded or not; in the key of an object in S3 it has no meaning. */
function climbsOut(text: string): boolean {
  if (/^s3:\/\//i.test(text)) return false;
  const path = /^file:/i.test(text) ? text.replaceAll(/%2e/gi, '.') : text;
  return path.split('/').includes('..');
}
