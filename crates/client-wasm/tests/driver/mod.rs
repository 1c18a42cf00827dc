//! The driver on a real event loop with a scripted network; the same in browsers and in Node. How the facade carries
//! requests out is tested in `pkg/test`.

use durable_sessions_client_wasm::{Connection, ConnectionHooks};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen(module = "/tests/driver/hooks.js")]
extern "C" {
    type Script;
    fn script(answers: &str) -> Script;
    fn attach(target: &Script, connection: &JsValue, memory: &JsValue);
    fn release(target: &Script);
    #[wasm_bindgen(catch)]
    async fn until(condition: &Closure<dyn Fn() -> bool>) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn quiet(target: &Script) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn queries(this: &Script) -> Vec<String>;
    #[wasm_bindgen(method, getter)]
    fn refreshed(this: &Script) -> Vec<JsValue>;
    #[wasm_bindgen(method, getter)]
    fn notices(this: &Script) -> Vec<String>;
    #[wasm_bindgen(method, getter)]
    fn words(this: &Script) -> Vec<i32>;
    #[wasm_bindgen(method, getter)]
    fn aborted(this: &Script) -> u32;
    #[wasm_bindgen(method)]
    fn values(this: &Script) -> String;
    #[wasm_bindgen(method)]
    fn states(this: &Script) -> String;
    #[wasm_bindgen(method)]
    fn count(this: &Script, prefix: &str) -> u32;

    #[wasm_bindgen(extends = js_sys::Object)]
    type Held;
    #[wasm_bindgen(method)]
    fn signal(this: &Held, what: u8);
}

const EVENT: &str = r#"{"id":"e1","type":"chunk","timestamp":5,"data":{"text":"hé"}}"#;

fn open(cursor: &str, hooks: ConnectionHooks) -> Option<Connection> {
    Connection::open(cursor, 0.0, true, 1.0, 1.0, 1.0, 2.0, false, 0.0, 1e6, 1.0, hooks)
}

/// A connection with two attempts and no delays, and its script.
fn connect(answers: &str) -> (Held, Script) {
    let script = script(answers);
    let hooks: ConnectionHooks = script.unchecked_ref::<JsValue>().clone().unchecked_into();
    let connection = open("", hooks).unwrap();
    let held: Held = JsValue::from(connection).unchecked_into();
    attach(&script, &held, &wasm_bindgen::memory());
    held.signal(0);
    (held, script)
}

async fn wait(script: &Script, reached: impl Fn(&Script) -> bool + 'static) {
    let script: Script = script.unchecked_ref::<JsValue>().clone().unchecked_into();
    let condition = Closure::new(move || reached(&script));
    until(&condition).await.unwrap();
}

fn answer(body: &str, piece: u32, open: bool) -> String {
    let body = js_sys::JSON::stringify(&body.into()).unwrap();
    format!(r#"{{"body":{},"piece":{piece},"open":{open}}}"#, String::from(body))
}

fn stream(count: u32) -> String {
    format!(
        "event: data\ndata: [{EVENT}]\n\nevent: control\ndata: {{\"streamNextOffset\":\"c{count}\",\"streamMessageCount\":{count}}}\n\n"
    )
}

#[wasm_bindgen_test]
async fn a_batch_carries_words_and_texts_however_the_body_is_cut() {
    for piece in [1, 7, 100_000] {
        let (_held, script) = connect(&format!("[{}]", answer(&stream(1), piece, true)));
        wait(&script, |script| script.values().contains("c1")).await;
        let values = script.values();
        assert!(values == "e1c1 hé" || values == "e1 hé c1", "{values}");
        // A position, an event with id, timestamp and text; a control with its cursor, and with its offset where it is
        // in another batch than the event.
        let absent = i32::MIN;
        let event = [252, 0, 0, 2, 5, !2, absent, absent, absent];
        let control: &[i32] = if piece > 1_000 { &[253, 2] } else { &[253 | 1 << 10, 2, 1] };
        assert_eq!(script.words(), [&event[..], control].concat());
        assert_eq!(script.states(), "state connecting,state connected");
        release(&script);
    }
}

#[wasm_bindgen_test]
async fn the_cap_ends_in_lost_and_reconnect_resumes() {
    let answers = format!("[{},503,503,{}]", answer(&stream(1), 50, false), answer(": ping\n\n", 50, true));
    // Rotation takes the first 503, two attempts follow: one more 503, and then the ping.
    let (_held, script) = connect(&answers);
    wait(&script, |script| script.count("state connected") == 2).await;
    assert_eq!(script.count("reconnected"), 1);
    release(&script);

    let (held, script) = connect(&format!("[{},503,500,404]", answer(&stream(1), 50, false)));
    wait(&script, |script| script.count("lost") == 1).await;
    quiet(&script).await.unwrap();
    assert_eq!(script.queries().len(), 4, "no request leaves any more");
    assert!(script.notices().contains(&"error 1 3 404".to_owned()), "{:?}", script.notices());
    held.signal(1);
    wait(&script, |script| script.count("lost") == 2).await;
    assert_eq!(script.queries()[4], "c1");
    release(&script);
}

#[wasm_bindgen_test]
async fn a_401_asks_for_a_fresh_token_once() {
    let (_held, script) = connect("[401,401]");
    wait(&script, |script| script.count("lost") == 1).await;
    let refreshed: Vec<bool> = script.refreshed().iter().map(JsValue::is_truthy).collect();
    assert_eq!(refreshed, [false, true]);
    assert!(script.notices().contains(&"error 1 3 401".to_owned()), "{:?}", script.notices());
    release(&script);
}

#[wasm_bindgen_test]
async fn closing_aborts_and_nothing_is_called_afterwards() {
    let (_held, script) = connect(&format!("[{}]", answer(&stream(1), 50, true)));
    wait(&script, |script| script.values().contains("c1")).await;
    release(&script);
    let (notices, texts) = (script.notices().len(), script.values());
    assert_eq!(script.aborted(), 1);
    quiet(&script).await.unwrap();
    assert_eq!((script.notices().len(), script.values()), (notices, texts));
}

#[wasm_bindgen_test]
fn a_malformed_cursor_is_refused() {
    let hooks = || -> ConnectionHooks { script("[]").unchecked_into::<JsValue>().unchecked_into() };
    assert!(open(&"x".repeat(1000), hooks()).is_none());
    assert!(open("c1", hooks()).is_some());
}
