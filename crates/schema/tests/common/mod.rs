//! Random good events, generated from the tables, and their many spellings. Must not share code with the parser.
#![allow(dead_code, reason = "every test binary takes its own part of this")]

use durable_sessions_schema::{ENVELOPE, EVENTS, EventSpec, FieldSpec, Kind, StructSpec};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// JSON that remembers the order of fields and how numbers are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A number or a literal, as written.
    Raw(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

pub(crate) fn text(s: &str) -> Node {
    Node::Text(s.to_owned())
}

pub(crate) fn raw(s: &str) -> Node {
    Node::Raw(s.to_owned())
}

impl Node {
    pub(crate) fn entry(&mut self, name: &str) -> Option<&mut Node> {
        match self {
            Self::Object(fields) => fields.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn fields(&mut self) -> &mut Vec<(String, Node)> {
        match self {
            Self::Object(fields) => fields,
            other => panic!("not an object: {other:?}"),
        }
    }
}

/// Any JSON value that the parser takes.
pub(crate) fn any_json() -> BoxedStrategy<Node> {
    let leaf = prop_oneof![
        number(),
        any::<String>().prop_map(Node::Text),
        "[a-z é😀\"\\\\/]{0,30}".prop_map(Node::Text),
        prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(raw),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Node::Array),
            vec((key(), inner), 0..5).prop_map(|fields| Node::Object(unique(fields))),
        ]
    })
    .boxed()
}

/// Numbers in their many spellings, all of them below 1e308.
pub(crate) fn number() -> BoxedStrategy<Node> {
    prop_oneof![
        integer(),
        any::<i64>().prop_map(|n| Node::Raw(n.to_string())),
        (-1e300..1e300_f64).prop_map(|n| Node::Raw(n.to_string())),
        prop::sample::select(vec![
            "-0",
            "0.0",
            "1e2",
            "1E+5",
            "12.5e-3",
            "0e999",
            "0.1e-4000",
            "99999999999999999999",
            "9.99e307",
            "-1e307",
            "0.00000000000000000001e320",
        ])
        .prop_map(raw),
    ]
    .boxed()
}

pub(crate) fn integer() -> BoxedStrategy<Node> {
    prop_oneof![Just(0), Just(1), Just((1 << 53) - 1), 0..1_u64 << 53]
        .prop_map(|n: u64| Node::Raw(n.to_string()))
        .boxed()
}

fn key() -> BoxedStrategy<String> {
    prop_oneof![
        "zz[a-zA-Z0-9]{0,8}",
        "zz[é\"\\\\ .\\[\\]]{1,5}",
        any::<String>().prop_map(|s| format!("zz{s}"))
    ]
    .boxed()
}

fn unique(fields: Vec<(String, Node)>) -> Vec<(String, Node)> {
    let mut kept: Vec<(String, Node)> = Vec::new();
    for (name, value) in fields {
        if kept.iter().all(|(other, _)| *other != name) {
            kept.push((name, value));
        }
    }
    kept
}

/// A value of this kind.
pub(crate) fn of_kind(kind: Kind) -> BoxedStrategy<Node> {
    match kind {
        Kind::Text => prop_oneof![any::<String>(), "[ -~]{0,60}", "\\PC{0,20}"].prop_map(Node::Text).boxed(),
        Kind::Id => {
            prop_oneof!["[a-z0-9-]{1,40}", "\\PC{1,20}", "é{256}", "[ -~]{256}"].prop_map(Node::Text).boxed()
        }
        Kind::EventType => unreachable!("the envelope writes its own type"),
        Kind::SessionId => "[A-Za-z0-9_-]{1,100}".prop_map(Node::Text).boxed(),
        Kind::Integer => integer(),
        Kind::Number => number(),
        Kind::Bool => prop_oneof![Just(raw("true")), Just(raw("false"))].boxed(),
        Kind::Enum(spec) => prop::sample::select(spec.values).prop_map(text).boxed(),
        Kind::Any => any_json(),
        Kind::Payload => any_json(),
        Kind::Object => {
            vec((key(), any_json()), 0..4).prop_map(|fields| Node::Object(unique(fields))).boxed()
        }
        Kind::Struct(spec) => object(spec),
        Kind::Nullable(inner) => prop_oneof![Just(raw("null")), of_kind(*inner)].boxed(),
        Kind::List(inner) => vec(of_kind(*inner), 0..4).prop_map(Node::Array).boxed(),
        Kind::SchemaVersion => Just(raw("1")).boxed(),
    }
}

/// A field under one of its names, or its absence.
fn field(field: &'static FieldSpec, value: BoxedStrategy<Node>) -> BoxedStrategy<Option<(String, Node)>> {
    let names: Vec<&'static str> =
        std::iter::once(field.name.as_str()).chain(field.aliases.iter().copied()).collect();
    let present =
        (prop::sample::select(names), value).prop_map(|(name, value)| Some((name.to_owned(), value)));
    if field.required { present.boxed() } else { prop_oneof![1 => Just(None), 1 => present].boxed() }
}

/// An object by its table, with unknown and ignored fields, in any order.
pub(crate) fn object(spec: &'static StructSpec) -> BoxedStrategy<Node> {
    let known = spec.fields.iter().map(|f| field(f, of_kind(f.kind))).collect();
    with_unknown(known, spec.ignored)
}

