/** The command line: one file a command, this one only names them. */
import { availableParallelism } from 'node:os';
import { Command, CommanderError, Option } from 'commander';
import { describeError, TilefanError } from '../lib/base/errors.ts';
import { count, defaultWork, href, pair, region, tile } from './arguments.ts';
import { addAwsCommands, addStackCommands, onPipeline } from './aws/commands.ts';
import { applyConfig } from './config-file.ts';

/** Exit code for wrong use of the command line (sysexits.h EX_USAGE), the same as for a wrong job. */
const usageExitCode = 64;

const inputOption = new Option('--input <NAME=HREF>', "replaces the href of one of the job's inputs; may be repeated").argParser(pair);
const outputOption = new Option('--output <NAME=HREF>', "replaces the href of one of the job's outputs; may be repeated").argParser(pair);
const objectOption = new Option('--object <HREF>', 'the uploaded file that a template is filled with: {key}, {stem} and {bucket} in the job').argParser(href);
const threadsOption = new Option('--threads <N>', 'threads of a worker (default: processors divided by workers)').argParser(count);
const workersOption = new Option('--workers <N>', 'worker processes at a time').argParser(count).default(1);
const workOption = new Option('--work <HREF>', 'folder or s3:// prefix under which runs are kept').argParser(href).env('TILEFAN_WORK').default(defaultWork);

// The functions run in this process, and what they would log is what the commands say in better words.
process.env['TILEFAN_LOG_LEVEL'] ??= 'silent';

const program = new Command('tilefan')
  .description('Runs one computation over a raster, or a pile of files, too big for one machine.')
  .exitOverride()
  .configureHelp({ sortSubcommands: false });

program
  .command('run')
  .description('run a job on this machine')
  .argument('<job>', 'the job spec: a JSON file, or its href')
  .addOption(inputOption)
  .addOption(outputOption)
  .addOption(objectOption)
  .addOption(workersOption)
  .addOption(threadsOption)
  .addOption(workOption)
  .option('--run <ID>', 'run id; the id of an earlier run continues that run')
  .option('--keep', "keep the run's segments when it has succeeded")
  .option('--json', 'print one JSON run record on standard output; progress goes to standard error')
  .action(async (job: string, options) => {
    const [{ StandbyWorkers }, { localEnvironment }, { workerKindAt, standbyEnvironment }] = await Promise.all([import('../local/standby.ts'), import('./local-environment.ts'), import('./standby-environment.ts')]);
    // Workers load while this process does.
    const standby = new StandbyWorkers(Math.min(options.workers, availableParallelism()), standbyEnvironment({ ...localEnvironment(options), TILEFAN_WORK: options.work }, workerKindAt(job)));
    try {
      const { run } = await import('./run.ts');
      process.exitCode = await run(job, options, standby);
    } finally {
      standby.dismiss();
    }
  });

program
  .command('plan')
  .description('check a job, and show grid, tiles, batches, memory and output size without running anything')
  .argument('<job>', 'the job spec: a JSON file, or its href')
  .addOption(inputOption)
  .addOption(outputOption)
  .addOption(objectOption)
  .addOption(workersOption)
  .addOption(threadsOption)
  .addOption(workOption)
  .option('--json', 'print the whole plan as JSON')
  .action(async (job: string, options) => {
    const { plan } = await import('./plan.ts');
    await plan(job, options);
  });

program
  .command('validate')
  .description('check a job spec against the schema, without looking at its inputs')
  .argument('<job>', 'the job spec: a JSON file, or its href')
  .addOption(inputOption)
  .addOption(outputOption)
  .addOption(objectOption)
  .action(async (job: string, options) => {
    const { validate } = await import('./validate.ts');
    await validate(job, options);
  });

