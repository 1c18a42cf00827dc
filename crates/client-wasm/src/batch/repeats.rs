//! Which ids come again: an agent's events all carry its id, and an engine would make a string of it every time. Must
//! not know what the reader puts in their place.

use durable_sessions_schema::{EVENTS, FIELDS_MAX};

use super::buffer::Buffer;

/// Where in the batch's text the value of each field of each kind was written last.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    slots: Vec<Slot>,
    /// Slots of earlier generations are empty.
    generation: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    generation: u32,
    start: u32,
    end: u32,
}

impl Repeats {
    /// Nothing was written: a new batch, or the text was cut.
    pub(super) fn forget(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.slots.clear();
        }
    }

    /// Whether `value` is what `slot` had last. If not, it is about to be written.
    pub(super) fn is_repeat(&mut self, text: &Buffer, slot: usize, value: &[u8]) -> bool {
        if self.slots.is_empty() {
            self.slots.resize(EVENTS.len() * FIELDS_MAX, Slot::default());
            self.generation = self.generation.max(1);
        }
        let generation = self.generation;
        let Some(slot) = self.slots.get_mut(slot) else { return false };
        let last = text.written().get(slot.start as usize..slot.end as usize);
        if slot.generation == generation && last == Some(value) {
            return true;
        }
        let start = text.len();
        *slot = Slot { generation, start: start as u32, end: (start + value.len()) as u32 };
        false
    }

    /// Another value is written for `slot`, which will not be recognised again.
    pub(super) fn replaced(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = Slot::default();
        }
    }
}
