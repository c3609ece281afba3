/**
 * A command as user code: a program of the machine, started once for each tile without a shell, whose inputs and outputs are GeoTIFFs in a
 * scratch folder. docs/commands.md says what it gets and what is made of what it leaves.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { JobError, messageOf, OperationError, OutputError } from '../../base/errors.ts';
import { shiftAffine } from '../../raster/affine.ts';
import { geoTagsOf } from '../../tiff/crs.ts';
import type { GeoTags } from '../../tiff/geo.ts';
import { CapturedOutput } from '../captured-output.ts';
import { codeEnvironment } from '../code-environment.ts';
import type { CodeCall, CodePrinted, CodeReply, CodeRunner, CodeSetup, Json } from '../code-setup.ts';
import { makeScratchFolder, removeScratchFolder } from '../scratch-folder.ts';
import { inputsOf, programOf } from './check-command.ts';
import { findProgram } from './find-program.ts';
import { GroupWatch } from './group-watch.ts';
import { writeInputFile } from './input-file.ts';
import { readOutputFile } from './output-file.ts';
import { programError } from './program-error.ts';
import { killGroup } from '../process-group.ts';
import { runProgram } from './run-program.ts';
import { fillTemplate, parseTemplate, type Template } from './template.ts';

export interface CommandRunnerOptions {
  /** The program and its arguments; `checkCommand` has nothing against them. */
  readonly command: readonly string[];
  /** `code`, `function`, `lists`, `serial`, `model` and `memoryBytes` mean nothing here. */
  readonly setup: CodeSetup;
  /** The grid's tags (plan.grid.geo): its CRS goes into the inputs' files. */
  readonly geo: GeoTags;
  readonly sharedFd: number;
  /** A folder of this runner's own: made, emptied after each tile, and removed at the end. */
  readonly scratch: string;
  readonly credentials: boolean;
  /** For one tile. */
  readonly timeoutSeconds: number;
  /** The worker's environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Whether what the program prints may be the tile's result. */
  readonly results: boolean;
}

/** What may be printed as a result: more than that is no side result of a tile. */
const resultBytes = 16 * 1024 * 1024;

export class CommandRunner implements CodeRunner {
  readonly #options: CommandRunnerOptions;
  readonly #program: string;
  readonly #arguments: readonly Template[];
  readonly #inputs: readonly string[];
  readonly #parameters: Readonly<Record<string, Json>>;
  #path: string | undefined;
  #watch: GroupWatch | undefined;
  #group: number | undefined;
  #closed = false;
  #running: Promise<unknown> = Promise.resolve();
  #stdout = new CapturedOutput();
  #stderr = new CapturedOutput();

