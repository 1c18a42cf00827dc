// A fresh project: its committed files in a directory of its own, the packed tarball installed.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { tarball, templates, workshop } from './paths.ts'

export class Project {
  readonly dir: string

  private constructor(readonly name: string) {
    this.dir = join(workshop, name)
  }

  static async create(name: string): Promise<Project> {
    const project = new Project(name)
    const { dir } = project
    rmSync(dir, { recursive: true, force: true })
    mkdirSync(dir, { recursive: true })
    cpSync(join(templates, name), dir, { recursive: true })
    cpSync(join(templates, 'shared'), dir, { recursive: true })
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: `uses-durable-sessions-in-${name}`, private: true, type: 'module' }))
    // It depends on nothing, so no registry has to be asked.
    await command('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: dir })
    return project
  }

  /** Runs a tool that is installed above, in this project. */
  async node(script: string, ...args: string[]): Promise<string> {
    return command(process.execPath, [script, ...args], { cwd: this.dir, env: { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' } })
  }

  tool(path: string): string {
    return join(workshop, 'node_modules', path)
  }
}
