/** Placeholders of commands, and what is found wrong with a command before anything runs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';
import { checkCommand, inputsOf, programOf, requirementOf } from '../../../lib/code/command/check-command.ts';
import { fillTemplate, parseTemplate } from '../../../lib/code/command/template.ts';

const names = { inputs: ['scene', 'dem'], outputs: ['clean'], parameters: ['gain', 'title', 'list'] };
const values = {
  input: (name: string) => `/s/input/${name}.tif`,
  output: (name: string) => `/s/output/${name}.tif`,
  parameters: { gain: 0.25, title: 'two words {gain}', list: [1, true, null] },
  scratch: '/s',
  column: 3,
  row: 2,
};

function filled(argument: string): string {
  const { parts, problems } = parseTemplate(argument, names);
  assert.deepEqual(problems, []);
  return fillTemplate(parts, values);
}

describe('arguments of a command', () => {
  // Catches: a placeholder that is filled twice, JSON that is quoted, text between placeholders that is lost.
  void it('are filled', () => {
    assert.equal(filled('{input.scene}'), '/s/input/scene.tif');
    assert.equal(filled('--calc=A*{parameter.gain}+{column}/{row}'), '--calc=A*0.25+3/2');
    assert.equal(filled('{parameter.title}'), 'two words {gain}', 'a value is not filled itself');
    assert.equal(filled('{parameter.list}'), '[1,true,null]');
    assert.equal(filled('{scratch}/a-{column}.txt:{output.clean}'), '/s/a-3.txt:/s/output/clean.tif');
    assert.equal(filled("{{print $1}} {{{input.dem}}} {{{{}}}}"), '{print $1} {/s/input/dem.tif} {{}}');
    assert.equal(filled(''), '');
  });

  // Catches: any character that means something to the parser and shouldn't.
  void it('are what they say when their braces are doubled', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('{', '}', 'a', '.', ' ', '$', '"', '\\', '\n', 'é') }), (text) => assert.equal(filled(text.replaceAll('{', '{{').replaceAll('}', '}}')), text)));
  });
});

describe('a command is checked before anything runs', () => {
  function problemsOf(command: readonly string[]): string[] {
    return checkCommand(command, ['scene', 'dem'], ['clean'], { gain: 1, zero: 'a\0b', tool: '/opt/tool' }).map(({ path, message }) => `${path} ${message}`);
  }

  void it('and nothing is said against a good one', () => {
    assert.deepEqual(problemsOf(['gdal_sieve.py', '-st', '{parameter.gain}', '{input.scene}', '{output.clean}']), []);
    assert.deepEqual(problemsOf(['{parameter.tool}', '{output.clean}']), []);
    assert.equal(programOf(['{parameter.tool}', '{output.clean}'], { tool: '/opt/tool' }), '/opt/tool');
    assert.equal(requirementOf(['gdal_sieve.py', '{output.clean}'], {}), 'program:gdal_sieve.py');
    assert.deepEqual(inputsOf(['p', '-a={input.dem},{input.dem}', '{{input.scene}}', '{output.clean}'], ['scene', 'dem']), ['dem'], 'inputs that it names are written for it, others not');
  });

  // Catches: a typing error that shows only when ten thousand tiles fail.
  void it('and every problem is named with its place', () => {
    const cases: readonly [readonly string[], RegExp][] = [
      [['p', '{input.scnee}', '{output.clean}'], /^\$\.operation\.command\[1\] has \{input\.scnee\}.*did you mean \{input\.scene\}\?/],
      [['p', '{scene}', '{output.clean}'], /command\[1\] has \{scene\}, which stands for nothing: .*\{input\.scene\}/],
      [['p', '{print $1}', '{output.clean}'], /write \{\{print \$1\}\}/],
      [['p', 'a{', '{output.clean}'], /command\[1\] has a \{ without its partner: write \{\{/],
      [['p', 'a}', '{output.clean}'], /command\[1\] has a \} without its partner: write \}\}/],
      [['p', '{input.scene}'], /^\$\.operation\.command never writes the output clean: wanted \{output\.clean\}/],
      [['{input.scene}', '{output.clean}'], /command\[0\] is the program, which is the same for every tile/],
      [['', '{output.clean}'], /command\[0\] is empty/],
      [['./tool', '{output.clean}'], /command\[0\] is the relative path \.\/tool/],
      [['p', 'a\0b', '{output.clean}'], /command\[1\] has a NUL character/],
      [['p', '{parameter.zero}', '{output.clean}'], /parameter zero, whose value has a NUL/],
    ];
    for (const [command, wanted] of cases) {
      const problems = problemsOf(command);
      assert.equal(problems.length, 1, `${JSON.stringify(command)}: ${problems.join('; ')}`);
      assert.match(problems[0] ?? '', wanted);
    }
    assert.match(problemsOf(['gdal_sieve.py a b']).join('\n'), /is a whole command line: wanted one item for each word.*no shell/);
    assert.match(problemsOf([]).join('\n'), /is empty: wanted a program and its arguments/);
  });
});