onPipeline(program.command('try'))
  .description('run a job on one tile, on this machine or in one task on AWS, and show its pixels, what its code prints and how it fails; no output is written')
  .argument('<job>', 'the job spec: a JSON file, or its href')
  .addOption(inputOption)
  .addOption(outputOption)
  .addOption(objectOption)
  .addOption(new Option('--tile <COLUMN,ROW>', 'which tile, both from 0').argParser(tile).default({ column: 0, row: 0 }, '0,0'))
  .option('--aws', 'in one task of the deployment, with the image that a run would have')
  .option('--json', 'print a JSON document')
  .action(async (job: string, options) => {
    if (options.aws === true) {
      const [{ runSession }, { tryOnAws }] = await Promise.all([import('./aws/session.ts'), import('./aws/try-on-aws.ts')]);
      process.exitCode = await runSession({ ...options, wait: true }, 'try the tile', (context) => tryOnAws(job, options, context));
      return;
    }
    const { tryHere } = await import('./try.ts');
    process.exitCode = await tryHere(job, options);
  });

program
  .command('replay')
  .description("compute a tile of a run once more on this machine, with the run's own code, inputs and parameters; nothing is written")
  .argument('<run>', 'run id under --work, or the href of its run prefix')
  .addOption(new Option('--tile <COLUMN,ROW>', 'which tile, both from 0 (default: the first that failed)').argParser(tile))
  .addOption(workOption)
  .option('--json', 'print a JSON document')
  .action(async (run: string, options) => {
    const { replay } = await import('./replay.ts');
    process.exitCode = await replay(run, options);
  });

program
  .command('results')
  .description('print what became of each item of a run, one JSON line each, in order: its value and files, or its error')
  .argument('<run>', 'run id under --work, or the href of its run prefix')
  .addOption(workOption)
  .addOption(new Option('--region <NAME>', 'AWS region of a run on S3 (default: AWS_REGION or the profile)').argParser(region))
  .option('--profile <NAME>', 'profile of the AWS configuration (default: AWS_PROFILE)')
  .action(async (run: string, options) => {
    const [{ results }, { setEnvironment }] = await Promise.all([import('./results.ts'), import('./aws/environment.ts')]);
    setEnvironment(options);
    await results(run, options);
  });

program
  .command('schema')
  .description('print the JSON Schema of a job spec')
  .option('--items', 'of object jobs, instead of raster jobs')
  .action(async (options) => {
    const { schema } = await import('./schema.ts');
    schema(options);
  });

program
  .command('example')
  .description('make an example scene and run the NDVI job of examples/ndvi on it')
  .option('--size <PIXELS>', 'side of the scene', count, 3000)
  .action(async (options) => {
    const { example } = await import('./example.ts');
    process.exitCode = await example(options);
  });

program
  .command('dev')
  .description('watch a folder or a bucket, and start runs here for what is uploaded, as the deployed stack does')
  .argument('[folder]', 'stands for the input bucket: jobs/, templates/, incoming/<template>/ (default: .tilefan/input/)')
  .addOption(new Option('--bucket <NAME>', 'watch this bucket, as well as a folder that is named, or instead').argParser(href))
  .addOption(workersOption)
  .addOption(threadsOption)
  .addOption(workOption)
  .addOption(new Option('--output <HREF>', 'folder or s3:// prefix that stands for the output bucket (default: output/ under --work)').argParser(href))
  .option('--once', 'do what is there, and end; the exit code is that of the first failed run')
  .option('--replay <FILE>', 'hand recorded events (of SQS, S3, EventBridge; JSON or JSON Lines) to the start function, and end')
  .option('--json', 'print what happens as JSON lines on standard output too')
  .action(async (folder: string | undefined, options) => {
    const { dev } = await import('./dev.ts');
    process.exitCode = await dev(folder, options);
  });

program.hook('preAction', async (_program, command) => {
  await applyConfig(command);
});
addAwsCommands(program, { inputOption, outputOption, objectOption });
addStackCommands(program);

void main();

async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said what it has to say; help and version are no errors.
      process.exitCode = error.exitCode === 0 ? 0 : usageExitCode;
    } else {
      const { message, code, exitCode, stack } = describeError(error);
      const ours = error instanceof TilefanError;
      process.stderr.write(ours ? `tilefan: ${message} [${code}]\n` : `tilefan: ${stack ?? message}\n`);
      process.exitCode = exitCode;
    }
  }
}
