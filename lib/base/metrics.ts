/**
 * Metrics as lines of standard output in CloudWatch's embedded metric format (EMF): whoever takes the log takes them too, no call is made, and nothing
 * can fail for want of them. docs/metrics.md lists all of them.
 */

export type MetricUnit = 'Count' | 'Seconds' | 'Bytes' | 'None';

export interface Metrics {
  /** Notes a value. Several of one name become one metric with all of them. */
  add(name: string, unit: MetricUnit, value: number): void;
  /** Prints what was noted as one line; nothing when nothing was. */
  flush(): void;
}

const silent: Metrics = { add: () => undefined, flush: () => undefined };

/**
 * Metrics of the namespace that POWERTOOLS_METRICS_NAMESPACE names, with the one dimension `service` (POWERTOOLS_SERVICE_NAME). Without the namespace
 * (a local run) they go nowhere, and the library, 26 ms of start-up, isn't loaded.
 */
export async function createMetrics(env: Readonly<Record<string, string | undefined>>): Promise<Metrics> {
  const namespace = env['POWERTOOLS_METRICS_NAMESPACE'];
  if (namespace === undefined || namespace === '') return silent;
  const library = await import('@aws-lambda-powertools/metrics');
  const serviceName = env['POWERTOOLS_SERVICE_NAME'];
  const metrics = new library.Metrics({ namespace, ...(serviceName === undefined ? {} : { serviceName }) });
  return {
    add(name, unit, value) {
      metrics.addMetric(name, unit, value);
    },
    flush() {
      // The library would warn, in the log of every call that has nothing to say.
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}
