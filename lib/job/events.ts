/**
 * What passes between the states of statemachines/tile-pipeline.asl.json: small documents only, because a state's data ends at 256 KiB.
 * The schemas are applied once, where a handler receives its event.
 */
import * as z from 'zod';
import { formatHref, parseHref } from '../store/href.ts';
import { mallocArenas } from './malloc-arenas.ts';

/**
 * What starts an execution: the job spec itself, or `job` with the spec or where it lies. `run` names the run to continue; `object` is the
 * href of an uploaded file, which the placeholders of the job (then a template) stand for; `try` is a tile, column and row: it is computed and reported by one task, and
 * nothing else is done.
 */
export const executionInput = z.union([
  z.strictObject({ job: z.union([z.string(), z.record(z.string(), z.unknown())]), run: z.string().optional(), object: z.string().optional(), try: z.tuple([z.int().nonnegative(), z.int().nonnegative()]).optional() }),
  z.record(z.string(), z.unknown()),
]);

/** The split function's event: the execution's input, and the execution's name, which becomes the run id. */
export const splitEvent = z.strictObject({ input: executionInput, execution: z.string().min(1) });
export type SplitEvent = z.infer<typeof splitEvent>;

const capacityStrategy = z.array(
  z.strictObject({ CapacityProvider: z.string(), Weight: z.number(), Base: z.number().optional() }),
);

/** The part of RunTask's Overrides that says how large a task is. CPU units and MiB are strings, as ECS wants them on the task level. */
export const taskSize = z.strictObject({
  Cpu: z.string(),
  Memory: z.string(),
  /** Only Fargate takes it. */
  EphemeralStorage: z.strictObject({ SizeInGiB: z.int() }).optional(),
});
export const taskCompute = z.strictObject({
  taskDefinition: z.string(),
  size: taskSize,
  /** The next larger size, for the one attempt after running out of memory. */
  larger: taskSize,
  strategy: capacityStrategy,
  /** On-demand capacity, for the last attempt after capacity was lost. */
  fallback: capacityStrategy,
  /** Whether a task gets an address of its own, which it needs to reach ECR from a public subnet without NAT. */
  publicIp: z.enum(['ENABLED', 'DISABLED']),
  /** Under which names workers report their metrics; empty for a run on this machine, which reports none. */
  metrics: z.strictObject({ namespace: z.string(), service: z.string() }).default({ namespace: '', service: '' }),
  timeoutSeconds: z.int().positive(),
  /** MALLOC_ARENA_MAX of the worker. */
  mallocArenas: z.string().default(mallocArenas.usual),
});

export type TaskCompute = z.infer<typeof taskCompute>;

/** The state between Split, ProcessBatches and Reduce. */
export const runState = z.strictObject({
  run: z.strictObject({
    id: z.string(),
    /** The run prefix: an href that ends in `/`. */
    href: z.string(),
    /** The same for states that speak to S3 themselves. For a local run the bucket is empty and the prefix is a path. */
    bucket: z.string(),
    prefix: z.string(),
  }),
  /** 0 for the tiles; from 1 on for overview passes. */
  pass: z.int().nonnegative(),
  /** Where this pass's manifest lies, relative to nothing: bucket and key. */
  manifest: z.strictObject({ bucket: z.string(), key: z.string() }),
  limits: z.strictObject({
    maxConcurrency: z.int().positive(),
    toleratedFailurePercentage: z.number().min(0).max(100),
  }),
  compute: taskCompute,
});
export type RunState = z.infer<typeof runState>;

/** What split returns: CONVERT wants a Map over conversions, and to be called again then; after TRY's Map the execution ends; without a status the manifest is that of the tiles. */
export type SplitResult = RunState & { readonly status?: 'CONVERT' | 'TRY' };

/** What reduce returns: MORE wants another Map over the new manifest, MERGING wants to be called again, DONE is done. */
export type ReduceResult = RunState & { readonly status: 'MORE' | 'MERGING' | 'DONE' };

/** Reduce's event: the state, and what reduce answered the last time when it is called again. */
export const reduceEvent = runState.extend({ status: z.enum(['MORE', 'MERGING']).optional() });

/** Where an object lies, for states that speak to S3 themselves. A file has no bucket: its key is its absolute path. */
export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
}

/** The address of an href. @throws JobError HREF_* */
export function addressOf(href: string): ObjectAddress {
  const location = parseHref(href);
  return location.scheme === 's3' ? { bucket: location.bucket, key: location.key } : { bucket: '', key: location.path };
}

/** The href of an address: the other way round. */
export function hrefOf({ bucket, key }: ObjectAddress): string {
  return formatHref(bucket === '' ? { scheme: 'file', path: key } : { scheme: 's3', bucket, key });
}
