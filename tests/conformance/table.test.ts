// The table of docs/protocol-conformance.md names tests that exist.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { repository } from './harness/paths.ts'

const table = readFileSync(join(repository, 'docs/protocol-conformance.md'), 'utf8')
const suitePackage = createRequire(import.meta.url).resolve('@durable-streams/server-conformance-tests/package.json')
const suite = readFileSync(join(dirname(suitePackage), 'src/index.ts'), 'utf8')

/** References such as `rules: name of a test`, without the words that explain the notation. */
const named = [...table.matchAll(/`(suite(?: group)?|rules|interop\.\w+|(?:crates|tests)\/[\w/.-]+\.rs): ([^`]+)`/g)]
  .map((reference) => ({ where: reference[1] ?? '', name: reference[2] ?? '' }))
  .filter(({ name }) => name !== '…')

test('every test that the table names exists', () => {
  expect(named.length).toBeGreaterThan(100)
  const missing = named.filter(({ where, name }) => !exists(where, name))
  expect(missing).toEqual([])
})

function exists(where: string, name: string): boolean {
  if (where.endsWith('.rs')) {
    return new RegExp(`\\bfn ${name}\\b`).test(readFileSync(join(repository, where), 'utf8'))
  }
  if (where.startsWith('suite')) return suite.includes(`\`${name}`)
  return readFileSync(join(repository, 'tests/conformance', `${where}.test.ts`), 'utf8').includes(`'${name}'`)
}
