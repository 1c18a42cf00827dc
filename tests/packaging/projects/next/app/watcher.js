'use client';

// Rendered on the server as well, where importing has to do nothing.
import { DurableStreamsClient } from 'durable-sessions';
import { useEffect, useRef } from 'react';
import { page } from '../page.js';

export function Watcher() {
  const started = useRef(false);
  useEffect(() => {
    if (!started.current) {
      started.current = true;
      void page(DurableStreamsClient);
    }
  }, []);
  return <p>{`rendered with ${DurableStreamsClient.name === '' ? 'no client' : 'a client'}`}</p>;
}