  constructor(options: CommandRunnerOptions) {
    const { command, setup } = options;
    this.#options = options;
    this.#parameters = parametersOf(setup.parameters);
    this.#program = programOf(command, this.#parameters);
    const names = { inputs: setup.inputs.map(({ name }) => name), outputs: setup.outputs.map(({ name }) => name), parameters: Object.keys(this.#parameters) };
    this.#arguments = command.slice(1).map((argument) => parseTemplate(argument, names).parts);
    this.#inputs = inputsOf(command, names.inputs);
  }

  /**
   * Runs the program for a tile.
   * @throws JobError REQUIREMENT_MISSING when there is no such program; OperationError FUNCTION_FAILED (its exit code), FUNCTION_DIED (a signal),
   * FUNCTION_TIMEOUT, FUNCTION_NO_OUTPUT (missing, no TIFF, damaged), FUNCTION_SHAPE, FUNCTION_RESULT; OutputError SCRATCH_UNUSABLE
   */
  async call(call: CodeCall): Promise<CodeReply> {
    const reply = this.#call(call);
    this.#running = reply.catch(() => undefined);
    return await reply;
  }

  output(): CodePrinted {
    return { stdout: this.#stdout.text(), stderr: this.#stderr.text(), stdoutBytes: this.#stdout.bytes, stderrBytes: this.#stderr.bytes };
  }

  async close(): Promise<void> {
    this.#closed = true;
    killGroup(this.#group);
    await this.#running;
    this.#watch?.close();
    await removeScratchFolder(this.#options.scratch);
  }

  async #call(call: CodeCall): Promise<CodeReply> {
    const { scratch } = this.#options;
    this.#stdout = new CapturedOutput();
    this.#stderr = new CapturedOutput();
    const path = (this.#path ??= await this.#find());
    await makeScratchFolder(scratch);
    try {
      await mkdir(join(scratch, 'input'));
      await mkdir(join(scratch, 'output'));
      await this.#writeInputs(call);
      const printed = await this.#run(path, call);
      const outputs = await this.#readOutputs(call);
      const result = this.#options.results ? this.#resultOf(printed) : undefined;
      return result === undefined ? { outputs } : { outputs, result };
    } finally {
      // The pixels are not kept while other tiles go on. What can't be removed now shows when the next tile begins.
      await removeScratchFolder(scratch);
    }
  }

  async #find(): Promise<string> {
    const { env } = this.#options;
    const path = await findProgram(this.#program, env);
    if (path !== undefined) return path;
    const place = this.#program.includes('/') ? 'there is no program that may be run' : `it is in none of the folders of PATH (${env['PATH'] ?? 'empty'})`;
    throw new JobError(
      'REQUIREMENT_MISSING',
      `The program ${this.#program} is not here: ${place}. On AWS it has to be in the worker's image: EXTRA_PACKAGES, PIP_PACKAGES, or an image of your own FROM tilefan bring it (docs/worker.md)`,
      { where: { function: this.#program, program: this.#program } },
    );
  }

  #sides({ window }: CodeCall): { readonly columns: number; readonly rows: number } {
    const { halo } = this.#options.setup;
    return { columns: window.columns + 2 * halo, rows: window.rows + 2 * halo };
  }

  async #writeInputs(call: CodeCall): Promise<void> {
    const { setup, sharedFd } = this.#options;
    const geo = this.#geoOf(call);
    for (const [i, input] of setup.inputs.entries()) {
      const place = call.inputs[i];
      if (place === undefined || !this.#inputs.includes(input.name)) continue;
      const path = this.#inputPath(input.name);
      try {
        // One after another, through the same megabyte of memory.
        // oxlint-disable-next-line no-await-in-loop
        await writeInputFile(path, sharedFd, { input, ...place, ...this.#sides(call), geo });
      } catch (cause) {
        throw new OutputError('SCRATCH_UNUSABLE', `The tile's input ${input.name} cannot be written into the scratch folder, ${path}: ${messageOf(cause)}`, { cause, where: { path, input: input.name } });
      }
    }
  }

  /** The grid's CRS, and where the tile with its margin lies. */
  #geoOf({ window }: CodeCall): GeoTags {
    const { setup, geo } = this.#options;
    const [x0, xc, xr, y0, yc, yr] = setup.grid.geotransform ?? [];
    const { geoKeyDirectory, geoDoubleParams, geoAsciiParams } = geo;
    if (x0 === undefined || xc === undefined || xr === undefined || y0 === undefined || yc === undefined || yr === undefined) {
      return { ...(geoKeyDirectory && { geoKeyDirectory }), ...(geoDoubleParams && { geoDoubleParams }), ...(geoAsciiParams !== undefined && { geoAsciiParams }) };
    }
    return geoTagsOf({ epsg: null, keys: {}, wkt: null }, geo, shiftAffine([x0, xc, xr, y0, yc, yr], window.column - setup.halo, window.row - setup.halo));
  }

  async #run(path: string, { column, row }: CodeCall): Promise<string | undefined> {
    const { scratch, credentials, timeoutSeconds, env, results } = this.#options;
    const values = { input: (name: string) => this.#inputPath(name), output: (name: string) => this.#outputPath(name), parameters: this.#parameters, scratch, column, row };
    const args = this.#arguments.map((template) => fillTemplate(template, values));
    const [stdout, stderr] = [this.#stdout, this.#stderr];
    const whole: Buffer[] = [];
    if (this.#closed) throw new OperationError('FUNCTION_DIED', `${this.#program} was not started: the worker ends`);
    this.#watch ??= new GroupWatch();
    const end = await runProgram({
      path,
      name: this.#program,
      args,
      folder: scratch,
      env: codeEnvironment(env, { scratch, credentials }),
      timeoutSeconds,
      stdout: (chunk) => {
        stdout.take(chunk);
        if (results && stdout.bytes <= resultBytes) whole.push(Buffer.from(chunk));
        else whole.length = 0;
      },
      stderr: (chunk) => stderr.take(chunk),
      watch: (group) => {
        this.#group = group;
        this.#watch?.watch(group);
      },
    });
    const error = programError(end, { program: this.#program, args, timeoutSeconds, printed: this.output() });
    if (error !== undefined) throw error;
    return stdout.bytes > resultBytes ? undefined : Buffer.concat(whole).toString('utf8');
  }

  async #readOutputs(call: CodeCall): Promise<CodeReply['outputs']> {
    const { setup, sharedFd } = this.#options;
    const made: CodeReply['outputs'][number][] = [];
    for (const [i, output] of setup.outputs.entries()) {
      const place = call.outputs[i];
      const offset = call.probe || place === undefined ? null : place.offset;
      // oxlint-disable-next-line no-await-in-loop
      made.push(await readOutputFile(this.#outputPath(output.name), this.#program, sharedFd, { output, offset, ...this.#sides(call), halo: setup.halo }));
    }
    return made;
  }

  /** The one JSON document that was printed; undefined when nothing was. */
  #resultOf(printed: string | undefined): unknown {
    if (printed === undefined) {
      throw new OperationError('FUNCTION_RESULT', `${this.#program} printed ${String(this.#stdout.bytes)} bytes to stdout, which the job takes as the tile's result: wanted ${String(resultBytes)} at most`, {
        where: { function: this.#program, stdout: this.#stdout.text(), stderr: this.#stderr.text() },
      });
    }
    if (printed.trim() === '') return undefined;
    try {
      return JSON.parse(printed) as unknown;
    } catch (cause) {
      throw new OperationError('FUNCTION_RESULT', `${this.#program} printed ${JSON.stringify(printed.trim().slice(0, 100))} to stdout, which the job takes as the tile's result: wanted one JSON document, or nothing; what else there is to say belongs on stderr`, {
        cause,
        where: { function: this.#program, stdout: this.#stdout.text(), stderr: this.#stderr.text() },
      });
    }
  }

  #inputPath(name: string): string {
    return join(this.#options.scratch, 'input', `${name}.tif`);
  }

  #outputPath(name: string): string {
    return join(this.#options.scratch, 'output', `${name}.tif`);
  }
}

function parametersOf(parameters: Json): Readonly<Record<string, Json>> {
  return typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters) ? (parameters as Readonly<Record<string, Json>>) : {};
}
