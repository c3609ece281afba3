/** The commands against AWS, by name; each is loaded, and the AWS SDK with it, when it is called. */
import { Option, type Command } from 'commander';
import { count, index, stage, tile } from '../arguments.ts';

/** As ListExecutions names them, but for PENDING_REDRIVE, which only children of a Map Run can be. */
const states = ['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED'];

const stageOption = new Option('--stage <NAME>', 'stage of the deployment').argParser(stage).env('TILEFAN_STAGE').default('dev');
const stateMachineOption = new Option('--state-machine <ARN>', "the state machine, in place of the stage's").env('TILEFAN_STATE_MACHINE');
const regionOption = new Option('--region <NAME>', 'AWS region (default: AWS_REGION or the profile)');
const profileOption = new Option('--profile <NAME>', 'profile of the AWS configuration (default: AWS_PROFILE)');
const runArgument = 'a run id, or the ARN of an execution';

function onAws(command: Command): Command {
  return command.addOption(regionOption).addOption(profileOption);
}

function onPipeline(command: Command): Command {
  return onAws(command.addOption(stageOption).addOption(stateMachineOption));
}

/** The ARN that says in which region a command has to ask. */
function arnIn(run: string, { stateMachine, region }: { readonly stateMachine?: string; readonly region?: string }): string | undefined {
  if (region !== undefined) return undefined;
  return run.startsWith('arn:') ? run : stateMachine;
}

export function addAwsCommands(program: Command, { inputOption, outputOption }: { readonly inputOption: Option; readonly outputOption: Option }): void {
  onPipeline(program.command('submit'))
    .description('check a job, and start a run of it on AWS')
    .argument('<job>', 'the job spec: a JSON file, or its href')
    .addOption(inputOption)
    .addOption(outputOption)
    .option('--object <HREF>', 'the object that a template is filled with: {key}, {stem} and {bucket} in the job')
    .option('--run <ID>', 'run id (default: made of the name and the time)')
    .option('--wait', 'wait until the run has ended; the exit code says how')
    .option('--json', 'print one JSON document on standard output')
    .action(async (job: string, options) => {
      const [{ runSession }, { submit }] = await Promise.all([import('./session.ts'), import('./submit.ts')]);
      process.exitCode = await runSession(options, 'submit the job', (context) => submit(job, options, context), arnIn('', options));
    });

  onPipeline(program.command('status'))
    .description('show how a run on AWS goes, or went; the exit code says how it ended')
    .argument('<run>', runArgument)
    .option('--json', 'print one JSON document')
    .action(async (run: string, options) => {
      const [{ runSession }, { status }] = await Promise.all([import('./session.ts'), import('./status.ts')]);
      process.exitCode = await runSession(options, 'show the run', (context) => status(run, options, context), arnIn(run, options));
    });

  onPipeline(program.command('cancel'))
    .description('end a run on AWS; finished tiles stay, and resume goes on from there')
    .argument('<run>', runArgument)
    .action(async (run: string, options) => {
      const [{ runSession }, { cancel }] = await Promise.all([import('./session.ts'), import('./cancel.ts')]);
      process.exitCode = await runSession(options, 'cancel the run', (context) => cancel(run, options, context), arnIn(run, options));
    });

  onPipeline(program.command('resume'))
    .description('go on with a run on AWS that has failed or was cancelled')
    .argument('<run>', runArgument)
    .option('--wait', 'wait until the run has ended; the exit code says how')
    .option('--json', 'print one JSON document on standard output')
    .action(async (run: string, options) => {
      const [{ runSession }, { resume }] = await Promise.all([import('./session.ts'), import('./resume.ts')]);
      process.exitCode = await runSession(options, 'resume the run', (context) => resume(run, options, context), arnIn(run, options));
    });

  onPipeline(program.command('logs'))
    .description('show what the tasks of a tile or batch have logged, or what failed in a run')
    .argument('<run>', runArgument)
    .addOption(new Option('--tile <COLUMN,ROW>', 'a tile, counted from 0').argParser(tile).conflicts('batch'))
    .option('--batch <N>', 'a batch, counted from 0', index)
    .option('--tail <LINES>', 'lines of each attempt, from the end', count, 50)
    .option('--json', 'print the log as it is')
    .action(async (run: string, options) => {
      const [{ runSession }, { logs }, { logsClient }] = await Promise.all([import('./session.ts'), import('./logs.ts'), import('./clients.ts')]);
      process.exitCode = await runSession(options, 'show the logs', (context) => logs(run, options, { ...context, logs: logsClient }), arnIn(run, options));
    });

  onPipeline(program.command('ls'))
    .description('list the runs on AWS, the latest first')
    .addOption(new Option('--status <STATE>', 'only runs in this state').choices(states))
    .option('--limit <N>', 'runs at most', count, 20)
    .option('--json', 'print one JSON document a line')
    .action(async (options) => {
      const [{ runSession }, { ls }] = await Promise.all([import('./session.ts'), import('./ls.ts')]);
      process.exitCode = await runSession(options, 'list the runs', (context) => ls(options, context), arnIn('', options));
    });
}
