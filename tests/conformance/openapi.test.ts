// The HTTP surface against its own description: whatever is sent, no answer is a 5xx and none is undescribed.
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { withServer } from './harness/world.ts'

/** Live answers end soon, so that a request for one does. */
const SSE_MAX_AGE_MS = 200
const LIMIT_MS = 600_000

const server = withServer({
  // The memory engine makes no backups, which is a 503.
  engine: 'embedded',
  access: 'token',
  longPollTimeoutMs: 200,
  sseMaxAgeMs: SSE_MAX_AGE_MS,
})

/** What may not happen. What negative data is refused for is not among it: unknown parameters are ignored on purpose. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
]

function schemathesis(): Promise<{ code: number | null; output: string }> {
  const arguments_ = [
    'run',
    `${server().url}/api/openapi.json`,
    ...['--checks', CHECKS.join(',')],
    ...['--phases', 'examples,coverage,fuzzing'],
    ...['--max-examples', '40'],
    ...['--seed', '1'],
    ...['--request-timeout', '20'],
    // Sessions it has never created are what most random ids name; those are answers too.
    ...['--suppress-health-check', 'all'],
    '--no-color',
    ...Object.entries(server().headers).flatMap(([name, value]) => ['--header', `${name}:${value}`]),
  ]
  return new Promise((resolve, reject) => {
    const child = spawn('schemathesis', arguments_, { cwd: server().directory, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => (output = (output + text.toString()).slice(-200_000)))
    }
    child.once('error', (why) =>
      reject(new Error(`schemathesis does not start (cargo xtask setup installs it): ${why.message}`)),
    )
    child.once('close', (code) => resolve({ code, output }))
  })
}

test('every answer is one that the document describes', { timeout: LIMIT_MS }, async () => {
  const { code, output } = await schemathesis()
  expect(code, output).toBe(0)
  // Something was asked, and nothing of it failed.
  expect(output).toMatch(/[1-9]\d* generated, [1-9]\d* passed/)
})
