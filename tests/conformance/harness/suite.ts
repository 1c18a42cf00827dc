// The public conformance suite for servers, run against one engine of the release binary.
import { runConformanceTests } from '@durable-streams/server-conformance-tests'
import { beforeAll, describe } from 'vitest'
import type { Engine } from './server.ts'
import { withServer } from './world.ts'

/** Whether the binary has the subscription API (`__ds`); without it the suite's tests of that API are skipped. */
export const HAS_SUBSCRIPTIONS = true

/** Short, since the suite waits for it to pass; long enough for what it does meanwhile on a busy machine. */
const LONG_POLL_TIMEOUT_MS = 1_000

export function conforms(engine: Engine): void {
  describe(`the ${engine} engine`, () => {
    const server = withServer({ engine, access: 'everybody', longPollTimeoutMs: LONG_POLL_TIMEOUT_MS })
    // The suite reads the URL when its tests run.
    const options = { baseUrl: '', longPollTimeoutMs: LONG_POLL_TIMEOUT_MS, subscriptions: HAS_SUBSCRIPTIONS }
    beforeAll(() => {
      options.baseUrl = server().url
    })

    runConformanceTests(options)
  })
}
