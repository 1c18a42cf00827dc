// Opens a page in a browser of the system, without a driver: pages report over HTTP what they see.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export type BrowserName = 'Chromium' | 'Firefox' | 'WebKitGTK'

interface Kind {
  programs: string[]
  args(profile: string, url: string): string[]
  /** Files that a fresh profile needs. */
  profile: Record<string, string>
}

// Nothing but our page is to be asked for.
const FIREFOX_PREFERENCES = `
user_pref('browser.shell.checkDefaultBrowser', false);
user_pref('datareporting.policy.dataSubmissionEnabled', false);
user_pref('app.update.enabled', false);
user_pref('network.captive-portal-service.enabled', false);
user_pref('network.connectivity-service.enabled', false);
user_pref('toolkit.startup.max_resumed_crashes', -1);
`

const KINDS: Record<BrowserName, Kind> = {
  Chromium: {
    programs: [process.env['CHROMIUM'] ?? '', 'chromium', 'chromium-browser', 'google-chrome'],
    args: (profile, url) => ['--headless', '--no-sandbox', '--no-first-run', '--disable-gpu', '--remote-debugging-port=0', `--user-data-dir=${profile}`, url],
    profile: {},
  },
  Firefox: {
    programs: ['firefox-esr', 'firefox'],
    args: (profile, url) => ['--headless', '--no-remote', '--profile', profile, url],
    profile: { 'user.js': FIREFOX_PREFERENCES },
  },
  // Debian's own little browser; it wants a screen.
  WebKitGTK: {
    programs: ['xvfb-run'],
    args: (_profile, url) => ['--auto-servernum', MINI_BROWSER, '--private', url],
    profile: {},
  },
}

const MINI_BROWSER = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser'

/** WebKitGTK is tested where it is installed, and installed nowhere for that. */
export const hasWebKit = existsSync(MINI_BROWSER) && candidates(['xvfb-run']).some((path) => existsSync(path))

/** Opens `url`, and closes the browser when `work` is over. */
export async function inBrowser<T>(name: BrowserName, url: string, work: () => Promise<T>): Promise<T> {
  const { programs, args, profile: files } = KINDS[name]
  const profile = mkdtempSync(join(tmpdir(), 'durable-sessions-browser-'))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(profile, file), text)
  // A group of its own: browsers have children.
  const child = spawn(onPath(programs), args(profile, url), { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-4000)))
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${said}`)))
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL')
  }
  process.once('exit', kill)
  try {
    return await Promise.race([work(), failed])
  } finally {
    kill()
    await ended
    process.off('exit', kill)
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

function candidates(names: readonly string[]): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return names.filter((name) => name !== '').flatMap((name) => (name.includes('/') ? [name] : folders.map((folder) => join(folder, name))))
}

function onPath(names: readonly string[]): string {
  const found = candidates(names).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`no ${names.filter(Boolean).join(' or ')} found: run \`cargo xtask setup\``)
  return found
}
