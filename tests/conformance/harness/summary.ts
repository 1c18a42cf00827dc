// What the public suite said of each engine, in one line each; a suite that lost tests on the way is a failure.
import type { Reporter, TestModule } from 'vitest/node'

/** Tests in @durable-streams/server-conformance-tests 0.3.6: 332 of the core, 6 of subscriptions. */
const SUITE_TESTS = 338

export default class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      const engine = /conformance\.(\w+)\.test\.ts$/.exec(module.moduleId)?.[1]
      if (engine === undefined) continue
      const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
      for (const test of module.children.allTests()) count[test.result().state] += 1
      const total = count.passed + count.failed + count.skipped + count.pending
      console.log(
        `conformance, ${engine} engine: ${count.passed} of ${SUITE_TESTS} passed, ` +
          `${count.failed} failed, ${count.skipped + count.pending} not run`,
      )
      if (total !== SUITE_TESTS) {
        console.error(`the suite has ${total} tests, not ${SUITE_TESTS}: harness/summary.ts expects another version`)
        process.exitCode = 1
      }
    }
  }
}
