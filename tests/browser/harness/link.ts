// The network between page and server: a TCP relay that can be cut, also in the middle of a frame.
import { createServer, connect, type Server as Listener, type Socket } from 'node:net'

export class Link {
  readonly #sockets = new Set<Socket>()
  #down = false
  #cutAfterBytes: number | undefined
  /** Cuts that `cutAfter` has made. */
  cutsMidway = 0
  /** Connections that came in, refused ones included: what the page tried. */
  attempts = 0

  readonly #listener: Listener

  private constructor(
    readonly port: number,
    listener: Listener,
  ) {
    this.#listener = listener
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  static async to(port: number): Promise<Link> {
    let link: Link | undefined
    const listener = createServer((near) => link?.accept(near, port))
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const address = listener.address()
    if (address === null || typeof address === 'string') throw new Error('no address')
    link = new Link(address.port, listener)
    return link
  }

  /** Drops every connection and refuses new ones. */
  cut(): void {
    this.#down = true
    for (const socket of this.#sockets) socket.destroy()
  }

  restore(): void {
    this.#down = false
  }

  /** Lets so many more bytes through to the page, then drops every connection; new ones work. */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#listener.close(resolve))
  }

  private accept(near: Socket, port: number): void {
    this.attempts += 1
    if (this.#down) {
      near.destroy()
      return
    }
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (bytes) => far.write(bytes))
    far.on('data', (bytes: Buffer) => this.#forward(bytes, near))
  }

  #forward(bytes: Buffer, near: Socket): void {
    if (this.#cutAfterBytes === undefined) {
      near.write(bytes)
      return
    }
    const allowed = bytes.subarray(0, this.#cutAfterBytes)
    this.#cutAfterBytes -= allowed.length
    if (this.#cutAfterBytes > 0) {
      near.write(allowed)
      return
    }
    this.#cutAfterBytes = undefined
    this.cutsMidway += 1
    // What was let through arrives before the end does.
    near.write(allowed, () => {
      for (const socket of this.#sockets) socket.destroy()
    })
  }
}