fn with_unknown(
    known: Vec<BoxedStrategy<Option<(String, Node)>>>,
    ignored: &'static [&'static str],
) -> BoxedStrategy<Node> {
    let ignored = ignored.iter().map(|name| {
        prop_oneof![3 => Just(None), 1 => any_json().prop_map(move |value| Some(((*name).to_owned(), value)))].boxed()
    });
    let known: Vec<_> = known.into_iter().chain(ignored).collect();
    let unknown = prop_oneof![2 => Just(Vec::new()), 1 => vec((key(), any_json()), 0..3)];
    (known, unknown)
        .prop_map(|(known, unknown)| known.into_iter().flatten().chain(unique(unknown)).collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(Node::Object)
        .boxed()
}

/// A good event of this type.
pub(crate) fn event(spec: &'static EventSpec) -> BoxedStrategy<Node> {
    envelope(&Just(spec.event_type.to_owned()).boxed(), &object(spec.payload))
}

fn envelope(event_type: &BoxedStrategy<String>, data: &BoxedStrategy<Node>) -> BoxedStrategy<Node> {
    let known = ENVELOPE.fields.iter().map(|f| {
        let value = match f.kind {
            Kind::EventType => event_type.clone().prop_map(Node::Text).boxed(),
            Kind::Payload => data.clone(),
            kind => of_kind(kind),
        };
        field(f, value)
    });
    with_unknown(known.collect(), &[])
}

/// A good event of any type of the catalogue.
pub(crate) fn known_event() -> BoxedStrategy<(&'static EventSpec, Node)> {
    (0..EVENTS.len()).prop_flat_map(|i| (Just(&EVENTS[i]), event(&EVENTS[i]))).boxed()
}

/// A good event, its type perhaps unknown.
pub(crate) fn any_event() -> BoxedStrategy<Node> {
    let unknown = envelope(&"zz:[a-z]{1,20}".boxed(), &any_json());
    prop_oneof![6 => known_event().prop_map(|(_, node)| node), 1 => unknown].boxed()
}

/// How to write JSON down: where whitespace goes and which characters are escaped is drawn from the number.
pub(crate) struct Style(u64);

impl Style {
    /// No whitespace, no needless escapes.
    pub(crate) fn plain() -> Self {
        Self(0)
    }

    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn draw(&mut self, sides: u64) -> u64 {
        if self.0 == 0 {
            return 0;
        }
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) | 1;
        (self.0 >> 33) % sides
    }

    fn space(&mut self, out: &mut String) {
        match self.draw(8) {
            5 => out.push(' '),
            6 => out.push_str("\r\n\t"),
            7 => out.push('\n'),
            _ => {}
        }
    }

    fn string(&mut self, s: &str, out: &mut String) {
        out.push('"');
        for c in s.chars() {
            let escape = self.draw(16) == 15;
            match c {
                '"' | '\\' if !escape => {
                    out.push('\\');
                    out.push(c);
                }
                '\n' if !escape => out.push_str("\\n"),
                '\u{8}' if !escape => out.push_str("\\b"),
                '/' if escape => out.push_str("\\/"),
                c if escape || c < ' ' => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let hex = if self.draw(2) == 0 {
                            format!("\\u{unit:04x}")
                        } else {
                            format!("\\u{unit:04X}")
                        };
                        out.push_str(&hex);
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }

    fn node(&mut self, node: &Node, out: &mut String) {
        match node {
            Node::Raw(raw) => out.push_str(raw),
            Node::Text(s) => self.string(s, out),
            Node::Array(items) => {
                out.push('[');
                self.space(out);
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                        self.space(out);
                    }
                    self.node(item, out);
                    self.space(out);
                }
                out.push(']');
            }
            Node::Object(fields) => {
                out.push('{');
                self.space(out);
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                        self.space(out);
                    }
                    self.string(name, out);
                    self.space(out);
                    out.push(':');
                    self.space(out);
                    self.node(value, out);
                    self.space(out);
                }
                out.push('}');
            }
        }
    }

    pub(crate) fn write(&mut self, node: &Node) -> String {
        let mut out = String::new();
        self.space(&mut out);
        self.node(node, &mut out);
        self.space(&mut out);
        out
    }
}

/// The event as its readers should see it: aliases under the field's name, ignored fields gone.
pub(crate) fn canonical(value: &mut Value, spec: &StructSpec, payload: Option<&'static StructSpec>) {
    let Value::Object(object) = value else { return };
    for name in spec.ignored {
        object.remove(*name);
    }
    for field in spec.fields {
        for alias in field.aliases {
            if let Some(value) = object.remove(*alias) {
                object.insert(field.name.to_string(), value);
            }
        }
        let Some(value) = object.get_mut(field.name.as_str()) else { continue };
        match (field.kind, payload) {
            (Kind::Struct(inner), _) => canonical(value, inner, None),
            (Kind::Payload, Some(inner)) => canonical(value, inner, None),
            _ => {}
        }
    }
}

/// The same value with every number as a float, so that 5 and 5.0 are equal.
pub(crate) fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, floats(value))).collect(),
        other => other,
    }
}

/// So many cases (more with `PROPTEST_CASES`), seeds printed rather than kept in files.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { cases };
    ProptestConfig {
        cases,
        max_global_rejects: cases * 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
