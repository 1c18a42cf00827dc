// The demo page in the system's Firefox, driven over WebDriver.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Builder, type WebDriver } from 'selenium-webdriver'
import { Options, ServiceBuilder } from 'selenium-webdriver/firefox.js'
import { until } from '../../harness/condition.ts'
import type { Collected } from './page.ts'
import { repository } from './paths.ts'

export class FirefoxPage {
  private constructor(private readonly driver: WebDriver) {}

  static async open(url: string): Promise<FirefoxPage> {
    const options = new Options().addArguments('-headless').setBinary(onPath('firefox-esr', 'firefox'))
    const driver = await new Builder()
      .forBrowser('firefox')
      .setFirefoxOptions(options)
      .setFirefoxService(new ServiceBuilder(onPath('geckodriver')))
      .build()
    await driver.get(url)
    return new FirefoxPage(driver)
  }

  /** Runs the body of a function in the page. */
  async run<T>(body: string): Promise<T> {
    return this.driver.executeScript<T>(body)
  }

  async collected(): Promise<Collected> {
    return this.driver.executeScript<Collected>(
      'return window.__durableSessions ?? { events: [], errors: [], state: "disconnected" }',
    )
  }

  async receives(events: number): Promise<void> {
    await until(`Firefox has received ${events} events`, async () => (await this.collected()).events.length >= events)
  }

  async reload(): Promise<void> {
    await this.driver.navigate().refresh()
  }

  async close(): Promise<void> {
    await this.driver.quit()
  }
}

/** The first of these programs, on the PATH or among the tools of this checkout. */
function onPath(...names: string[]): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(repository, 'target/tools/bin')]
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const found = candidates.find((path) => existsSync(path))
  if (found === undefined) throw new Error(`no ${names.join(' or ')} found: run \`cargo xtask setup\``)
  return found
}
