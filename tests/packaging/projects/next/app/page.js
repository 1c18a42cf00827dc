import { Watcher } from './watcher';

// A nonce is for one answer.
export const dynamic = 'force-dynamic';

export default function Page() {
  return <Watcher />;
}
