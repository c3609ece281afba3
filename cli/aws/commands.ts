/** The commands against AWS, by name; each is loaded, and the AWS SDK with it, when it is called. */
import { Option, type Command } from 'commander';
import { count, index, region, stage, tile } from '../arguments.ts';

/** As ListExecutions names them, but for PENDING_REDRIVE, which only children of a Map Run can be. */
const states = ['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED'];

const stageOption = new Option('--stage <NAME>', 'stage of the deployment').argParser(stage).env('TILEFAN_STAGE').default('dev');
const stateMachineOption = new Option('--state-machine <ARN>', "the state machine, in place of the stage's").env('TILEFAN_STATE_MACHINE');
const regionOption = new Option('--region <NAME>', 'AWS region (default: AWS_REGION or the profile)').argParser(region);
const profileOption = new Option('--profile <NAME>', 'profile of the AWS configuration (default: AWS_PROFILE)');
const runArgument = 'a run id, or the ARN of an execution';

function onAws(command: Command): Command {
  return command.addOption(regionOption).addOption(profileOption);
}

/** Adds the options that say which deployment is meant. */
export function onPipeline(command: Command): Command {
  return onAws(command.addOption(stageOption).addOption(stateMachineOption));
}

export function addAwsCommands(program: Command, { inputOption, outputOption, objectOption }: Readonly<Record<'inputOption' | 'outputOption' | 'objectOption', Option>>): void {
  onPipeline(program.command('submit'))
    .description('check a job, and start a run of it on AWS')
    .argument('<job>', 'the job spec: a JSON file, or its href')
    .addOption(inputOption)
    .addOption(outputOption)
    .addOption(objectOption)
    .option('--run <ID>', 'run id (default: made of the name and the time)')
    .option('--wait', 'wait until the run has ended; the exit code says how')
    .option('--json', 'print one JSON document on standard output')
    .action(async (job: string, options) => {
      const [{ runSession }, { submit }] = await Promise.all([import('./session.ts'), import('./submit.ts')]);
      process.exitCode = await runSession(options, 'submit the job', (context) => submit(job, options, context));
    });

  onPipeline(program.command('status'))
    .description('show how a run on AWS goes, or went; the exit code says how it ended')
    .argument('<run>', runArgument)
    .option('--json', 'print one JSON document')
    .action(async (run: string, options) => {
      const [{ runSession }, { status }] = await Promise.all([import('./session.ts'), import('./status.ts')]);
      process.exitCode = await runSession(options, 'show the run', (context) => status(run, options, context), run);
    });

  onPipeline(program.command('cancel'))
    .description('end a run on AWS; finished tiles and items stay, and resume goes on from there')
    .argument('<run>', runArgument)
    .action(async (run: string, options) => {
      const [{ runSession }, { cancel }] = await Promise.all([import('./session.ts'), import('./cancel.ts')]);
      process.exitCode = await runSession(options, 'cancel the run', (context) => cancel(run, options, context), run);
    });

  onPipeline(program.command('resume'))
    .description('go on with a run on AWS that has failed or was cancelled')
    .argument('<run>', runArgument)
    .option('--wait', 'wait until the run has ended; the exit code says how')
    .option('--json', 'print one JSON document on standard output')
    .action(async (run: string, options) => {
      const [{ runSession }, { resume }] = await Promise.all([import('./session.ts'), import('./resume.ts')]);
      process.exitCode = await runSession(options, 'resume the run', (context) => resume(run, options, context), run);
    });

  onPipeline(program.command('logs'))
    .description('show what the tasks of a tile, an item or a batch have logged, or what failed in a run')
    .argument('<run>', runArgument)
    .addOption(new Option('--tile <COLUMN,ROW>', 'a tile, counted from 0').argParser(tile).conflicts(['batch', 'item']))
    .addOption(new Option('--item <N>', 'an item of an object job, counted from 0').argParser(index).conflicts('batch'))
    .option('--batch <N>', 'a batch, counted from 0', index)
    .option('--tail <LINES>', 'lines of each attempt, from the end', count, 50)
    .option('--json', 'print the log as it is')
    .action(async (run: string, options) => {
      const [{ runSession }, { logs }, { logsClient }] = await Promise.all([import('./session.ts'), import('./logs.ts'), import('./clients.ts')]);
      process.exitCode = await runSession(options, 'show the logs', (context) => logs(run, options, { ...context, logs: logsClient }), run);
    });

  onPipeline(program.command('ls'))
    .description('list the runs on AWS, the latest first')
    .addOption(new Option('--status <STATE>', 'only runs in this state').choices(states))
    .option('--limit <N>', 'runs at most', count, 20)
    .option('--json', 'print one JSON document a line')
    .action(async (options) => {
      const [{ runSession }, { ls }] = await Promise.all([import('./session.ts'), import('./ls.ts')]);
      process.exitCode = await runSession(options, 'list the runs', (context) => ls(options, context));
    });
}

/** The commands about the stack itself; they have npm scripts of their own. */
export function addStackCommands(program: Command): void {
  onAws(program.command('image').addOption(stageOption))
    .description("build the worker's image, and push it to the stack's repository")
    .option('--tag <TAG>', 'tag of the image', 'latest')
    .option('--platform <LIST>', 'linux/arm64, linux/amd64, or both with a comma between', 'linux/arm64,linux/amd64')
    .option('--extra-packages <NAMES>', 'further Debian packages, separated by spaces')
    .option('--pip-packages <NAMES>', 'further Python packages, separated by spaces')
    .option('--no-push', 'build only, and keep the image in docker')
    .action(async (options) => {
      const [{ session }, { image }, { dockerIn }, { ecrClient }] = await Promise.all([import('./session.ts'), import('./image.ts'), import('./docker.ts'), import('./clients.ts')]);
      process.exitCode = await session(options, 'build the image', () => image(options, { ecr: ecrClient, docker: dockerIn(), streams: process }));
    });

  onAws(program.command('attach').addOption(stageOption))
    .description('let an existing bucket tell the stack of uploads, beside what else it tells')
    .option('--bucket <NAME>', 'the bucket (default: the input bucket of the stack)')
    .option('--detach', 'take it back')
    .action(async (options) => {
      const [{ session }, { attach }, { cloudFormationClient, s3Client }] = await Promise.all([import('./session.ts'), import('./attach.ts'), import('./clients.ts')]);
      process.exitCode = await session(options, 'attach the bucket', async () => {
        const [cloudFormation, s3] = await Promise.all([cloudFormationClient(), s3Client()]);
        return await attach(options, { cloudFormation, s3, streams: process });
      });
    });

  // Without a default: what is removed for good has to be named.
  onAws(program.command('purge'))
    .addOption(new Option('--stage <NAME>', 'stage of the stack that has been removed').argParser(stage).makeOptionMandatory())
    .description('after "sls remove": remove what is left, buckets and all that is in them')
    .option('--dry-run', 'only list what there is')
    .option('--yes', "don't ask")
    .action(async (options) => {
      const [{ session }, { purge }, clients, { terminal }] = await Promise.all([import('./session.ts'), import('./purge.ts'), import('./clients.ts'), import('./terminal.ts')]);
      process.exitCode = await session(options, 'purge', async () => {
        const [cloudFormation, s3, ecr, ecs, logs] = await Promise.all([clients.cloudFormationClient(), clients.s3Client(), clients.ecrClient(), clients.ecsClient(), clients.logsClient()]);
        return await purge(options, { cloudFormation, s3, ecr, ecs, logs, streams: process, ask: terminal() });
      });
    });
}
