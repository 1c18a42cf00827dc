//! Every cell of the table, and what holds whatever happens.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::glob::Glob;

const LEASE_MS: i64 = 1_000;
const LINKS_MAX: usize = 8;
const MAX: Room = Room { links_max: LINKS_MAX, bytes_max: 10_000 };

fn at(ms: i64) -> Now {
    // Chance that never repeats is all a test needs of it.
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    Now { ms, entropy: u128::from(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) }
}

fn subscription(delivery: &str) -> Subscription {
    let body = json!({
        "type": delivery, "pattern": "a/*", "streams": ["named"], "lease_ttl_ms": LEASE_MS,
        "webhook": { "url": "https://worker.example/" }, "wake_stream": "a/wake",
    });
    let specification = Specification::parse(&body).unwrap();
    let mut made = Subscription::new("s", specification, "http://host".into(), 7, 0);
    made.link_at_tail("named", None, true, MAX).unwrap();
    made
}

fn webhook() -> Subscription {
    subscription("webhook")
}

fn pull() -> Subscription {
    subscription("pull-wake")
}

fn seen(tail: u64) -> Sighting {
    Sighting { stream_id: 1, start: 0, tail, created_at_ms: 0 }
}

fn glob() -> Glob {
    "a/*".parse().unwrap()
}

impl Subscription {
    /// An append to `a/x` that ends at `tail`.
    fn append(&mut self, tail: u64) {
        assert!(self.sighted("a/x", Some(seen(tail)), Some(tail - 1), Some(&glob()), MAX));
    }

    fn wake(&self) -> WakeRef {
        let (Phase::Held { wake_id, .. } | Phase::Announced { wake_id }) = &self.phase else {
            panic!("no wake: {:?}", self.phase)
        };
        WakeRef {
            birth: self.birth,
            token_generation: self.generation,
            generation: self.generation,
            wake_id: wake_id.clone(),
        }
    }

    fn acked(&self) -> u64 {
        self.links["a/x"].acked
    }
}

fn ack(tail: u64) -> Vec<(String, u64)> {
    vec![("a/x".into(), tail)]
}

#[test]
fn an_idle_webhook_is_called_when_something_is_pending_and_once() {
    let mut s = webhook();
    assert_eq!(s.settle(at(0)), None);
    assert_eq!(s.deadline_ms(), None);
    s.append(1);
    let Some(Effect::Deliver { wake_id }) = s.settle(at(0)) else { panic!("not called") };
    assert_eq!((s.generation, s.wake().wake_id), (1, wake_id));
    s.append(2);
    assert_eq!(s.settle(at(1)), None);
    assert_eq!(s.deadline_ms(), Some(LEASE_MS));
}

#[test]
fn done_acks_what_was_sent_and_what_came_later_wakes_again() {
    let mut s = webhook();
    s.append(1);
    s.settle(at(0));
    let first = s.wake();
    s.append(2);
    s.delivered(at(1), &first.wake_id, Delivered::Done(ack(1)));
    assert_eq!(s.acked(), 1);
    assert!(matches!(s.settle(at(1)), Some(Effect::Deliver { .. })));
    assert_eq!(s.generation, 2);
    assert_ne!(s.wake().wake_id, first.wake_id);
    s.delivered(at(2), &first.wake_id, Delivered::Done(ack(2)));
    assert_eq!(s.acked(), 1, "the end of an earlier call means nothing");
}

#[test]
fn an_accepted_call_holds_the_lease_until_it_ends() {
    let mut s = webhook();
    s.append(1);
    s.settle(at(0));
    let wake = s.wake();
    s.delivered(at(1), &wake.wake_id, Delivered::Accepted);
    assert_eq!(s.settle(at(LEASE_MS - 1)), None);
    assert_eq!(s.interrupted(), None);
    assert_eq!(s.ack(at(LEASE_MS - 1), &wake, &[], false), Ok(()));
    assert_eq!(s.settle(at(LEASE_MS)), None, "a callback extends the lease");
    assert!(matches!(s.settle(at(2 * LEASE_MS - 1)), Some(Effect::Deliver { .. })));
    assert_eq!(s.ack(at(2 * LEASE_MS - 1), &wake, &ack(1), true), Err(Refusal::Fenced));
    assert_eq!(s.acked(), 0);
}

