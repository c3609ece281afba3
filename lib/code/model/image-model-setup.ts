/** How a model is applied to images: what a job says in `operation.model` and `imageLimits`, as it reaches the process that runs it. */
import type { ImageLimits } from '../../images/image-limits.ts';
import type { ModelLayout } from './model-setup.ts';

/** What is made of the model's answer. */
export interface PredictionSetup {
  readonly activation: 'none' | 'softmax' | 'sigmoid';
  /** Names of the classes in their order; null: they have none. */
  readonly labels: readonly string[] | null;
  /** Only so many classes, the best first; undefined: all of them, in the model's order. */
  readonly top?: number | undefined;
}

/** What the process that runs the model gets: but for where the files came from. */
export interface ImageModelSetup extends PredictionSetup {
  /** Pixels of what the model sees; undefined: the model's own. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly fit: 'cover' | 'contain' | 'fill' | 'inside';
  /** 1 is grey, 3 red, green and blue. */
  readonly channels: 1 | 3;
  /** The model sees (value * scale - mean) / std, of samples from 0 to 255: one number, or one a channel. */
  readonly scale: number | readonly number[];
  readonly mean: number | readonly number[];
  readonly std: number | readonly number[];
  readonly layout?: ModelLayout | undefined;
  /** Of `cover`: what the shorter side is scaled to before the centre is cropped. */
  readonly resize?: number | undefined;
  /** Of three channels. */
  readonly order: 'rgb' | 'bgr';
  /** The model's input and output; undefined: its only ones. */
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** Images at once; undefined: as many as the model wants, or 1. */
  readonly batch?: number | undefined;
  /** What an image may cost. */
  readonly limits: ImageLimits;
}
