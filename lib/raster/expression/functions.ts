/** The functions of the language: how many operands each takes, and which operation it stands for. */
import { type FocalStatistic, statisticNames } from '../focal/operation.ts';
import type { BinaryOperation, UnaryOperation } from './operations.ts';

interface Arity {
  readonly least: number;
  /** Infinity for lists of any length. */
  readonly most: number;
  /** The operands' names, for messages and the reference page. */
  readonly usage: string;
}

/** Functions of a pixel's neighbours: the first operand is an expression, the others are constants or the name of a kernel. */
type FocalMeaning =
  | { readonly kind: 'statistic'; readonly statistic: FocalStatistic }
  | { readonly kind: 'convolve' | 'aspect' | 'hillshade' }
  | { readonly kind: 'slope'; readonly percent: boolean };

type PixelMeaning =
  | { readonly kind: 'unary'; readonly operation: UnaryOperation }
  | { readonly kind: 'binary'; readonly operation: BinaryOperation }
  /** min(a, b, c) is min(min(a, b), c). */
  | { readonly kind: 'chain'; readonly operation: BinaryOperation }
  | { readonly kind: 'clamp' | 'where' | 'isnodata' | 'coalesce' };

export type FocalFunction = Arity & FocalMeaning;
export type PixelFunction = Arity & PixelMeaning;
export type LanguageFunction = FocalFunction | PixelFunction;

function unary(operation: UnaryOperation): LanguageFunction {
  return { kind: 'unary', operation, least: 1, most: 1, usage: 'x' };
}

function statistic(name: FocalStatistic): [string, LanguageFunction] {
  return [`focal_${name}`, { kind: 'statistic', statistic: name, least: 2, most: 3, usage: 'x, size or x, columns, rows' }];
}

export function isFocal(called: LanguageFunction): called is FocalFunction {
  return ['statistic', 'convolve', 'slope', 'aspect', 'hillshade'].includes(called.kind);
}

export const languageFunctions: ReadonlyMap<string, LanguageFunction> = new Map<string, LanguageFunction>([
  ['min', { kind: 'chain', operation: 'minimum', least: 2, most: Infinity, usage: 'x, y, …' }],
  ['max', { kind: 'chain', operation: 'maximum', least: 2, most: Infinity, usage: 'x, y, …' }],
  ['clamp', { kind: 'clamp', least: 3, most: 3, usage: 'x, low, high' }],
  ['where', { kind: 'where', least: 3, most: 3, usage: 'condition, x, y' }],
  ['isnodata', { kind: 'isnodata', least: 1, most: 1, usage: 'x' }],
  ['coalesce', { kind: 'coalesce', least: 2, most: Infinity, usage: 'x, y, …' }],
  ['isnan', unary('isnan')],
  ['abs', unary('abs')],
  ['sign', unary('sign')],
  ['floor', unary('floor')],
  ['ceil', unary('ceil')],
  ['trunc', unary('trunc')],
  ['round', unary('round')],
  ['sqrt', unary('sqrt')],
  ['exp', unary('exp')],
  ['log', unary('log')],
  ['log2', unary('log2')],
  ['log10', unary('log10')],
  ['sin', unary('sin')],
  ['cos', unary('cos')],
  ['tan', unary('tan')],
  ['asin', unary('asin')],
  ['acos', unary('acos')],
  ['atan', unary('atan')],
  ['pow', { kind: 'binary', operation: 'power', least: 2, most: 2, usage: 'x, y' }],
  ['atan2', { kind: 'binary', operation: 'atan2', least: 2, most: 2, usage: 'y, x' }],
  ...statisticNames.map(statistic),
  ['convolve', { kind: 'convolve', least: 2, most: 2, usage: 'x, kernel' }],
  ['slope', { kind: 'slope', percent: false, least: 1, most: 2, usage: 'x, scale' }],
  ['slope_percent', { kind: 'slope', percent: true, least: 1, most: 2, usage: 'x, scale' }],
  ['aspect', { kind: 'aspect', least: 1, most: 1, usage: 'x' }],
  ['hillshade', { kind: 'hillshade', least: 1, most: 5, usage: 'x, azimuth, altitude, z, scale' }],
]);
