//! The suite every [`StreamStore`] must pass, whatever engine is below. Must not know engines.
//!
//! Each test names the rule of the trait's documentation it checks (`r1_…` to `r9_…`); what follows from
//! PROTOCOL.md beyond them has the number of its section (`s4_2_…`). Use [`store_conformance!`](crate::store_conformance):
//!
//! ```ignore
//! store_conformance!(memory, || MemorySubject);
//! ```

mod appends;
mod attributes;
mod closing;
mod forks;
mod lifecycle;
mod lifetime;
pub mod model;
mod overload;
mod producers;
mod reading;
mod reopening;
mod trimming;
mod watching;

pub use appends::*;
pub use attributes::*;
pub use closing::*;
pub use forks::*;
pub use lifecycle::*;
pub use lifetime::*;
pub use overload::*;
pub use producers::*;
pub use reading::*;
pub use reopening::*;
pub use trimming::*;
pub use watching::*;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::{
    ContentType, Offset, ProducerClaim, ProducerEpoch, ProducerSeq, Retention, StreamPath, Unit,
};

use crate::{
    Append, AppendError, Appended, Batch, CreateStream, Created, Lifetime, ManualClock, Page, StoreOptions,
    StreamStore,
};

/// One engine under test, with a place of its own for what it stores.
pub trait Subject: Send + Sync {
    /// Opens the store: the same one again when it was opened, and shut down, before.
    fn open(&self, options: StoreOptions) -> Arc<dyn StreamStore>;

    /// Whether what was acknowledged is there after a shutdown and another open.
    fn is_durable(&self) -> bool;
}

/// Instantiates the suite as a module of tests. The second argument makes a fresh [`Subject`].
#[macro_export]
macro_rules! store_conformance {
    ($name:ident, $subject:expr) => {
        $crate::store_conformance!(@ $name, $subject,
            r1_a_failed_append_changes_nothing
            r1_an_append_changes_everything_together
            r2_an_acknowledged_append_is_read
            r3_positions_count_units_and_never_change
            r4_concurrent_appends_are_totally_ordered
            r4_appends_sent_in_order_by_one_writer_stay_in_order
            s5_2_writer_sequences_grow_bytewise
            s5_2_content_types_and_units_must_fit
            s5_2_1_producers_are_deduplicated_and_fenced
            s5_2_1_producers_are_independent_of_each_other
            s5_2_1_concurrent_retries_write_once
            s5_3_closing_is_final_and_idempotent
            s5_3_only_the_closing_append_itself_is_a_duplicate
            r6_a_closed_stream_tells_readers
            attributes_are_compared_and_set
            attributes_change_on_a_closed_stream
            reads_start_and_stop_at_any_offset
            reads_page_through_rows_larger_than_a_page
            reads_beyond_the_tail_are_refused
            reads_beyond_the_window_are_the_same
            r7_watchers_and_readers_agree
            watchers_see_the_newest_tail
            watchers_see_closure_and_deletion
            r8_a_full_queue_refuses
            s5_1_create_is_idempotent
            s5_1_create_with_content_and_closed
            s5_4_delete_forgets
            list_is_in_order_of_path
            shutdown_answers_everyone
            s5_1_sliding_lifetimes_slide
            s5_1_watchers_hold_sliding_lifetimes
            s5_1_watching_is_recorded
            s5_1_absolute_lifetimes_end
            s4_2_forks_share_positions
            s4_2_forks_of_forks_read_through
            s4_2_fork_points_are_checked
            s4_2_forks_start_fresh
            s4_2_fork_creation_is_idempotent
            s4_2_fork_lifetimes_follow_the_table
            s4_2_deleted_sources_are_hidden_until_the_last_fork_goes
            s4_2_refused_forks_leave_no_reference
            trimmed_history_is_refused_and_the_rest_is_as_it_was
            trims_stop_at_the_tail_and_never_go_back
            retention_by_count_is_exact
            retention_by_age_drops_whole_appends
            retention_by_bytes_keeps_at_least_what_it_says
            retention_goes_on_step_by_step
            s4_2_forks_keep_what_their_source_is_trimmed_of
            s4_2_fork_retention_is_inherited_or_its_own
            s5_1_retention_is_part_of_the_configuration
            trims_outlive_a_restart
            reads_during_trims_are_whole_or_refused
            r2_everything_is_equal_after_reopening
            r3_stream_ids_are_not_used_again
        );
    };
    (@ $name:ident, $subject:expr, $($rule:ident)*) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test]
                async fn $rule() {
                    $crate::conformance::$rule(&($subject)()).await;
                }
            )*
        }
    };
}

