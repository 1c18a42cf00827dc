// What the documents tell a reader to type works, on a server that asks for a token.
import { describe, expect, test } from 'vitest'
import { carryOut, examples } from './harness/examples.ts'
import { withServer } from './harness/world.ts'

const found = examples()

describe('the curl examples', () => {
  // The SSE answers end soon, and with them the scripts that follow a stream.
  const server = withServer({ engine: 'embedded', access: 'token', longPollTimeoutMs: 500, sseMaxAgeMs: 1_000 })

  test('are found', () => {
    expect(found.map(({ document }) => document)).toContain('README.md')
  })

  test.each(found)('of $document are accepted by the server', async (written) => {
    const run = await carryOut(written, server())
    expect(run.code, run.stderr + run.stdout).toBe(0)
    if (written.document === 'README.md') expectReadme(run.stdout)
  })
})

/** One event is written; it is read back as a page, and then as an SSE answer that says where it stands. */
function expectReadme(stdout: string): void {
  const event = { id: 'e1', type: 'chunk', timestamp: 1760000000000, data: { text: 'Hello' } }
  const [page = '', ...fields] = stdout.split(/\r?\n/).filter((line) => line !== '')
  expect(JSON.parse(page)).toEqual([event])

  const values = (name: string) =>
    fields.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim())
  expect(values('event').slice(0, 2)).toEqual(['data', 'control'])
  const [data = '', control = ''] = values('data')
  expect(JSON.parse(data)).toEqual([event])
  expect(JSON.parse(control)).toMatchObject({
    streamNextOffset: expect.stringMatching(/^\d+$/),
    streamCursor: expect.stringMatching(/^\d+$/),
    upToDate: true,
  })
}
