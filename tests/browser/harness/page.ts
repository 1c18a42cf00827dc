// The demo page in the system's Chromium, and what it collected.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium as playwright, type BrowserContext, type Page } from 'playwright-core'
import { until } from '../../harness/condition.ts'
import { chromium } from './paths.ts'

/** What the page exposes with `?e2e=1`: web-demo documents it. */
export interface Collected {
  events: ReceivedEvent[]
  errors: { code: string; message: string }[]
  state: string
}

export interface ReceivedEvent {
  channel: string
  type: string
  id: string
  offset: number
  cursor: string | null
  data: Record<string, unknown>
}

export class DemoPage {
  readonly console: string[] = []

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async open(url: string): Promise<DemoPage> {
    const context = await playwright.launchPersistentContext(mkdtempSync(join(tmpdir(), 'durable-sessions-chromium-')), {
      executablePath: chromium(),
      headless: true,
      viewport: { width: 1440, height: 900 },
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
    const page = context.pages()[0] ?? (await context.newPage())
    const opened = new DemoPage(context, page)
    page.on('console', (message) => opened.console.push(`${message.type()}: ${message.text()}`))
    page.on('pageerror', (error) => opened.console.push(`uncaught: ${error.message}`))
    await page.goto(url)
    return opened
  }

  /** Runs the body of a function in the page. */
  async run<T>(body: string): Promise<T> {
    return this.page.evaluate<T>(`(() => { ${body} })()`)
  }

  async collected(): Promise<Collected> {
    return this.page.evaluate(() => {
      const exposed = (globalThis as unknown as { __durableSessions?: Collected }).__durableSessions
      return exposed ?? { events: [], errors: [], state: 'disconnected' }
    })
  }

  async count(): Promise<number> {
    return this.page.evaluate(
      () => (globalThis as unknown as { __durableSessions?: Collected }).__durableSessions?.events.length ?? 0,
    )
  }

  /** Waits until the page has received at least `events`. */
  async receives(events: number): Promise<void> {
    await until(`the page has received ${events} events`, async () => (await this.count()) >= events)
  }

  async close(): Promise<void> {
    await this.context.close()
  }
}
