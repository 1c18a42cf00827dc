//! The members of a JSON object as they came, byte by byte and in order. Must not know what they mean.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Names, decoded, and values, as they came. A name may stand more than once.
#[derive(Debug)]
pub(crate) struct Members<'j>(pub(crate) Vec<(Cow<'j, str>, &'j RawValue)>);

impl<'j> Members<'j> {
    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&'j RawValue> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }
}

impl<'j, 'de: 'j> Deserialize<'de> for Members<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    members.push((Cow::Owned(name), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
