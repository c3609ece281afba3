/** How many random cases a test draws, and from which seed: printed, and settable, so that what has failed once can be drawn again. */
import type { TestContext } from 'node:test';

/** TILEFAN_TEST_SEED, or a new one for each process. */
export const testSeed = Number(process.env['TILEFAN_TEST_SEED'] ?? Date.now() % 2 ** 31);

/** Parameters for fast-check. */
interface PropertyRuns {
  readonly numRuns: number;
  readonly seed: number;
  readonly endOnFailure: boolean;
}

/**
 * Prints the seed and the number of cases, and gives them.
 * @param cases where TILEFAN_TEST_RUNS doesn't say how many
 * @param shrink whether one that fails is made smaller; cases that take seconds aren't, unless TILEFAN_TEST_SHRINK is set
 */
export function propertyRuns(t: TestContext, cases: number, shrink = false): PropertyRuns {
  const numRuns = Number(process.env['TILEFAN_TEST_RUNS'] ?? cases);
  t.diagnostic(`seed ${String(testSeed)} (TILEFAN_TEST_SEED), ${String(numRuns)} runs (TILEFAN_TEST_RUNS)`);
  return { numRuns, seed: testSeed, endOnFailure: !shrink && process.env['TILEFAN_TEST_SHRINK'] === undefined };
}
