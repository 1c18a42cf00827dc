// The tarball as `npm publish` would send it. Must not know what is in it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Packed {
  /** Name of the tarball in the directory asked for. */
  filename: string;
  /** Paths of the files in it. */
  files: string[];
}

export async function pack(directory: string): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: new URL('..', import.meta.url).pathname });
  const answer = JSON.parse(stdout) as unknown;
  // npm 12 answers with an object by name.
  const [entry] = (Array.isArray(answer) ? answer : Object.values(answer as object)) as { filename: string; files: { path: string }[] }[];
  if (entry === undefined) {
    throw new Error(`npm pack said nothing of a tarball: ${stdout}`);
  }
  return { filename: entry.filename, files: entry.files.map(({ path }) => path) };
}
