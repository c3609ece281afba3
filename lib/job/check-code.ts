/** What can be said of a job's code before anything of it is started: functions and models show the rest when they are tried (prepare-code.ts). */
import { checkCommand } from '../code/command/check-command.ts';
import { checkRequirementTexts } from '../code/requirements/parse-requirement.ts';
import type { Problem } from './problems.ts';
import type { JobSpec } from './spec.ts';

/** Placeholders of a command that stand for nothing, inputs and outputs that it never names. */
export function checkCode({ operation, inputs, outputs }: JobSpec, problems: Problem[]): void {
  problems.push(...checkRequirementTexts(operation.requirements));
  if (operation.command === undefined) return;
  problems.push(...checkCommand(operation.command, Object.keys(inputs), Object.keys(outputs), operation.parameters));
}
