/** `tilefan validate`: the job spec against the schema, and everything else that can be seen without its inputs. */
import { checkRequirementTexts } from '../lib/code/requirements/parse-requirement.ts';
import { checkOperationAndOutputs } from '../lib/job/check-outputs.ts';
import { throwProblems } from '../lib/job/problems.ts';
import { checkCompute } from '../lib/job/settings.ts';
import { createStore } from '../lib/store/routing-store.ts';
import { isItemJob } from '../lib/job/items/item-documents.ts';
import { itemsText, operationText, takeItemJob } from './item-job-file.ts';
import { readJobDocument, takeJob, type JobOverrides } from './job-file.ts';

export async function validate(file: string, options: JobOverrides): Promise<void> {
  const store = createStore();
  try {
    const { document, href } = await readJobDocument(store, file);
    process.stdout.write(`${file}: job ${isItemJob(document) ? validItemJob(document, href, options) : validJob(document, href, options)}\n`);
  } finally {
    await store.close();
  }
}

/** @throws JobError JOB_INVALID that lists every problem */
function validItemJob(document: unknown, href: string, options: JobOverrides): string {
  const { job, problems } = takeItemJob(document, href, options, () => 'RUN');
  problems.push(...checkRequirementTexts(job.operation.requirements));
  checkCompute({ ...job.compute, tilesPerTask: 'auto' }, problems);
  throwProblems('JOB_INVALID', 'the job spec is not valid', problems);
  return `${job.name} is valid (items: ${itemsText(job)}; operation: ${operationText(job)})`;
}

/** @throws JobError JOB_INVALID that lists every problem */
function validJob(document: unknown, href: string, options: JobOverrides): string {
  const { job, problems } = takeJob(document, href, options, () => 'RUN');
  checkOperationAndOutputs(job, {}, problems);
  checkCompute(job.compute, problems);
  throwProblems('JOB_INVALID', 'the job spec is not valid', problems);
  const { name, inputs, outputs } = job;
  return `${name} is valid (inputs ${Object.keys(inputs).join(', ')}; outputs ${Object.keys(outputs).join(', ')})`;
}
