// A server's own use of the client.
import { DurableStreamsClient } from 'durable-sessions';
import { watch } from '../../../watch.js';

export const dynamic = 'force-dynamic';

export async function GET(request) {
  const { searchParams } = new URL(request.url);
  return Response.json(await watch(DurableStreamsClient, { site: searchParams.get('site'), run: searchParams.get('run'), place: 'route' }));
}