/// Far longer than anything takes; a test that waits that long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// A store under test, its clock, and short ways to use it.
struct Case {
    store: Arc<dyn StreamStore>,
    clock: Arc<ManualClock>,
}

impl Case {
    fn open(subject: &dyn Subject) -> Self {
        Self::open_with(subject, |_| {})
    }

    fn open_with(subject: &dyn Subject, adjust: impl FnOnce(&mut StoreOptions)) -> Self {
        Self::open_at(subject, Arc::new(ManualClock::new(1_000_000)), adjust)
    }

    fn open_at(
        subject: &dyn Subject,
        clock: Arc<ManualClock>,
        adjust: impl FnOnce(&mut StoreOptions),
    ) -> Self {
        let mut options = StoreOptions {
            clock: Arc::clone(&clock) as _,
            sweep_interval: Duration::from_millis(5),
            ..StoreOptions::default()
        };
        adjust(&mut options);
        Self { store: subject.open(options), clock }
    }

    async fn create(&self, name: &str) -> StreamPath {
        self.create_as(name, json_stream()).await
    }

    async fn create_as(&self, name: &str, create: CreateStream) -> StreamPath {
        let created = self.create_at(name, create).await;
        assert!(created.is_new);
        path(name)
    }

    async fn create_at(&self, name: &str, create: CreateStream) -> Created {
        self.store.create(&path(name), create).await.unwrap()
    }

    async fn append(&self, to: &StreamPath, append: Append) -> Result<Appended, AppendError> {
        self.store.append(to, append).await
    }

    async fn write(&self, to: &StreamPath, texts: &[&str]) -> u64 {
        let appended = self.append(to, Append { batch: Some(messages(texts)), ..Append::default() });
        appended.await.unwrap().next_offset.position()
    }

    async fn page(&self, of: &StreamPath, from: u64, bytes_max: usize) -> Page {
        self.store.read(of, Offset::new(from), bytes_max).await.unwrap()
    }

    /// Every message from a position on, page by page.
    async fn messages_from(&self, of: &StreamPath, from: u64) -> Vec<String> {
        let mut all = Vec::new();
        let mut next = from;
        loop {
            let page = self.page(of, next, 1_000).await;
            assert_eq!(page.from, Offset::new(next));
            let units: u64 = page.rows.iter().map(Batch::units).sum();
            assert_eq!(page.next, Offset::new(next + units));
            for row in &page.rows {
                assert_eq!(row.unit(), Unit::Message);
                all.extend(row.messages().map(|message| String::from_utf8(message.to_vec()).unwrap()));
            }
            next = page.next.position();
            if page.next == page.tail.next_offset {
                return all;
            }
            assert!(units > 0, "a page before the tail is never empty");
        }
    }

    async fn tail(&self, of: &StreamPath) -> u64 {
        self.store.head(of).await.unwrap().next_offset.position()
    }
}

fn path(name: &str) -> StreamPath {
    name.parse().unwrap()
}

fn json_stream() -> CreateStream {
    CreateStream::of(ContentType::json())
}

fn messages(texts: &[&str]) -> Batch {
    let mut ends = Vec::new();
    let mut body = String::new();
    for text in texts {
        if !body.is_empty() {
            body.push(',');
        }
        body.push_str(text);
        ends.push(body.len() as u32);
    }
    Batch::joined_messages(Bytes::from(body), ends).unwrap()
}

fn one(text: &str) -> Append {
    Append { batch: Some(messages(&[text])), ..Append::default() }
}

fn claim(id: &str, epoch: u64, seq: u64) -> ProducerClaim {
    ProducerClaim {
        id: id.parse().unwrap(),
        epoch: ProducerEpoch::new(epoch).unwrap(),
        seq: ProducerSeq::new(seq).unwrap(),
    }
}

fn produced(text: &str, id: &str, epoch: u64, seq: u64) -> Append {
    Append { producer: Some(claim(id, epoch, seq)), ..one(text) }
}

/// Waits for a condition that something in the background brings about.
async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let polling = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, polling).await.is_ok(), "never happened: {what}");
}
