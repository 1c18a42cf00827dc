// Writes what each entry of the package exports to api/, so that a change of the public interface is seen in review.
// `--check` compares instead, which test/api.test.ts does; `npm run api` accepts a change.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const pkg = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const committed = join(pkg, 'api');
/** Report by file name, for every entry that has types. */
export function reports() {
  const { exports } = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
  const folder = mkdtempSync(join(tmpdir(), 'durable-sessions-api-'));
  try {
    const out = new Map();
    const main = declarations(exports['.'].types);
    for (const [entry, { types }] of Object.entries(exports)) {
      // `inline` and `slim` differ in where the wasm comes from, and in nothing else.
      if (types !== undefined && (entry === '.' || declarations(types) !== main)) {
        const name = entry === '.' ? 'durable-sessions' : entry.slice(2).replaceAll('/', '-');
        out.set(`${name}.api.md`, report(join(pkg, types), `${name}.api.md`, folder));
      }
    }
    return out;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function declarations(types) {
  return readFileSync(join(pkg, types), 'utf8').replace(/^\/\/.*$/gm, '').trim();
}

function report(types, reportFileName, folder) {
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: pkg,
      mainEntryPointFilePath: types,
      newlineKind: 'lf',
      apiReport: { enabled: true, reportFileName, reportFolder: folder, reportTempFolder: join(folder, 'temp') },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      compiler: { overrideTsconfig: { compilerOptions: { target: 'es2022', module: 'nodenext', moduleResolution: 'nodenext', lib: ['es2022', 'dom'], types: [], jsx: 'react-jsx', skipLibCheck: true }, files: [types] } },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        // Everything that is exported is public; comments are TypeScript's own kind.
        extractorMessageReporting: { default: { logLevel: 'none' }, 'ae-forgotten-export': { logLevel: 'none' } },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(pkg, 'package.json'),
  });
  const problems = [];
  const { errorCount } = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      if (message.logLevel === 'error') {
        problems.push(message.text);
      }
      message.handled = true;
    },
  });
  if (errorCount > 0) {
    throw new Error(`${basename(types)}: ${problems.join('\n')}`);
  }
  return readFileSync(join(folder, reportFileName), 'utf8');
}

/** The first line of each report that is not what is committed. */
function drift(fresh) {
  const known = new Map(readdirSync(committed).map((name) => [name, readFileSync(join(committed, name), 'utf8')]));
  return [...new Set([...known.keys(), ...fresh.keys()])].sort().flatMap((name) => {
    const [before, now] = [known, fresh].map((reports) => reports.get(name)?.split('\n') ?? []);
    const at = Array.from({ length: Math.max(before.length, now.length) }).findIndex((_, i) => before[i] !== now[i]);
    return at < 0 ? [] : [`api/${name}:${at + 1}\n- ${before[at] ?? ''}\n+ ${now[at] ?? ''}`];
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const fresh = reports();
  if (process.argv.includes('--check')) {
    const changes = drift(fresh);
    console.log(changes.length === 0 ? 'as committed' : `${changes.join('\n')}\nthe public interface has changed: if it is meant, run \`npm run api\` and commit`);
    process.exit(changes.length === 0 ? 0 : 1);
  }
  rmSync(committed, { recursive: true, force: true });
  mkdirSync(committed);
  for (const [name, text] of fresh) {
    writeFileSync(join(committed, name), text);
  }
  console.log([...fresh.keys()].join('\n'));
}
