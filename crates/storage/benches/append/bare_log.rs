//! The yardstick: one file, appended to by one thread, one `fdatasync` for all that is pending. It checks
//! nothing, finds nothing again and keeps nothing in memory.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::oneshot;

type Pending = Vec<(Bytes, oneshot::Sender<()>)>;

#[derive(Default)]
struct Queue {
    pending: Mutex<(Pending, bool)>,
    arrived: Condvar,
}

pub(crate) struct BareLog {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl BareLog {
    pub(crate) fn create(path: &Path) -> Self {
        let file = File::create_new(path).unwrap();
        let queue = Arc::<Queue>::default();
        let theirs = Arc::clone(&queue);
        let thread = std::thread::spawn(move || write_groups(file, &theirs));
        Self { queue, thread: Some(thread) }
    }

    pub(crate) async fn append(&self, bytes: Bytes) {
        let (reply, answer) = oneshot::channel();
        self.queue.pending.lock().unwrap().0.push((bytes, reply));
        self.queue.arrived.notify_one();
        answer.await.unwrap();
    }
}

fn write_groups(mut file: File, queue: &Queue) {
    let mut buffer = Vec::new();
    let mut group = Vec::new();
    loop {
        {
            let mut pending = queue.pending.lock().unwrap();
            while pending.0.is_empty() && !pending.1 {
                pending = queue.arrived.wait(pending).unwrap();
            }
            if pending.0.is_empty() {
                return;
            }
            std::mem::swap(&mut group, &mut pending.0);
        }
        buffer.clear();
        for (bytes, _) in &group {
            buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            buffer.extend_from_slice(bytes);
        }
        file.write_all(&buffer).unwrap();
        file.sync_data().unwrap();
        for (_, reply) in group.drain(..) {
            let _ = reply.send(());
        }
    }
}

impl Drop for BareLog {
    fn drop(&mut self) {
        self.queue.pending.lock().unwrap().1 = true;
        self.queue.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
