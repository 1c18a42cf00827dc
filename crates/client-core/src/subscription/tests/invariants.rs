//! Invariants 3, 4 and 5 under inputs in any order, sensible or not.

use proptest::prelude::*;

use super::super::machine::SubscriptionConfig;
use super::super::{ConnectionState, Input, Output, ResponseHead, Subscription, TimerKind};
use super::harness::{Sink, control, data, event, event_stream, ping, status};
use crate::{Failure, Millis, ReconnectConfig};

#[derive(Debug, Clone)]
enum Step {
    Input(Input),
    Bytes(Vec<u8>),
    /// Milliseconds; a clock may be set back.
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let trimmed = ResponseHead { first_offset: Some("t9".into()), ..status(410) };
    let inputs = vec![
        Input::Subscribe,
        Input::Response(event_stream()),
        Input::Response(event_stream()),
        Input::Response(status(200)),
        Input::Response(status(204)),
        Input::Response(status(401)),
        Input::Response(status(404)),
        Input::Response(status(410)),
        Input::Response(trimmed),
        Input::Response(ResponseHead { retry_after_ms: Some(5000), ..status(503) }),
        Input::BodyEnded,
        Input::Failed(Failure::network("gone")),
        Input::Failed(Failure::token("none")),
        Input::Timer(TimerKind::Retry),
        Input::Timer(TimerKind::Retry),
        Input::Timer(TimerKind::Silence),
        Input::Reconnect,
        Input::Online,
        Input::Offline,
        Input::Woke,
        Input::Pause,
    ];
    prop_oneof![
        30 => proptest::sample::select(inputs).prop_map(Step::Input),
        1 => Just(Step::Input(Input::Unsubscribe)),
        2 => Just(Step::Bytes(ping())),
        2 => (0u8..9).prop_map(|n| Step::Bytes(data(&[event(n)]))),
        2 => (0u8..9).prop_map(|n| Step::Bytes(control(&format!("t{n}"), None, false))),
        1 => Just(Step::Bytes(control("t9", None, true))),
        2 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Step::Bytes),
        4 => (-60_000i64..60_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_storm_no_request_after_the_end_and_one_at_a_time(
        steps in proptest::collection::vec(step(), 0..80), max_attempts in 0u32..4, enabled: bool, seed: u64,
    ) {
        let reconnect = ReconnectConfig { max_attempts, enabled, ..ReconnectConfig::default() };
        let mut machine = Subscription::new(SubscriptionConfig { reconnect, ..SubscriptionConfig::default() }, seed);
        let mut sink = Sink::default();
        let (mut now, mut under_way, mut attempts, mut ended) = (Millis(100_000), false, 0, false);
        for step in steps {
            let before = machine.state();
            let reconnects = matches!(step, Step::Input(Input::Reconnect));
            match step {
                Step::Pass(ms) => now = Millis(now.0.saturating_add_signed(ms)),
                Step::Bytes(bytes) => {
                    machine.push(&bytes);
                    machine.drain(now, &mut sink);
                }
                Step::Input(input) => {
                    if matches!(input, Input::BodyEnded | Input::Failed(_)) {
                        under_way = false;
                    }
                    ended |= input == Input::Unsubscribe;
                    machine.handle(now, input);
                }
            }
            if reconnects {
                attempts = 0;
            }
            while let Some(output) = machine.next_output() {
                match output {
                    Output::Open(open) => {
                        prop_assert!(!under_way, "invariant 6");
                        prop_assert!(!ended, "invariant 4: unsubscribed");
                        prop_assert!(before != ConnectionState::Closed, "invariant 4: closed");
                        prop_assert!(before != ConnectionState::Lost || reconnects, "invariant 4: lost");
                        prop_assert!(open.attempt <= max_attempts, "invariant 3");
                        under_way = true;
                    }
                    Output::Abort => under_way = false,
                    Output::RetryScheduled { attempt, .. } => {
                        attempts += 1;
                        prop_assert_eq!(attempt, attempts, "attempts count up one by one");
                        prop_assert!(attempts <= max_attempts && enabled, "invariant 3");
                    }
                    Output::State(ConnectionState::Connected) => attempts = 0,
                    _ => {}
                }
            }
            if machine.attempt() == 0 {
                attempts = 0;
            }
        }
    }
}
