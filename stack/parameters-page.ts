/** docs/parameters.md, from the schema. */
import { factsOf, parameterGroups } from './parameters.ts';
import type { ParameterFacts, ParameterName } from './parameters.ts';

const intro: Readonly<Record<keyof typeof parameterGroups, string>> = {
  Tasks: 'What a task gets when its job does not say ([job-spec.md](job-spec.md), `compute`), and how many there are.',
  Storage: 'The three buckets, what else jobs may read and write, encryption, and how long things are kept.',
  Network: 'Where tasks and instances run.',
  Instances: "Capacity besides Fargate: EC2 instances of one's own, and ECS Managed Instances. Both begin with none, and cost nothing then.",
  Operations: 'Schedules, alarms and insight.',
};

/** The page as Markdown. */
export function parametersPage(): string {
  const sections = Object.entries(parameterGroups).flatMap(([title, group]) => [
    `## ${title}`,
    intro[title as keyof typeof parameterGroups],
    ['| parameter | type | default | what it says |', '| --- | --- | --- | --- |', ...(Object.keys(group) as ParameterName[]).map(row)].join('\n'),
  ]);
  return `${[
    '<!-- Generated from stack/parameters.ts by "npm run generate". Do not edit. -->',
    '# Parameters of a deployment',
    [
      'Every parameter has a default: a deployment that chooses nothing works. What is chosen comes from, later over earlier:',
      '',
      '1. the defaults below,',
      '2. the deployment file: `deployments/<stage>.yml` when it is there, or the file that `--param deployment=<file>` names instead,',
      "3. the command line: `--param 'name=value'`, as often as needed.",
      '',
      'On the command line, lists are separated by commas. An unknown name or a wrong value is refused before anything is packaged, all of them together, each in one line with what was wanted and what was found.',
      'The stage (`--stage`, default `dev`) names everything in the deployment: 1 to 20 lower-case letters, digits and `-`, beginning with a letter.',
      '',
      'Worked examples: [defaults.yml](../examples/deployments/defaults.yml), [existing-kms.yml](../examples/deployments/existing-kms.yml), [gpu.yml](../examples/deployments/gpu.yml).',
    ].join('\n'),
    ...sections,
  ].join('\n\n')}\n`;
}

function row(name: ParameterName): string {
  const facts = factsOf(name);
  return `| \`${name}\` | ${cell(typeText(facts))} | ${defaultText(facts)} | ${cell(facts.description)} |`;
}

function typeText({ type, wanted, enum: values }: ParameterFacts): string {
  if (values !== undefined && type === 'string') return values.filter((value) => value !== '').map((value) => `\`${value}\``).join(', ');
  if (type === 'array') return `list: ${wanted}`;
  if (type === 'string') return `text: ${wanted}`;
  return wanted;
}

function defaultText({ default: normal }: ParameterFacts): string {
  return normal === '' || (Array.isArray(normal) && normal.length === 0) ? '' : `\`${String(normal)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
