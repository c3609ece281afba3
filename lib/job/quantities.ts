/** Amounts as people write them in jobs and parameters: `16 GiB`, `1h`. */

export const memoryPattern = /^\d+(\.\d+)? ?(MiB|GiB|MB|GB)$/;
export const durationPattern = /^0*[1-9]\d* ?[smh]$/;

const bytesPerUnit: Readonly<Record<string, number>> = { MiB: 2 ** 20, GiB: 2 ** 30, MB: 1e6, GB: 1e9 };

/** Bytes of a text such as `16 GiB`, which matches `memoryPattern`. */
export function parseMemory(text: string): number {
  const match = /^([\d.]+) ?([A-Za-z]+)$/.exec(text);
  return Number(match?.[1]) * (bytesPerUnit[match?.[2] ?? ''] ?? NaN);
}

/** Seconds of a text such as `1h`, which matches `durationPattern`. */
export function parseDuration(text: string): number {
  const match = /^(\d+) ?([smh])$/.exec(text);
  return Number(match?.[1]) * ({ s: 1, m: 60, h: 3600 }[match?.[2] ?? ''] ?? NaN);
}
