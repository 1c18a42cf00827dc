//! The batches that have a number and are not settled, in order: what was sent, what was heard of it. Must not know
//! what follows from an answer.

use std::collections::VecDeque;

use durable_sessions_protocol::ProducerSeq;

use super::AppendAnswer;
use crate::{Cause, Millis};

/// Where a batch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// To be sent as soon as those before it are on their way.
    Ready,
    /// A request is under way.
    Sending,
    /// It overtook those before it, and the server refused it for the gap: to be sent again once they are settled.
    Held,
    /// No answer that would settle it; with what the server asked to wait.
    Broken(Cause, Option<u64>),
    /// The first of the window, until the retry timer.
    Waiting,
    /// Answered; what follows is decided when it is the first.
    Answered(AppendAnswer),
}

/// A batch with a number.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) seq: ProducerSeq,
    /// How many messages it has.
    pub(super) len: usize,
    pub(super) standing: Standing,
    /// An attempt may have arrived: nobody has said otherwise.
    pub(super) in_doubt: bool,
    /// The token was refused once and another one asked for.
    pub(super) token_asked_again: bool,
    /// The next attempt asks for another token.
    pub(super) fresh_token: bool,
    /// Its request has been written.
    pub(super) is_written: bool,
    /// When it was sent last everything before it was settled, so a gap is no matter of overtaking.
    pub(super) sent_as_first: bool,
    pub(super) sent_at: Millis,
    /// Tells one attempt from the next.
    pub(super) ticket: u64,
}

impl Batch {
    fn new(seq: ProducerSeq, len: usize) -> Self {
        Self {
            seq,
            len,
            standing: Standing::Ready,
            in_doubt: false,
            token_asked_again: false,
            fresh_token: false,
            is_written: false,
            sent_as_first: false,
            sent_at: Millis(0),
            ticket: 0,
        }
    }

    pub(super) const fn is_sending(&self) -> bool {
        matches!(self.standing, Standing::Sending)
    }

    pub(super) const fn is_acknowledged(&self) -> bool {
        matches!(&self.standing, Standing::Answered(answer) if answer.is_success())
    }

    /// Remembers an attempt that was not answered, or not in a way that settles it.
    pub(super) fn break_off(&mut self, cause: Cause, retry_after_ms: Option<u64>) {
        // Only these say that nothing was done; a 503 may stand for a commit of which nobody knows how it ended.
        self.in_doubt |= !matches!(cause, Cause::Token(_) | Cause::Status(425 | 429));
        self.standing = Standing::Broken(cause, retry_after_ms);
    }
}

#[derive(Debug, Default)]
pub(super) struct Window {
    batches: VecDeque<Batch>,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Batch> {
        self.batches.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Batch> {
        self.batches.get_mut(at)
    }

    pub(super) fn first(&self) -> Option<&Batch> {
        self.batches.front()
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut Batch> {
        self.batches.front_mut()
    }

    /// The batch of this number whose request is under way.
    pub(super) fn sending(&self, seq: ProducerSeq) -> Option<usize> {
        self.batches.iter().position(|batch| batch.seq == seq && batch.is_sending())
    }

    /// The first batch whose request is under way: the one that is waited for.
    pub(super) fn first_sending(&self) -> Option<&Batch> {
        self.batches.iter().find(|batch| batch.is_sending())
    }

    /// Whether a request for one of the batches before this place is under way.
    pub(super) fn sending_before(&self, at: usize) -> bool {
        self.batches.iter().take(at).any(Batch::is_sending)
    }

    /// The numbers of all requests under way.
    pub(super) fn all_sending(&self) -> impl Iterator<Item = ProducerSeq> + '_ {
        self.batches.iter().filter(|batch| batch.is_sending()).map(|batch| batch.seq)
    }

    /// How many messages stand before the batch at this place, or in all when it is the next one.
    pub(super) fn messages_before(&self, at: usize) -> usize {
        self.batches.iter().take(at).map(|batch| batch.len).sum()
    }

    pub(super) fn push(&mut self, seq: ProducerSeq, len: usize) {
        self.batches.push_back(Batch::new(seq, len));
    }

    pub(super) fn pop(&mut self) -> Option<Batch> {
        self.batches.pop_front()
    }

    /// The batch before these was acknowledged: those that had overtaken it, failed while it did, or went with a token that
    /// has been replaced since may go again. One for which the server asked to be left alone may not.
    pub(super) fn release(&mut self) {
        for batch in &mut self.batches {
            match &batch.standing {
                Standing::Held | Standing::Broken(_, None) => batch.standing = Standing::Ready,
                Standing::Answered(answer) if answer.status == 401 => batch.standing = Standing::Ready,
                _ => {}
            }
        }
    }

    /// Nothing behind the first can ever take effect any more: every request of them has been refused.
    pub(super) fn rest_is_void(&self) -> bool {
        self.batches.iter().skip(1).all(|batch| !batch.in_doubt && !batch.is_acknowledged())
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
    }
}
