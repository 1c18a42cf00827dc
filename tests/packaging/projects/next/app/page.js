import { Watcher } from './watcher';

export default function Page() {
  return <Watcher />;
}
