//! The two kinds of reading, as the driver needs them: events, and streams as they are. Must not know connections.

use durable_sessions_client_core::{BatchProblem, BatchSink, Batches, Content, Events, Live, Millis};
use durable_sessions_protocol::{Control, json};

use super::item::{BadFrame, Collector, Item};
use crate::page::Page;

/// Collects what a machine delivers until the driver hands it over.
pub(super) trait Collect: Send + 'static {
    type Content: Content + Send + 'static;

    fn drain(&mut self, machine: &mut Live<Self::Content>, now: Millis);
    fn body_ended(&mut self, machine: &mut Live<Self::Content>, now: Millis);
    fn take(&mut self) -> Vec<Item>;
}

impl Collect for Collector {
    type Content = Events;

    fn drain(&mut self, machine: &mut Live<Events>, now: Millis) {
        machine.drain(now, self);
    }

    fn body_ended(&mut self, machine: &mut Live<Events>, now: Millis) {
        machine.body_ended(now, self);
    }

    fn take(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.items)
    }
}

/// Makes pages of what comes.
#[derive(Debug)]
pub(super) struct Pages {
    is_json: bool,
    /// Of JSON the messages, joined; otherwise the bytes.
    bytes: Vec<u8>,
    /// Where each message ends.
    ends: Vec<u32>,
    is_broken: bool,
    items: Vec<Item>,
    /// Messages or bytes given so far.
    count: u64,
}

impl Pages {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, bytes: Vec::new(), ends: Vec::new(), is_broken: false, items: Vec::new(), count: 0 }
    }

    /// Arrays one after another become one: the control event stands behind all of them.
    fn add_messages(&mut self, array: &[u8]) -> Option<()> {
        let messages = json::split_messages(array).ok()?;
        if messages.ends.is_empty() {
            return Some(());
        }
        if !self.bytes.is_empty() {
            self.bytes.push(b',');
        }
        let start = u32::try_from(self.bytes.len()).ok()?;
        self.bytes.extend_from_slice(messages.joined(array));
        for end in messages.ends {
            self.ends.push(start.checked_add(end)?);
        }
        Some(())
    }
}

impl BatchSink for Pages {
    fn piece(&mut self, bytes: &[u8]) {
        if self.is_json {
            self.is_broken |= self.add_messages(bytes).is_none();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn control(&mut self, control: &Control) {
        let (bytes, ends) = (std::mem::take(&mut self.bytes).into(), std::mem::take(&mut self.ends));
        if std::mem::take(&mut self.is_broken) {
            self.items.push(Item::BadFrame(BadFrame {
                code: "INVALID_JSON",
                message: "what came is not JSON".to_owned(),
                count: self.count,
            }));
            return;
        }
        let page = Page::at(control.next_offset.clone(), control.up_to_date, control.closed);
        let page = if self.is_json { page.with_messages(bytes, ends) } else { page.with_bytes(bytes) };
        self.count += page.len() as u64;
        self.items.push(Item::Batch(Box::new(page)));
    }

    fn bad(&mut self, problem: BatchProblem) {
        self.items.push(Item::BadFrame(BadFrame {
            code: problem.code(),
            message: problem.to_string(),
            count: self.count,
        }));
    }
}

impl Collect for Pages {
    type Content = Batches;

    fn drain(&mut self, machine: &mut Live<Batches>, now: Millis) {
        machine.drain(now, self);
    }

    fn body_ended(&mut self, machine: &mut Live<Batches>, now: Millis) {
        machine.body_ended(now, self);
    }

    fn take(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pieces: &[&str]) -> Vec<String> {
        let mut pages = Pages::new(true);
        for piece in pieces {
            pages.piece(piece.as_bytes());
        }
        pages.control(&Control::at("t".parse().unwrap()));
        match pages.take().as_slice() {
            [Item::Batch(page)] => {
                page.messages().map(|message| String::from_utf8_lossy(&message).into_owned()).collect()
            }
            [Item::BadFrame(bad)] => vec![bad.code.to_owned()],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arrays_one_after_another_become_one() {
        assert_eq!(page(&["[1,\n[2]]", "[]", " [ {\"a\":3} ] "]), ["1", "[2]", "{\"a\":3}"]);
        assert_eq!(page(&[]), Vec::<String>::new());
        assert_eq!(page(&["{\"a\":1}"]), ["{\"a\":1}"]);
        assert_eq!(page(&["[1", "2]"]), ["INVALID_JSON"]);
    }
}