#[test]
fn a_failed_call_is_tried_again_later_and_later() {
    let mut s = webhook();
    s.append(1);
    let mut now = 0;
    let mut waits = vec![];
    for attempt in 1..=8 {
        assert!(matches!(s.settle(at(now)), Some(Effect::Deliver { .. })));
        assert_eq!(s.generation, attempt);
        let wake = s.wake();
        s.delivered(at(now), &wake.wake_id, Delivered::Failed);
        assert!(s.has_failed());
        assert_eq!(s.ack(at(now), &wake, &ack(1), true), Err(Refusal::Fenced));
        let next = s.deadline_ms().unwrap();
        s.append(1 + attempt);
        assert_eq!(s.settle(at(next - 1)), None, "an append does not hasten it");
        waits.push(next - now);
        now = next;
    }
    assert!(waits.is_sorted_by(|a, b| a < b || *b >= 50_000), "{waits:?}");
    s.settle(at(now));
    s.delivered(at(now), &s.wake().wake_id.clone(), Delivered::Accepted);
    assert!(!s.has_failed());
}

#[test]
fn a_retry_outlives_a_restart_but_not_a_clock_set_back() {
    let mut s = webhook();
    s.append(1);
    s.settle(at(0));
    s.delivered(at(0), &s.wake().wake_id.clone(), Delivered::Failed);
    let due = s.deadline_ms().unwrap();
    let mut again = Subscription::decode(&s.encode(), 5).unwrap();
    again.append(1);
    assert!(again.has_failed());
    assert_eq!(again.settle(at(due - 1)), None);
    assert!(matches!(again.settle(at(due)), Some(Effect::Deliver { .. })));
    assert_eq!(again.generation, 2);
    let mut back = Subscription::decode(&s.encode(), -1_000_000).unwrap();
    back.append(1);
    assert_eq!(back.deadline_ms(), Some(-1_000_000 + backoff::LONGEST_MS));
}

#[test]
fn what_was_begun_before_a_restart_is_done_after_it() {
    let mut s = webhook();
    s.append(1);
    let begun = s.settle(at(0));
    let mut again = Subscription::decode(&s.encode(), 1).unwrap();
    assert_eq!(again.interrupted(), begun);
    assert_eq!(again.ack(at(1), &s.wake(), &[], true), Ok(()), "its callback is as good as before");
    let mut p = pull();
    p.append(1);
    let begun = p.settle(at(0));
    let mut again = Subscription::decode(&p.encode(), 1).unwrap();
    again.append(1);
    assert_eq!(again.interrupted(), begun);
    p.claim(at(0), "w").unwrap();
    assert_eq!(Subscription::decode(&p.encode(), 1).unwrap().interrupted(), None);
    assert_eq!(Subscription::decode(b"{}", 1), None);
    assert_eq!(Subscription::decode(&[], 1), None);
}

#[test]
fn a_wake_is_announced_and_claimed_by_one() {
    let mut p = pull();
    assert_eq!(p.claim(at(0), "w1"), Err(Refusal::NoPendingWork));
    p.append(1);
    let Some(Effect::Announce { wake_id, stream }) = p.settle(at(0)) else { panic!("not announced") };
    assert_eq!((stream.as_str(), p.generation), ("a/x", 1));
    let announced = p.wake();
    assert_eq!(p.ack(at(1), &announced, &ack(1), true), Err(Refusal::Fenced), "nobody has a token yet");
    assert_eq!(p.settle(at(1_000_000)), None, "it stays announced");
    assert_eq!(p.claim(at(0), "w1"), Ok(wake_id));
    let busy = Refusal::AlreadyClaimed { holder: "w1".into(), generation: 1 };
    assert_eq!(p.claim(at(1), "w2"), Err(busy.clone()));
    assert_eq!(p.claim(at(1), "w1"), Err(busy));
    assert_eq!(p.ack(at(1), &announced, &ack(1), true), Ok(()));
    assert_eq!((p.settle(at(1)), p.acked(), p.has_pending()), (None, 1, false));
}

#[test]
fn a_release_and_an_ended_lease_announce_again() {
    let mut p = pull();
    p.append(1);
    p.settle(at(0));
    p.claim(at(0), "w1").unwrap();
    let first = p.wake();
    assert_eq!(p.release(at(1), &first), Ok(()));
    assert!(matches!(p.settle(at(1)), Some(Effect::Announce { .. })));
    assert_eq!(p.release(at(1), &first), Err(Refusal::Fenced));
    p.claim(at(1), "w2").unwrap();
    let second = p.wake();
    assert_eq!(p.deadline_ms(), Some(1 + LEASE_MS));
    assert_eq!(p.ack(at(1 + LEASE_MS), &second, &ack(1), true), Err(Refusal::Fenced));
    assert!(matches!(p.settle(at(1 + LEASE_MS)), Some(Effect::Announce { .. })));
    assert_eq!((p.generation, p.acked()), (3, 0));
}

