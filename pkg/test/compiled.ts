// Runs the TypeScript compiler as an application would, on sources that are no part of this project's own check.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pkg = new URL('..', import.meta.url).pathname;

export class Application {
  readonly dir = mkdtempSync(join(tmpdir(), 'durable-sessions-app-'));

  constructor() {
    mkdirSync(join(this.dir, 'node_modules'));
    symlinkSync(pkg, join(this.dir, 'node_modules/durable-sessions'), 'dir');
    for (const name of ['@types', 'undici-types', 'zod', 'valibot', 'arktype']) {
      symlinkSync(join(pkg, 'node_modules', name), join(this.dir, 'node_modules', name), 'dir');
    }
    writeFileSync(join(this.dir, 'package.json'), '{"type":"module"}');
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.dir, name), text);
  }

  /** What the compiler complains of under `strict`, one line each; JavaScript goes beside the sources. */
  async compile(...names: string[]): Promise<string[]> {
    const options = {
      compilerOptions: { target: 'es2022', module: 'nodenext', lib: ['es2022', 'dom', 'dom.iterable'], types: ['node'], strict: true, declaration: false },
      files: names,
    };
    this.write('tsconfig.json', JSON.stringify(options));
    const tsc = join(pkg, 'node_modules/typescript/bin/tsc');
    return run(process.execPath, [tsc, '-p', this.dir, '--pretty', 'false']).then(
      () => [],
      (error: { stdout?: string }) => (error.stdout ?? String(error)).trim().split('\n'),
    );
  }

  async node(...args: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, args, { cwd: this.dir, timeout: 60_000 });
    return stdout;
  }

  dispose(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
