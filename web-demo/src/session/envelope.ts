// How the session API answers: `{ ok, data }` or `{ ok, error }`. Must not know routes.

import { isFields, textField } from './fields';
import { authorization } from './headers';
import type { Network } from './network';

/** Whom to ask, and as whom. */
export interface Api {
  readonly network: Network;
  readonly base: string;
  readonly token: string | null;
}

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

export function request({ network, base, token }: Api, path: string, method = 'GET'): Promise<Response> {
  return network.fetch(`${base}${path}`, { method, headers: authorization(token), cache: 'no-store' });
}

/** The `data` of a success; a failure is an `ApiError`. */
export async function ask(api: Api, path: string, method = 'GET'): Promise<unknown> {
  const response = await request(api, path, method);
  const body: unknown = await response.json().catch(() => null);
  const reply = isFields(body) ? body : {};
  if (!response.ok || reply['ok'] === false) throw refusal(response.status, reply['error']);
  return reply['data'];
}

export function refusal(status: number, error: unknown): ApiError {
  const said = isFields(error) ? error : {};
  return new ApiError(status, textField(said, 'code') ?? `HTTP_${status}`, textField(said, 'message') ?? `The server answered ${status}`);
}
