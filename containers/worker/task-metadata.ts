/**
 * What ECS tells a container about its task: which it is, where its log goes, what it costs. Nothing depends on it, so that a worker runs anywhere: what
 * isn't told is null, and no failure to ask is a failure of the batch.
 *
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html; the same fields on Fargate, EC2 and Managed Instances.
 */
import * as z from 'zod';
import type { LogLocation } from '../../lib/job/records.ts';

export interface TaskMetadata {
  /** ARN. */
  readonly task: string | null;
  readonly log: LogLocation | null;
  /** Of the whole task. */
  readonly vcpu: number | null;
  readonly memoryGib: number | null;
  /** When the pull of the image began, which is when Fargate begins to charge. */
  readonly begunAt: Date | null;
}

/** It answers from the machine itself, in milliseconds. */
const longestMs = 1_000;
const mibPerGib = 1024;

const containerMetadata = z.object({
  Labels: z.object({ 'com.amazonaws.ecs.task-arn': z.string() }).nullable().catch(null),
  LogOptions: z
    .object({ 'awslogs-group': z.string(), 'awslogs-stream': z.string(), 'awslogs-region': z.string() })
    .transform((options): LogLocation => ({ group: options['awslogs-group'], stream: options['awslogs-stream'], region: options['awslogs-region'] }))
    .nullable()
    .catch(null),
});
const taskMetadata = z.object({
  /** vCPU and MiB; left out where the task has no limits of its own. */
  Limits: z.object({ CPU: z.number().positive(), Memory: z.number().positive() }).nullable().catch(null),
  PullStartedAt: z.iso
    .datetime()
    .transform((time) => new Date(time))
    .nullable()
    .catch(null),
});

/** Asks the endpoint that ECS names in ECS_CONTAINER_METADATA_URI_V4; takes a second at most, and never throws. */
export async function readTaskMetadata(env: Readonly<Record<string, string | undefined>>): Promise<TaskMetadata> {
  const endpoint = env['ECS_CONTAINER_METADATA_URI_V4'];
  if (endpoint === undefined || endpoint === '') return { task: null, log: null, vcpu: null, memoryGib: null, begunAt: null };
  const signal = AbortSignal.timeout(longestMs);
  const [container, task] = await Promise.all([
    ask(endpoint, signal, containerMetadata),
    ask(`${endpoint}/task`, signal, taskMetadata),
  ]);
  return {
    task: container?.Labels?.['com.amazonaws.ecs.task-arn'] ?? null,
    log: container?.LogOptions ?? null,
    vcpu: task?.Limits?.CPU ?? null,
    memoryGib: task?.Limits == null ? null : task.Limits.Memory / mibPerGib,
    begunAt: task?.PullStartedAt ?? null,
  };
}

async function ask<Schema extends z.ZodType>(url: string, signal: AbortSignal, schema: Schema): Promise<z.output<Schema> | null> {
  try {
    const answer = await fetch(url, { signal });
    return schema.parse(await answer.json());
  } catch {
    return null;
  }
}
