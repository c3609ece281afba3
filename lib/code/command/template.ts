/** The arguments of a command: text with placeholders in braces, which each tile fills anew. Nothing is split or interpreted any further. */
import { nearestName } from '../../base/nearest.ts';
import type { Json } from '../code-setup.ts';

/** What an argument is made of. */
type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'input' | 'output' | 'parameter'; readonly name: string }
  | { readonly kind: 'scratch' | 'column' | 'row' };

export type Template = readonly Part[];

/** The names that placeholders may have. */
export interface TemplateNames {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly parameters: readonly string[];
}

/** Placeholders without a name of the job's in them. */
const bare = ['scratch', 'column', 'row'] as const;

/** A pair of braces twice, a placeholder, or a brace that is neither. */
const pattern = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

/**
 * Takes an argument apart.
 * @returns the parts, and what is wrong with it, each a sentence; with problems, the parts are of no use
 */
export function parseTemplate(argument: string, names: TemplateNames): { readonly parts: Template; readonly problems: readonly string[] } {
  const parts: Part[] = [];
  const problems: string[] = [];
  let text = '';
  let at = 0;
  for (const match of argument.matchAll(pattern)) {
    text += argument.slice(at, match.index);
    at = match.index + match[0].length;
    if (match[0] === '{{' || match[0] === '}}') {
      text += match[0].charAt(0);
    } else if (match[1] === undefined) {
      problems.push(`has a ${match[0]} without its partner: write ${match[0]}${match[0]} for the character itself`);
    } else {
      if (text !== '') parts.push({ kind: 'text', text });
      text = '';
      const part = placeholder(match[1], names);
      if (typeof part === 'string') problems.push(part);
      else parts.push(part);
    }
  }
  text += argument.slice(at);
  if (text !== '') parts.push({ kind: 'text', text });
  return { parts, problems };
}

/** The part that a placeholder is, or what is wrong with it. */
function placeholder(content: string, names: TemplateNames): Part | string {
  const known = placeholders(names);
  const plain = bare.find((kind) => kind === content);
  if (plain !== undefined) return { kind: plain };
  const [, kind, name = ''] = /^(input|output|parameter)\.(.*)$/.exec(content) ?? [];
  if ((kind === 'input' || kind === 'output' || kind === 'parameter') && known.includes(content)) return { kind, name };
  const nearest = nearestName(content, known);
  const meant = nearest === undefined ? `wanted one of ${known.map((each) => `{${each}}`).join(', ')}.` : `did you mean {${nearest}}?`;
  return `has {${content}}, which stands for nothing: ${meant} For the braces themselves, write {{${content}}}`;
}

function placeholders({ inputs, outputs, parameters }: TemplateNames): string[] {
  return [...inputs.map((name) => `input.${name}`), ...outputs.map((name) => `output.${name}`), ...parameters.map((name) => `parameter.${name}`), ...bare];
}

/** What a tile puts into the placeholders. */
export interface TemplateValues {
  /** Paths of files. */
  readonly input: (name: string) => string;
  readonly output: (name: string) => string;
  readonly parameters: Readonly<Record<string, Json>>;
  readonly scratch: string;
  /** The tile's place among the tiles, 0-based. */
  readonly column: number;
  readonly row: number;
}

export function fillTemplate(template: Template, values: TemplateValues): string {
  return template.map((part) => fillPart(part, values)).join('');
}

function fillPart(part: Part, values: TemplateValues): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'input':
      return values.input(part.name);
    case 'output':
      return values.output(part.name);
    case 'parameter':
      return parameterText(values.parameters[part.name] ?? null);
    case 'scratch':
      return values.scratch;
    default:
      return String(values[part.kind]);
  }
}

/** A parameter as an argument: text as it is, all else as JSON writes it. */
export function parameterText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
