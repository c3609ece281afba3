/** A script that runs on AWS by one setting: what it hands over, and what it takes back. The command that would speak to AWS is a stand-in; S3 is a real server. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { jobSpec } from '../../lib/job/spec.ts';
import { withoutGdal } from '../support/gdal.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../support/s3-server.ts';
import { packageFolder, python, withoutCloudpickle } from './support/host.ts';
import { runScript } from './support/rios.ts';

/** Answers as `tilefan submit --wait --json` does, and leaves otherArgs where the job asks for them. */
const standIn = `
import base64, json, pickle, sys
sys.path.insert(0, ${JSON.stringify(packageFolder)})
folder, root, *arguments = sys.argv[1:]
job = json.load(open(arguments[1]))
json.dump({'arguments': arguments, 'job': job}, open(folder + '/seen.json', 'w'))
print(json.dumps({'event': 'Run:Progress', 'batchesDone': 1, 'batches': 2}), file=sys.stderr)
file = open(root + '/' + job['operation']['module'][len('s3://'):], 'rb')
header, (function, others) = pickle.load(file), pickle.load(file)
place = job['results']['href'].replace('{run}', 'run-1')
with open(root + '/' + place[len('s3://'):], 'w') as out:
    for column in (1, 0):
        others.tile = column
        print(json.dumps({'column': column, 'row': 0, 'value': {'otherargs': base64.b64encode(pickle.dumps(others)).decode()}}), file=out)
print(json.dumps({'run': 'run-1', 'state': 'SUCCEEDED', 'record': {'run': 'run-1', 'results': {'href': place}}}))
`;

describe('a script on AWS', { skip: withoutGdal || withoutCloudpickle || (whyNoS3Server() ?? false) }, () => {
  let server: S3Server;
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tilefan-rios-aws-'));
    server = await startS3Server();
    writeFileSync(join(folder, 'stand-in.py'), standIn);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (script: string): ReturnType<typeof runScript> => {
    writeFileSync(join(folder, 'script.py'), script);
    const { hostname, port } = new URL(server.endpoint);
    return await runScript('script.py', [], folder, {
      TILEFAN_COMMAND: `${python} ${join(folder, 'stand-in.py')} ${folder} ${server.root}`,
      TILEFAN_RUN_ON: 'aws',
      AWS_S3_ENDPOINT: `${hostname}:${port}`,
      AWS_HTTPS: 'NO',
      AWS_VIRTUAL_HOSTING: 'FALSE',
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      AWS_REGION: server.region,
      AWS_ENDPOINT_URL_S3: server.endpoint,
    });
  };

  it('puts its function beside the output, submits the job, and takes otherArgs from S3, tile by tile', async () => {
    const { exitCode, stdout, stderr } = await run(`
from tilefan.rios import applier, cuiprogress
infiles = applier.FilenameAssociations(); infiles.img = 's3://${server.bucket}/in/a.tif'
outfiles = applier.FilenameAssociations(); outfiles.out = 's3://${server.bucket}/out/x.tif'
others = applier.OtherInputs(); others.n = 7
controls = applier.ApplierControls()
controls.setConcurrencyStyle(applier.ConcurrencyStyle(numComputeWorkers=12, computeWorkerKind=applier.CW_ECS))
controls.setProgress(cuiprogress.LogProgressBar())
def function(info, inputs, outputs, o): outputs.out = inputs.img
answer = applier.apply(function, infiles, outfiles, others, controls)
print([(each.n, each.tile) for each in answer.otherArgsList], answer.record['run'])
`);
    assert.equal(exitCode, 0, stderr);
    assert.equal(stdout, '0%\n50%\n100%\n[(7, 0), (7, 1)] run-1\n');
    const { arguments: args, job } = JSON.parse(readFileSync(join(folder, 'seen.json'), 'utf8')) as { arguments: string[]; job: unknown };
    assert.deepEqual([args[0], ...args.slice(2)], ['submit', '--wait', '--json']);
    const { operation, results, compute, inputs } = jobSpec.parse(job);
    assert.match(operation.module ?? '', new RegExp(`^s3://${server.bucket}/out/tilefan/[0-9a-f]{64}\\.pkl$`));
    assert.equal(results?.href, `s3://${server.bucket}/out/tilefan/{run}.otherargs.jsonl`);
    assert.equal(compute.maxConcurrency, 12);
    assert.equal(operation.serial, false);
    assert.deepEqual(inputs['img'], { href: `s3://${server.bucket}/in/a.tif`, resampling: 'nearest' });
  });

  it('refuses before anything is sent what AWS can\'t reach or do', async () => {
    const { exitCode, stdout, stderr } = await run(`
from tilefan.rios import applier, rioserrors
def attempt(kind, infile='s3://${server.bucket}/a.tif', outfile='s3://${server.bucket}/x.tif', controls=None):
    infiles = applier.FilenameAssociations(); infiles.img = infile
    outfiles = applier.FilenameAssociations()
    if outfile: outfiles.out = outfile
    try: applier.apply(lambda info, inputs, outputs: None, infiles, outfiles, controls=controls)
    except kind as error: print(error)
    else: print('it was sent')
attempt(rioserrors.ParameterError, infile='a.tif')
attempt(rioserrors.ParameterError, outfile='x.tif')
attempt(rioserrors.ParameterError, outfile=None)
closing = applier.ApplierControls(); closing.setCallBeforeClose(print)
attempt(rioserrors.UnsupportedError, controls=closing)
attempt(rioserrors.UnavailableError, outfile='s3://no-such-bucket/x.tif')
`);
    assert.equal(exitCode, 0, stderr);
    const lines = stdout.trim().split('\n');
    assert.match(lines[0] ?? '', /^input img is a\.tif, which AWS can't reach; wanted s3:\/\/bucket\/key$/);
    assert.match(lines[1] ?? '', /^output out is x\.tif, which AWS can't reach/);
    assert.match(lines[2] ?? '', /wanted a folder on S3 in TILEFAN_FOLDER/);
    assert.match(lines[3] ?? '', /^setCallBeforeClose: on AWS outputs lie on S3/);
    assert.match(lines[4] ?? '', /^s3:\/\/no-such-bucket\/tilefan\/[0-9a-f]{64}\.pkl can't be written/);
  });
});
