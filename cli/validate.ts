/** `tilefan validate`: the job spec against the schema, and everything else that can be seen without its inputs. */
import { createStore } from '../lib/store/routing-store.ts';
import { readJob, type JobOverrides } from './job-file.ts';

export async function validate(file: string, options: JobOverrides): Promise<void> {
  const store = createStore();
  try {
    const { name, inputs, outputs } = await readJob(store, file, options, 'RUN');
    process.stdout.write(`${file}: job ${name} is valid (inputs ${Object.keys(inputs).join(', ')}; outputs ${Object.keys(outputs).join(', ')})\n`);
  } finally {
    await store.close();
  }
}
