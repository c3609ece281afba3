/** `tilefan validate`: the job spec against the schema, and everything else that can be seen without its inputs. */
import { checkOperationAndOutputs } from '../lib/job/check-outputs.ts';
import { throwProblems } from '../lib/job/problems.ts';
import { checkCompute } from '../lib/job/settings.ts';
import { createStore } from '../lib/store/routing-store.ts';
import { readJob, type JobOverrides } from './job-file.ts';

export async function validate(file: string, options: JobOverrides): Promise<void> {
  const store = createStore();
  try {
    const { job, problems } = await readJob(store, file, options, () => 'RUN');
    checkOperationAndOutputs(job, {}, problems);
    checkCompute(job.compute, problems);
    throwProblems('JOB_INVALID', 'the job spec is not valid', problems);
    const { name, inputs, outputs } = job;
    process.stdout.write(`${file}: job ${name} is valid (inputs ${Object.keys(inputs).join(', ')}; outputs ${Object.keys(outputs).join(', ')})\n`);
  } finally {
    await store.close();
  }
}
