use proptest::prelude::*;

use super::*;
use crate::conformance::model::ModelStream;
use crate::engines_conform::random::append;
use crate::{Append, AppendError, Appended};

const LIMITS: AppendLimits = AppendLimits { attributes_bytes_max: 1_000, stream_seq_len_max: 100 };

/// Drives the core as a store does.
fn drive(
    state: &mut StreamState,
    producers: &mut std::collections::HashMap<String, ProducerState>,
    append: &Append,
) -> Result<Appended, AppendError> {
    let id = append.producer.as_ref().map(|claim| claim.id.to_string());
    let producer = id.as_ref().and_then(|id| producers.get(id).copied());
    match admit(state, append, producer, &LIMITS)? {
        Decision::Answer(answer) => Ok(answer),
        Decision::Change(change) => {
            state.apply(append, &change);
            if let (Some(id), Some(producer)) = (id, change.producer) {
                producers.insert(id, producer);
            }
            Ok(change.appended(state.closed))
        }
    }
}

proptest! {
    #[test]
    fn the_core_decides_as_the_naive_model(appends in proptest::collection::vec(append(), 1..80)) {
        let mut state = StreamState::new(ContentType::json(), 0);
        let mut producers = std::collections::HashMap::new();
        let mut model = ModelStream::default();
        for append in &appends {
            let before = state.clone();
            let got = drive(&mut state, &mut producers, append);
            let expected = model.append(append);
            prop_assert_eq!(format!("{:?}", got), format!("{:?}", expected), "{:?}", append);
            if got.as_ref().map_or(true, |appended| appended.duplicate) {
                prop_assert_eq!(before, state.clone());
            }
            prop_assert_eq!(state.next, model.messages.len() as u64);
            prop_assert_eq!(state.closed, model.closed());
        }
    }
}

fn message() -> Append {
    let batch = crate::Batch::message(bytes::Bytes::from_static(b"1")).unwrap();
    Append { batch: Some(batch), ..Append::default() }
}

#[test]
fn what_is_gone_or_at_its_end_takes_nothing() {
    let admitted = |state: &StreamState, append: &Append| admit(state, append, None, &LIMITS);
    let mut state = StreamState::new(ContentType::json(), u64::MAX - 2);
    assert!(admitted(&state, &message()).is_ok());
    state.next += 1;
    assert!(matches!(admitted(&state, &message()), Err(AppendError::Full(_))));
    state.next = 5;
    let long = Append { stream_seq: Some(vec![b'x'; 101].into()), ..message() };
    assert!(matches!(admitted(&state, &long), Err(AppendError::Full(_))));
    state.tail_damaged = true;
    assert!(matches!(admitted(&state, &message()), Err(AppendError::Unavailable(_))));
    assert!(admitted(&state, &Append { close: true, ..Append::default() }).is_ok());
    state.deletion = Deletion::Soft;
    assert!(matches!(admitted(&state, &message()), Err(AppendError::Gone)));
    state.deletion = Deletion::Gone;
    assert!(matches!(admitted(&state, &message()), Err(AppendError::NotFound)));
}
