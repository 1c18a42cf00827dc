//! Once warm, the parser allocates nothing, however many events pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]
#![expect(
    unsafe_code,
    reason = "counting allocations takes a global allocator; it only forwards to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use durable_sessions_schema::{Parser, Verdict};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to `System` unchanged; counting touches a plain thread-local cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on; all memory comes from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated_per_event() {
    let event = r#"{"id":"e-1","type":"tool:result","timestamp":1700000000000,"data":{"toolCallId":"c","toolName":"bash",
        "result":{"deep":[[[["é"]]]]},"unknown":1,"another":{"a":[]},"durationMs":1.5},"meta":{"schemaVersion":1,"eventId":"e-1"},"x":1}"#;
    let late = r#"{"data":{"text":"comes first","turn":3},"timestamp":1,"type":"chunk","id":"2"}"#;
    let text = format!("[{event},{late},{event}]");
    let mut parser = Parser::new();
    let mut fields = 0;
    let mut parse = |text: &str| {
        let count = parser.parse_messages(text.as_bytes(), &mut |verdict| match verdict {
            Verdict::Event(view) => fields += view.present_mask().count_ones() as usize + view.extras().len(),
            Verdict::Rejected { rejection, .. } => panic!("{rejection}"),
        });
        assert_eq!(count, Ok(3));
    };
    parse(&text);
    let warm = COUNT.get();
    assert!(warm > 0, "the counter counts");
    for _ in 0..100 {
        parse(&text);
    }
    assert_eq!(COUNT.get(), warm);
    assert_eq!(fields, 101 * (6 + 2 + 6));
}
