/** How the stages of a program pass on what they make: in which form, and whether a stage goes straight into targets. */
import { type Dtype, dtypeFacts, isFloat } from '../dtype.ts';
import { type KernelPlan, planKernel } from '../focal/make-kernel.ts';
import type { FocalResult } from '../focal/result.ts';
import type { RowForms } from '../focal/rows.ts';
import { at } from './faults.ts';
import type { ExpressionProgram, Stage } from './program.ts';

/** A target that gets the result of a focal stage as it is. */
export interface DirectStore {
  readonly target: number;
  readonly stage: number;
  /** Whether pixels without data are looked for. */
  readonly masked: boolean;
}

/** One stage of a program. */
export interface StagePlan {
  readonly stage: Stage;
  readonly forms: RowForms;
  /** Of a focal stage. */
  readonly kernel?: KernelPlan | undefined;
}

/** The stages for planes of `stride` samples a row, and the stores that do all that the last steps say, where that is possible. */
export function planStages(program: ExpressionProgram, stride: number): { readonly stages: readonly StagePlan[]; readonly stores: readonly DirectStore[] | undefined } {
  const stores = directStores(program);
  const kernels = program.stages.map((stage, i) =>
    stage.do === 'focal' ? planKernel(stage.operation, operandDtype(program, stage.of), stride, resultOf(program, i, stores ?? [])) : undefined,
  );
  const stages = program.stages.map((stage, i): StagePlan => {
    const kernel = kernels[i];
    if (kernel !== undefined) return { stage, kernel, forms: { float64: kernel.fills === 'float64', whole: kernel.fills === 'whole' } };
    const readers = program.stages.flatMap((other, k) => (other.do === 'focal' && other.of === i ? [kernels[k]?.reads] : []));
    // Only focal stages read sources; planes are float64.
    return { stage, forms: stage.do === 'source' ? { float64: readers.includes('float64'), whole: readers.includes('whole') } : { float64: true, whole: false } };
  });
  return { stages, stores };
}

/** What is known of the numbers of a stage. */
function operandDtype(program: ExpressionProgram, stage: number): Dtype {
  const operand = at(program.stages, stage);
  return operand.do === 'source' ? at(program.sources, operand.source).dtype : 'float64';
}

/** What is asked of a focal stage: less than everything where each of its readers is a store. */
function resultOf(program: ExpressionProgram, stage: number, stores: readonly DirectStore[]): FocalResult {
  if (program.stages.some((other) => readsStage(other, stage))) return 'float64';
  const dtypes = stores.filter((store) => store.stage === stage).map(({ target }) => at(program.targets, target).dtype);
  if (dtypes.length === 0) return 'float64';
  if (dtypes.every((dtype) => dtype === 'float32')) return 'float32';
  return dtypes.every((dtype) => !isFloat(dtype)) ? 'whole' : 'float64';
}

function readsStage(reader: Stage, stage: number): boolean {
  if (reader.do === 'focal') return reader.of === stage;
  return reader.do === 'plane' && reader.steps.some((step) => (step.do === 'focal' || step.do === 'focalMask') && step.stage === stage);
}

/** The last steps, where they are nothing but results of focal stages that are stored. */
function directStores({ steps }: ExpressionProgram): DirectStore[] | undefined {
  const values = new Map<number, number>();
  const masks = new Map<number, number>();
  const stores: DirectStore[] = [];
  for (const step of steps) {
    if (step.do === 'focal') values.set(step.out, step.stage);
    else if (step.do === 'focalMask') masks.set(step.validOut, step.stage);
    else if (step.do === 'store') {
      const stage = values.get(step.value);
      const masked = (step.valid ?? 0) !== 0;
      if (stage === undefined || (masked && masks.get(step.valid ?? 0) !== stage)) return undefined;
      stores.push({ target: step.target, stage, masked });
    } else return undefined;
  }
  return stores.length === 0 ? undefined : stores;
}

/** Whether a focal stage's results fit `target` as surely as the samples that they come from do. */
export function surelyFits(program: ExpressionProgram, { stage, target }: DirectStore): boolean {
  const focal = at(program.stages, stage);
  if (focal.do !== 'focal' || !['mean', 'median', 'min', 'max'].includes(focal.operation.name)) return false;
  const [from, to] = [operandDtype(program, focal.of), at(program.targets, target).dtype];
  if (isFloat(from) || isFloat(to)) return false;
  return dtypeFacts(from).min >= dtypeFacts(to).min && dtypeFacts(from).max <= dtypeFacts(to).max;
}