#[test]
fn a_worker_may_come_before_the_wake_event() {
    let mut p = pull();
    p.append(1);
    p.claim(at(0), "w").unwrap();
    assert_eq!((p.settle(at(0)), p.generation), (None, 1));
}

#[test]
fn a_wake_event_that_is_not_written_is_tried_again() {
    let mut p = pull();
    p.append(1);
    p.settle(at(0));
    let wake = p.wake().wake_id;
    p.announced(at(0), &wake, false);
    assert!(p.has_failed());
    assert_eq!(p.settle(at(999)), None);
    assert!(matches!(p.settle(at(2_000)), Some(Effect::Announce { .. })));
    p.announced(at(2_000), &wake, false);
    assert_eq!(p.deadline_ms(), None, "the failure of an earlier event means nothing");
    p.announced(at(2_000), &p.wake().wake_id.clone(), true);
    assert!(!p.has_failed());
}

#[test]
fn only_the_current_wake_is_answered() {
    let mut p = pull();
    p.append(1);
    p.settle(at(0));
    p.claim(at(0), "w").unwrap();
    let good = p.wake();
    for bad in [
        WakeRef { birth: 8, ..good.clone() },
        WakeRef { token_generation: 2, ..good.clone() },
        WakeRef { generation: 0, ..good.clone() },
        WakeRef { wake_id: "w_0".into(), ..good.clone() },
    ] {
        assert_eq!(p.ack(at(1), &bad, &ack(1), true), Err(Refusal::Fenced), "{bad:?}");
        assert_eq!(p.release(at(1), &bad), Err(Refusal::Fenced), "{bad:?}");
    }
    assert_eq!(p.acked(), 0);
    assert_eq!(p.ack(at(1), &good, &ack(1), false), Ok(()));
}

#[test]
fn an_ack_is_taken_whole_or_not_and_never_goes_back() {
    let mut p = pull();
    p.append(3);
    p.settle(at(0));
    p.claim(at(0), "w").unwrap();
    let wake = p.wake();
    let both = [("a/x".to_owned(), 3), ("named".to_owned(), 1)];
    assert_eq!(p.ack(at(1), &wake, &both, false), Err(Refusal::BeyondTail { stream: "named".into() }));
    assert_eq!(p.acked(), 0);
    let unknown = [("a/x".to_owned(), 3), ("elsewhere".to_owned(), 9)];
    assert_eq!(p.ack(at(1), &wake, &unknown, false), Ok(()));
    assert_eq!(p.ack(at(1), &wake, &ack(1), false), Ok(()));
    assert_eq!(p.acked(), 3);
}

#[test]
fn streams_are_linked_at_the_right_place() {
    let mut s = webhook();
    let see = |s: &mut Subscription, path: &str, sighting, before| {
        s.sighted(path, sighting, before, Some(&glob()), MAX)
    };
    let acked = |s: &Subscription, path: &str| s.links.get(path).map(|link| link.acked);
    see(&mut s, "a/appended", Some(Sighting { created_at_ms: -1, ..seen(5) }), Some(3));
    assert_eq!(acked(&s, "a/appended"), Some(3), "before the append that discovered it");
    see(&mut s, "a/newer", Some(Sighting { start: 2, ..seen(5) }), Some(4));
    assert_eq!(acked(&s, "a/newer"), Some(2), "newer than the subscription: from its start");
    see(&mut s, "a/older", Some(Sighting { created_at_ms: -1, ..seen(5) }), None);
    assert_eq!(acked(&s, "a/older"), Some(5), "the past is past");
    see(&mut s, "b/other", Some(seen(5)), Some(0));
    assert_eq!(acked(&s, "b/other"), None);
    see(&mut s, "named", Some(Sighting { start: 1, ..seen(4) }), Some(3));
    assert_eq!(acked(&s, "named"), Some(1), "it was waited for by name");
    s.link_at_tail("a/older", Some(seen(9)), true, MAX).unwrap();
    assert_eq!(acked(&s, "a/older"), Some(5), "a cursor is kept");
    let mut p = pull();
    see(&mut p, "a/wake", Some(seen(5)), Some(0));
    assert_eq!(acked(&p, "a/wake"), None, "its own wake stream is never work");
}

