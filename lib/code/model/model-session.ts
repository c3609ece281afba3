/** A model in onnxruntime. Loaded when it is wanted, by the process that runs models only: the library is large, and may take its process with it. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { JobError, messageOf, OperationError } from '../../base/errors.ts';
import type { FedArray } from './chip-input.ts';
import type { GivenArray } from './chip-output.ts';
import type { FedType } from './model-plan.ts';
import type { ModelSetup } from './model-setup.ts';

export interface FedTensor {
  readonly name: string;
  readonly type: FedType;
  readonly data: FedArray;
  readonly dims: readonly number[];
}

export interface GivenTensor {
  readonly data: GivenArray;
  readonly dims: readonly number[];
}

export class ModelSession {
  private readonly session: InferenceSession;
  private readonly Tensor: new (type: FedType, data: never, dims: readonly number[]) => Tensor;

  private constructor(session: InferenceSession, TensorClass: unknown) {
    this.session = session;
    this.Tensor = TensorClass as ModelSession['Tensor'];
  }

  /**
   * @param file a local ONNX file
   * @throws JobError MODEL_RUNTIME without onnxruntime, MODEL_PROVIDER without CUDA where it is wanted, MODEL_LOAD for what it can't load
   */
  static async open(file: string, { provider, threads }: Pick<ModelSetup, 'provider' | 'threads'>): Promise<ModelSession> {
    const runtime = await import('onnxruntime-node').catch((error: unknown) => {
      throw loadError('MODEL_RUNTIME', `wanted the package onnxruntime-node to run the model, found none that works here: ${firstLine(error)}`, error);
    });
    // What it would log is thrown, too.
    runtime.env.logLevel = 'fatal';
    try {
      const session = await runtime.InferenceSession.create(file, {
        executionProviders: [provider],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 4,
      });
      return new ModelSession(session, runtime.Tensor);
    } catch (error) {
      // What CUDA lacks and what the model lacks come as the same kind of error; without CUDA the model tells.
      if (provider === 'cpu') throw loadError('MODEL_LOAD', `onnxruntime can't load the model: ${firstLine(error)}`, error);
      throw loadError('MODEL_PROVIDER', `onnxruntime can't load the model with CUDA, which wants an image with its libraries, and a machine with a GPU (docs/models.md): ${firstLine(error)}`, error);
    }
  }

  /**
   * Runs the model on one batch.
   * @returns the wanted outputs in their order
   * @throws OperationError MODEL_FAILED
   */
  async run(inputs: readonly FedTensor[], outputs: readonly string[]): Promise<GivenTensor[]> {
    const feeds = Object.fromEntries(inputs.map(({ name, type, data, dims }) => [name, readable(new this.Tensor(type, data as never, dims), data)]));
    try {
      const given = await this.session.run(feeds, [...new Set(outputs)]);
      return outputs.map((name) => {
        const { data, dims } = given[name] as Tensor;
        return { data: data as unknown as GivenArray, dims };
      });
    } catch (error) {
      const dims = inputs.map(({ name, dims }) => `${name} (${dims.join(' x ')})`).join(', ');
      throw new OperationError('MODEL_FAILED', `the model failed on ${dims}: ${firstLine(error)}`, { cause: error, where: { kind: 'function' } });
    }
  }
}

/**
 * The binding takes a Float16Array for one without bytes; the same bytes as a Uint16Array it reads, but the class Tensor makes a Float16Array of one.
 * https://github.com/microsoft/onnxruntime/issues/26791, https://github.com/microsoft/onnxruntime/pull/32323
 */
function readable(tensor: Tensor, data: FedArray): Tensor {
  if (data instanceof Float16Array) Object.assign(tensor, { cpuData: new Uint16Array(data.buffer, data.byteOffset, data.length) });
  return tensor;
}

function loadError(code: string, message: string, cause: unknown): JobError {
  return new JobError(code, message, { cause, where: { kind: 'load' } });
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
