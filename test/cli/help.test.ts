/** docs/command-line.md and the commands' own help say the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { runCli } from '../support/cli.ts';

// Catches: a command or an option that was added or renamed without the page.
void it('every command and option is on the page', async () => {
  const page = readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8');
  const { stdout } = await runCli(['--help']);
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) (?:\[options\]|<| )/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
  assert.ok(commands.length >= 15, commands.join(' '));
  for (const command of commands) {
    assert.match(page, new RegExp(`^\\| \`${command}\\b`, 'm'), command);
    const help = await runCli([command, '--help']);
    assert.equal(help.exitCode, 0);
    for (const [, option = ''] of help.stdout.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)) {
      if (option !== 'help') assert.ok(new RegExp(`--${option}\\b(?!-)`).test(page), `${command} --${option}`);
    }
  }
});
