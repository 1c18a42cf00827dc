// Makes the JavaScript of dist small, module by module: short forms, and short names for members that are nobody's business.
// Names of variables and lines are left to the bundlers of those who use it; source maps lead back to src.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { minify } from 'terser';

/** Members that modules of the package have for each other. A name that is also in the public interface does not belong here. */
const INTERNAL = ['baseUrl', 'feed', 'greet', 'nextKind', 'onBatchEnd', 'presenceSeat', 'reached', 'seat', 'seen', 'settled', 'subscribers', 'tell', 'trapped', 'trying', 'uncounted', 'unfollowed', 'untouched'];

const read = (paths) => paths.map((path) => readFileSync(path, 'utf8')).join('\n');

/** Throws for a member that cannot be renamed: the reports of the public interface have it, or a module has its name as a text. */
function checkNames(reports, modules) {
  const [api, code] = [read(reports), read(modules)];
  const not = INTERNAL.filter((name) => new RegExp(`\\b${name}\\b`).test(api) || new RegExp(`(['"\`])${name}\\1`).test(code));
  if (not.length > 0) {
    throw new Error(`scripts/minify.mjs cannot rename ${not.join(', ')}: public, or used as a text`);
  }
}

export async function minifyDist(pkg) {
  const dist = join(pkg, 'dist');
  // What tsc has just written: the glue of the wasm has its own way, and has no map.
  const files = readdirSync(dist, { recursive: true }).map(String).filter((name) => name.endsWith('.js') && existsSync(join(dist, `${name}.map`)));
  const api = join(pkg, 'api');
  checkNames(readdirSync(api).map((name) => join(api, name)), files.map((name) => join(dist, name)));
  // One table, so that all modules have the same names.
  const nameCache = {};
  for (const file of files.sort()) {
    const path = join(dist, file);
    const { code, map } = await minify(readFileSync(path, 'utf8'), {
      module: true,
      ecma: 2020,
      nameCache,
      // Directives are kept: frameworks read that of the React entry.
      compress: { directives: false, passes: 2, unsafe_arrows: true, pure_getters: true },
      mangle: { keep_classnames: true, keep_fnames: true, properties: { regex: new RegExp(`^(${INTERNAL.join('|')})$`) } },
      format: { beautify: true, indent_level: 1 },
      sourceMap: { content: readFileSync(`${path}.map`, 'utf8'), filename: basename(file), url: `${basename(file)}.map`, includeSources: true },
    });
    writeFileSync(path, code);
    writeFileSync(`${path}.map`, typeof map === 'string' ? map : JSON.stringify(map));
  }
}
