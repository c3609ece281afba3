/** The stages of a program that looks at neighbours, and how far around a window each has to be there. */
import { toJsonNumber } from '../../base/json-number.ts';
import { type FocalSize, reachOf } from '../focal/operation.ts';
import type { Graph, StageNode } from './graph.ts';
import type { ExpressionProgram, Stage, Steps } from './program.ts';
import { allocateRegisters } from './registers.ts';
import { Schedule } from './schedule.ts';

/** The stages of a graph; `last` are the steps that fill the targets. */
export function compileStages(graph: Graph, last: Steps): Pick<ExpressionProgram, 'stages' | 'halo'> {
  const steps = graph.stages.map((stage) => (stage.kind === 'plane' ? compilePlane(graph, stage) : undefined));
  const margins = graph.stages.map((): FocalSize => ({ columns: 0, rows: 0 }));
  const need = (stage: number, margin: FocalSize): void => {
    const known = margins[stage] ?? margin;
    margins[stage] = { columns: Math.max(known.columns, margin.columns), rows: Math.max(known.rows, margin.rows) };
  };
  // A stage only needs earlier ones, so that from the end on every margin is final when its turn comes.
  for (const [i, stage] of [...graph.stages.entries()].toReversed()) {
    const margin = margins[i] ?? { columns: 0, rows: 0 };
    if (stage.kind === 'focal') {
      const reach = reachOf(stage.operation);
      need(stage.of, { columns: margin.columns + reach.columns, rows: margin.rows + reach.rows });
    }
    for (const other of stagesIn(steps[i])) need(other, margin);
  }
  const stages = graph.stages.map((stage, i) => describeStage(stage, steps[i] ?? last, margins[i]?.rows ?? 0));
  return { stages, halo: Math.max(0, ...margins.flatMap(({ columns, rows }) => [columns, rows])) };
}

function compilePlane(graph: Graph, { value, valid }: Extract<StageNode, { kind: 'plane' }>): Steps {
  const schedule = new Schedule(graph);
  schedule.keep(value, valid);
  return allocateRegisters(schedule.steps, schedule.constants.map(toJsonNumber));
}

function stagesIn(steps: Steps | undefined): number[] {
  return (steps?.steps ?? []).flatMap((step) => (step.do === 'focal' || step.do === 'focalMask' ? [step.stage] : []));
}

function describeStage(stage: StageNode, steps: Steps, margin: number): Stage {
  switch (stage.kind) {
    case 'source':
      return { do: 'source', source: stage.source, masked: stage.masked, nodata: stage.nodata, margin };
    case 'plane':
      return { do: 'plane', ...steps, margin };
    case 'focal':
      return { do: 'focal', of: stage.of, operation: stage.operation, margin };
  }
}
