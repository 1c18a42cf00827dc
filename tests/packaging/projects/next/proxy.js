// A policy for each answer, with a nonce that Next.js finds in the request and puts on its own scripts. What the package
// needs of it is 'wasm-unsafe-eval' and the server in connect-src.
import { NextResponse } from 'next/server';

export function proxy(request) {
  const nonce = Buffer.from(crypto.randomUUID()).toString('base64');
  const { CONNECT_SRC, REPORT_URI } = process.env;
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' 'nonce-${nonce}'`,
    // Browsers look for an icon.
    "img-src 'self'",
    `connect-src 'self' ${CONNECT_SRC}`,
    `report-uri ${REPORT_URI}`,
    ...(request.nextUrl.pathname === '/trusted' ? ["require-trusted-types-for 'script'"] : []),
  ].join('; ');
  const headers = new Headers(request.headers);
  headers.set('content-security-policy', policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set('content-security-policy', policy);
  return response;
}
