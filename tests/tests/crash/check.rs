//! Compares a server that was started again with what its predecessors acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use durable_sessions_tests::Connection;

use crate::ledger::{AppendKey, Ledger, Message, Short, Step};
use crate::workload::{
    JSON, PRODUCERS, RETAINED, STREAMS, TRIMMED, close, messages_of, offset_of, produce, stream_of,
};

/// Checks everything of the last round, and what all rounds share; with `all_rounds` also the short streams of all.
pub(crate) async fn everything(server: SocketAddr, ledger: &mut Ledger, round: u64, all_rounds: bool) {
    let mut connection = Connection::open(server).await.unwrap();
    let mut found = BTreeMap::new();
    for n in 0..STREAMS {
        shared(&mut connection, &format!("shared/{n}"), ledger, &mut found).await;
    }
    for key in ledger.all.appends.keys() {
        assert!(found.contains_key(key), "lost: {key:?}");
    }
    // What was under way is decided now: what is there stays, what is not there never comes.
    let decided = std::mem::take(&mut ledger.all.under_way);
    for key in decided {
        if let Some(end) = found.get(&key) {
            ledger.unacknowledged += 1;
            ledger.all.appends.insert(key, *end);
        }
    }
    for writer in 0..PRODUCERS {
        producer(&mut connection, writer, round, ledger).await;
    }
    let from = if all_rounds { 0 } else { ledger.newest_short };
    for short in &ledger.all.shorts[from..] {
        short_life(&mut connection, short).await;
    }
    trimmed(&mut connection, ledger).await;
}

/// The content of a stream from its beginning, page by page, as numbers or whatever the messages are.
async fn read<T: serde::de::DeserializeOwned>(connection: &mut Connection, path: &str) -> Vec<T> {
    let (mut all, mut offset) = (Vec::new(), "-1".to_owned());
    loop {
        let page = connection.send("GET", &format!("{path}?offset={offset}"), &[], "").await.unwrap();
        assert_eq!(page.status, 200, "{path}: {}", String::from_utf8_lossy(&page.body));
        all.extend(serde_json::from_slice::<Vec<T>>(&page.body).unwrap());
        offset = page.header("stream-next-offset").unwrap().to_owned();
        if page.header("stream-up-to-date").is_some() {
            return all;
        }
    }
}

/// Whole appends, each once, none that was not sent, those of one writer in order and without gaps, and where they
/// were acknowledged. Adds what was found, with the offset behind it.
async fn shared(
    connection: &mut Connection,
    path: &str,
    ledger: &mut Ledger,
    found: &mut BTreeMap<AppendKey, u64>,
) {
    let all: Vec<Message> = read(connection, path).await;
    ledger.messages_checked += all.len() as u64;
    let mut next_numbers: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut at = 0;
    while at < all.len() {
        let (writer, round, number, place, len, _) = all[at];
        let key = (writer, round, number);
        assert_eq!((place, stream_of(writer)), (0, path.to_owned()), "not the start of an append: {key:?}");
        let end = at + len as usize;
        assert!(end <= all.len() && all[at..end] == messages_of(key), "not whole: {key:?}");
        let next = next_numbers.entry((writer, round)).or_default();
        assert_eq!(number, *next, "out of order, doubled or lost: {key:?}");
        *next += 1;
        match ledger.all.appends.get(&key) {
            Some(acknowledged) => {
                assert_eq!(*acknowledged, end as u64, "not where it was acknowledged: {key:?}");
            }
            None => assert!(ledger.all.under_way.contains(&key), "never sent, or gone before: {key:?}"),
        }
        assert!(found.insert(key, end as u64).is_none());
        at = end;
    }
}