#[test]
fn another_stream_at_the_same_path_is_new() {
    let mut s = webhook();
    s.append(5);
    s.advance(&ack(5));
    s.sighted("a/x", Some(Sighting { stream_id: 2, ..seen(3) }), None, Some(&glob()), MAX);
    assert_eq!((s.acked(), s.has_pending()), (0, true));
    s.sighted("a/x", None, None, Some(&glob()), MAX);
    assert!(!s.links.contains_key("a/x"));
    s.sighted("named", Some(seen(3)), None, None, MAX);
    s.sighted("named", None, None, None, MAX);
    assert_eq!(s.links["named"].tail, 0);
    s.sighted("named", Some(Sighting { stream_id: 3, ..seen(1) }), None, None, MAX);
    assert!(s.has_pending());
}

#[test]
fn an_announcement_without_work_left_is_taken_back() {
    let mut p = pull();
    p.append(1);
    p.settle(at(0));
    p.sighted("a/x", None, None, Some(&glob()), MAX);
    assert_eq!(p.settle(at(1)), None);
    assert_eq!(p.claim(at(1), "w"), Err(Refusal::NoPendingWork));
    p.append(1);
    assert!(matches!(p.settle(at(2)), Some(Effect::Announce { .. })));
    assert_eq!(p.generation, 2);
}

#[test]
fn an_explicit_link_hides_the_one_of_the_pattern() {
    let mut s = webhook();
    s.append(1);
    s.link_at_tail("a/x", Some(seen(1)), true, MAX).unwrap();
    assert!(s.links["a/x"].explicit);
    s.unlink("a/x", Some(&glob()));
    assert!(!s.links["a/x"].explicit);
    s.unlink("named", Some(&glob()));
    s.unlink("named", Some(&glob()));
    assert!(!s.links.contains_key("named"));
}

#[test]
fn what_a_wake_acks_is_not_of_a_stream_that_came_later() {
    let mut p = pull();
    p.append(5);
    p.settle(at(0));
    p.claim(at(0), "w").unwrap();
    let wake = p.wake();
    p.sighted("a/x", None, None, Some(&glob()), MAX);
    p.sighted("a/x", Some(Sighting { stream_id: 2, ..seen(3) }), None, Some(&glob()), MAX);
    assert_eq!(p.ack(at(1), &wake, &ack(5), true), Ok(()));
    assert_eq!((p.acked(), p.has_pending()), (0, true));
    p.settle(at(1));
    p.claim(at(1), "w").unwrap();
    assert_eq!(p.ack(at(1), &p.wake().clone(), &ack(3), true), Ok(()));
    assert_eq!((p.acked(), p.has_pending()), (3, false));
    // The same for a webhook that answers done.
    let mut s = webhook();
    s.append(5);
    s.settle(at(0));
    s.sighted("a/x", Some(Sighting { stream_id: 2, ..seen(3) }), None, Some(&glob()), MAX);
    s.delivered(at(1), &s.wake().wake_id.clone(), Delivered::Done(ack(5)));
    assert_eq!((s.acked(), s.has_pending()), (0, true));
}

#[test]
fn links_have_limits() {
    let mut s = webhook();
    for n in 1..LINKS_MAX {
        assert!(s.sighted(&format!("a/{n}"), Some(seen(1)), None, Some(&glob()), MAX));
    }
    assert!(!s.sighted("a/more", Some(seen(1)), None, Some(&glob()), MAX));
    assert_eq!(s.link_at_tail("more", None, true, MAX), Err(Refusal::TooManyStreams { max: LINKS_MAX }));
    assert_eq!(s.link_at_tail("named", None, true, MAX), Ok(()));
    assert_eq!(s.links.len(), LINKS_MAX);
}

