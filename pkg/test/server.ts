// A real HTTP server on the loopback that streams a scripted session. Must not know the client.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestServer {
  url: string;
  close(): Promise<void>;
}

/** Serves `files` by path, and `sse` on every session's stream. */
export async function serve(sse: string, files: (path: string) => { type: string; body: Uint8Array | string } | null = () => null): Promise<TestServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname.startsWith('/v1/stream/')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse);
      return;
    }
    const file = files(pathname);
    if (file === null) {
      response.writeHead(404).end();
    } else {
      response.writeHead(200, {
        'content-type': file.type,
        // What the README says a policy needs, and nothing more.
        'content-security-policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
      });
      response.end(file.body);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
