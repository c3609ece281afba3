/** Reads an object job for a command: what the command line says of it, hrefs made absolute. */
import { resolveItemJob } from '../lib/job/items/item-resolve.ts';
import type { ItemJobSpec } from '../lib/job/items/item-spec.ts';
import { itemOperationKind, itemSource, parseItemJob } from '../lib/job/items/item-validate.ts';
import type { Problem } from '../lib/job/problems.ts';
import { displayHref, parentHref } from '../lib/store/href.ts';
import { outputPlaceOf, userHref, type JobOverrides } from './job-file.ts';
import { countText } from './text.ts';

export interface ReadItemJob {
  /** Hrefs absolute and placeholders filled in, as far as that could be done. */
  readonly job: ItemJobSpec;
  readonly runId: string;
  /** What is wrong with it so far, to be reported with what is found later. */
  readonly problems: Problem[];
}

/**
 * Overrides are refused, since there are no inputs and outputs by name.
 * @throws JobError JOB_INVALID for a document of the wrong form
 */
export function takeItemJob(document: unknown, href: string, { input = {}, output = {}, object, work }: JobOverrides, nameRun: (name: string) => string): ReadItemJob {
  const problems: Problem[] = [];
  const written = parseItemJob(document, problems);
  for (const [option, given] of [['--input', input], ['--output', output]] as const) {
    if (Object.keys(given).length > 0) problems.push({ path: option, message: 'an object job has no inputs and outputs by name; change items and outputs.prefix in the job' });
  }
  const runId = nameRun(written.name);
  const job = resolveItemJob(written, { base: parentHref(href), file: href, object: object === undefined ? undefined : userHref(object), runId, outputPlace: outputPlaceOf(work) }, problems);
  return { job, runId, problems };
}

/** Where the items come from, for people. */
export function itemsText({ items }: Pick<ItemJobSpec, 'items'>): string {
  const { prefix, hrefs = [], manifest, parameters = [], parameterGrid = {}, from = '', match } = items;
  const matching = match === undefined ? '' : ` that match ${match}`;
  switch (itemSource(items)) {
    case 'prefix':
      return `objects below ${displayHref(prefix ?? '')}${matching}`;
    case 'hrefs':
      return hrefs.length === 1 ? displayHref(hrefs[0] ?? '') : `${countText(hrefs.length, 'object')} from ${displayHref(hrefs[0] ?? '')} on${matching}`;
    case 'manifest':
      return `the list ${displayHref(manifest ?? '')}${matching}`;
    case 'parameters':
      return countText(parameters.length, 'set of parameters', 'sets of parameters');
    case 'parameterGrid':
      return `all combinations of ${Object.entries(parameterGrid).map(([name, values]) => `${name} (${String(values.length)})`).join(', ')}`;
    case 'from':
      return `what ${from} has come to`;
  }
}

/** What is done with them, for people. */
export function operationText({ operation }: Pick<ItemJobSpec, 'operation'>): string {
  const { images = {}, module = '', model = '', function: called } = operation;
  switch (itemOperationKind(operation)) {
    case 'images':
      return `images ${Object.keys(images).join(', ')}`;
    case 'module':
      return `${called === undefined ? 'the function' : `${called}()`} of ${displayHref(module)}`;
    case 'model':
      return `the model ${displayHref(typeof model === 'object' ? model.href : model)}`;
  }
}
