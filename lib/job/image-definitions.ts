/**
 * Names for the task definitions that are made for jobs with an image of their own. One is like a definition of the deployment but for its
 * image, and is named after both, so that every run of such jobs finds the same one. The day of its last use is a tag, by which it
 * is taken away when nobody has needed it for long.
 */
import { createHash } from 'node:crypto';

/** Begins the families of a deployment's image definitions. */
export function imageFamilyPrefix(deployment: string): string {
  return `${deployment}-image-`;
}

/** @param base ARN, with its revision, of the deployment's own definition */
export function imageFamily(deployment: string, base: string, image: string): string {
  return `${imageFamilyPrefix(deployment)}${createHash('sha256').update(`${base}\0${image}`).digest('hex').slice(0, 16)}`;
}

/** Begins the families of the deployment's own definitions, of which every deployment adds a revision. */
export function workerFamilyPrefix(deployment: string): string {
  return `${deployment}-worker-`;
}

export const lastUsedTag = 'tilefan:last-used';

/** A day as the tag has it: 2026-11-22, UTC. */
export function dayOf(moment: Date): string {
  return moment.toISOString().slice(0, 10);
}