/// A retry is a duplicate, a gap is refused with what is expected, the next is accepted, an older epoch is fenced off.
async fn producer(connection: &mut Connection, writer: u64, round: u64, ledger: &mut Ledger) {
    let range = (writer, round, 0)..(writer, round + 1, 0);
    let Some((&(_, _, last), _)) = ledger.all.appends.range(range).next_back() else { return };
    let before: BTreeSet<u64> = [last, last / 2, 0].into();
    for number in before {
        let retried = produce(connection, (writer, round, number)).await.unwrap();
        assert_eq!(
            (retried.status, retried.header("producer-seq")),
            (204, Some(&*last.to_string())),
            "{writer}"
        );
    }
    let gap = produce(connection, (writer, round, last + 2)).await.unwrap();
    assert_eq!(
        (gap.status, gap.header("producer-expected-seq")),
        (409, Some(&*(last + 1).to_string())),
        "writer {writer} in round {round}: {gap:?}"
    );
    let next = produce(connection, (writer, round, last + 1)).await.unwrap();
    assert_eq!(next.status, 200, "{next:?}");
    ledger.all.appends.insert((writer, round, last + 1), offset_of(&next));
    if let Some(old) = round.checked_sub(1) {
        let stale = produce(connection, (writer, old, 0)).await.unwrap();
        assert_eq!((stale.status, stale.header("producer-epoch")), (403, Some(&*round.to_string())));
    }
}

/// Every step that was acknowledged is done, and none but the one under way may be done beyond it.
async fn short_life(connection: &mut Connection, short: &Short) {
    let Short { name, under_way, done } = short;
    let (stream, fork) = (format!("short/{name}"), format!("fork/{name}"));
    let possible = |step: Step| *done >= step || *under_way == step;
    let head = connection.send("HEAD", &stream, &[], "").await.unwrap();
    let forked = connection.send("HEAD", &fork, &[], "").await.unwrap().status == 200;
    assert!(forked || *done < Step::Forked, "the fork {name} is lost");
    assert!(!forked || possible(Step::Forked), "the fork {name} was not asked for");
    match head.status {
        200 => {
            assert!(*done < Step::Deleted && possible(Step::Created), "{short:?}");
            let closed = head.header("stream-closed") == Some("true");
            assert!(closed || *done < Step::Closed, "{name} was closed");
            assert!(!closed || possible(Step::Closed), "{name} was not closed");
            let content: Vec<u64> = read(connection, &stream).await;
            assert_eq!(content, if closed { &[1, 2, 3][..] } else { &[1, 2] });
            if closed {
                let again = close(connection, name).await.unwrap();
                assert_eq!((again.status, again.header("stream-closed")), (204, Some("true")), "{again:?}");
                let late = connection.send("POST", &stream, &[JSON], "[9]").await.unwrap();
                assert_eq!((late.status, late.header("stream-closed")), (409, Some("true")), "{late:?}");
            }
        }
        // Gone, or hidden for its fork.
        404 | 410 => {
            let never = *done == Step::Nothing && !forked;
            assert!(never || possible(Step::Deleted), "{name} is lost");
            assert!(never || head.status == 410, "a deleted source with a fork is gone, not unknown");
        }
        other => panic!("{name}: {other}"),
    }
    if forked {
        let content: Vec<u64> = read(connection, &fork).await;
        let written = content.len() > 2;
        assert!(written || *done < Step::ForkWritten, "what was written to the fork {name} is lost");
        assert!(!written || possible(Step::ForkWritten));
        assert_eq!(content, if written { &[1, 2, 4, 5][..] } else { &[1, 2] });
    }
}

/// The trim point does not go back, nothing acknowledged behind it is missing, and what is there is at its position.
async fn trimmed(connection: &mut Connection, ledger: &Ledger) {
    let head = connection.send("HEAD", TRIMMED, &[], "").await.unwrap();
    let first = head.header("stream-first-offset").map_or(0, |first| first.parse().unwrap());
    let tail = offset_of(&head);
    assert!(first >= ledger.all.trimmed_to, "{first} is before {}", ledger.all.trimmed_to);
    assert!(tail >= ledger.all.trimmed_tail, "{tail} is before {}", ledger.all.trimmed_tail);
    assert!(tail - first >= RETAINED.min(tail), "more was trimmed than retention says: {first} of {tail}");
    let content: Vec<u64> = read(connection, TRIMMED).await;
    let begins = content.first().copied().unwrap_or(tail);
    assert!(begins >= first);
    assert_eq!(content, (begins..tail).collect::<Vec<_>>());
    if let Some(trimmed) = first.checked_sub(1) {
        let gone = connection.send("GET", &format!("{TRIMMED}?offset={trimmed:020}"), &[], "").await.unwrap();
        assert_eq!(gone.status, 410);
    }
}
