// Waiting for conditions, never for time: for all packages of tests. Must not know what is waited for.

/** Polls until `probe` returns something, and says what was awaited when it never does. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 120_000,
): Promise<T> {
  const deadline = Date.now() + deadlineMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      last = undefined
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`, { cause: last })
    await new Promise((wake) => setTimeout(wake, 25))
  }
}
