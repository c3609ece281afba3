/** Templates that are there without being uploaded. One of the same name in the bucket replaces such a template. */
import photos from '../../examples/photos/template.json' with { type: 'json' };

const builtIn: ReadonlyMap<string, unknown> = new Map([['photos', photos]]);

/** What they are called. */
export const builtInNames: readonly string[] = [...builtIn.keys()];

/**
 * The template that stands for one that isn't there; undefined where there is none of its name.
 * @param href `<inbox>templates/<name>.json`
 */
export function builtInTemplate(href: string): unknown {
  const name = /\/templates\/([^/]+)\.json$/.exec(href)?.[1];
  return name === undefined ? undefined : builtIn.get(name);
}