proptest! {
    /// What the machine links fits the place where it is stored.
    #[test]
    fn a_record_is_no_longer_than_its_room(
        paths in proptest::collection::vec("[a\"\\\\é/]{1,40}", 1..60),
        bytes_max in 0usize..8_000,
        explicit: bool,
    ) {
        let room = Room { links_max: 100, bytes_max };
        let mut s = pull();
        let empty = s.encode().len();
        let big = Sighting { stream_id: u64::MAX, start: 0, tail: u64::MAX, created_at_ms: 0 };
        s.phase = Phase::Held { wake_id: String::new(), lease_until_ms: 0, holder: None, delivering: false };
        s.generation = u64::MAX;
        let longer = s.encode().len() - empty;
        for path in paths {
            let _ = s.link_at_tail(&path, Some(big), explicit, room);
        }
        prop_assert!(s.encode().len() <= empty + longer + bytes_max);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append,
    Pass(i64),
    Claim,
    Ack { wake: usize, done: bool },
    Release { wake: usize },
    Deliver { wake: usize, outcome: u8 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Append),
        2 => (1i64..3_000).prop_map(Step::Pass),
        2 => Just(Step::Claim),
        3 => (0usize..3, any::<bool>()).prop_map(|(wake, done)| Step::Ack { wake, done }),
        1 => (0usize..3).prop_map(|wake| Step::Release { wake }),
        3 => (0usize..3, 0u8..3).prop_map(|(wake, outcome)| Step::Deliver { wake, outcome }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Whatever happens in whatever order: generations and cursors never go back, an earlier wake changes nothing,
    /// and pending work is never forgotten: somebody holds it, it is announced, or a time is set.
    #[test]
    fn work_is_never_forgotten(webhooks: bool, steps in proptest::collection::vec(step(), 1..60)) {
        let mut s = if webhooks { webhook() } else { pull() };
        let (mut now, mut tail) = (0i64, 0u64);
        let mut wakes: Vec<WakeRef> = vec![];
        for step in steps {
            let before = s.clone();
            // The newest wake is 0: most steps are about it.
            let pick = |wake: usize| wakes.iter().rev().nth(wake).cloned();
            let current = |s: &Subscription, wake: &WakeRef| {
                matches!(&s.phase, Phase::Held { wake_id, lease_until_ms, .. }
                    if *wake_id == wake.wake_id && *lease_until_ms > now)
            };
            match step {
                Step::Append => { tail += 1; s.append(tail); }
                Step::Pass(ms) => now += ms,
                Step::Claim if webhooks => {}
                Step::Claim => { let _ = s.claim(at(now), "w"); }
                Step::Ack { wake, done } => if let Some(wake) = pick(wake) {
                    let expected = current(&s, &wake);
                    prop_assert_eq!(s.ack(at(now), &wake, &ack(tail), done).is_ok(), expected);
                    if !expected { prop_assert_eq!(&s.links, &before.links); }
                },
                Step::Release { wake } => if let Some(wake) = pick(wake) {
                    let expected = current(&s, &wake);
                    prop_assert_eq!(s.release(at(now), &wake).is_ok(), expected);
                },
                Step::Deliver { wake, outcome } => if let Some(wake) = pick(wake) {
                    let outcome = match outcome {
                        0 => Delivered::Done(ack(tail)),
                        1 => Delivered::Accepted,
                        _ => Delivered::Failed,
                    };
                    if webhooks { s.delivered(at(now), &wake.wake_id, outcome) }
                    else { s.announced(at(now), &wake.wake_id, outcome != Delivered::Failed) }
                },
                Step::Restart => {
                    s = Subscription::decode(&s.encode(), now).unwrap();
                    if tail > 0 { s.append(tail); }
                }
            }
            s.settle(at(now));
            prop_assert_eq!(s.settle(at(now)), None, "settling twice changes nothing");
            prop_assert!(s.generation >= before.generation && s.generation <= before.generation + 1);
            if let (Some(a), Some(b)) = (before.links.get("a/x"), s.links.get("a/x")) {
                prop_assert!(a.acked <= b.acked);
            }
            match &s.phase {
                Phase::Idle if s.has_pending() => prop_assert!(s.deadline_ms().is_some_and(|at| at > now)),
                Phase::Idle => prop_assert_eq!(s.deadline_ms(), None),
                Phase::Held { lease_until_ms, .. } => prop_assert!(*lease_until_ms > now),
                Phase::Announced { .. } => prop_assert!(s.has_pending()),
            }
            if s.phase != Phase::Idle && wakes.last() != Some(&s.wake()) {
                let new = s.wake();
                prop_assert!(wakes.iter().all(|old| old.wake_id != new.wake_id));
                prop_assert!(wakes.last().is_none_or(|last| last.generation < new.generation));
                wakes.push(new);
            }
        }
    }
}
