//! Whose a stream is, as its attributes say. Must not know what else a session row holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use durable_sessions_schema::ProjectId;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::Role;
use crate::identity::Identity;

/// The members of a stream's attributes that access is decided by. A session row has them among others; other
/// streams have these alone, and streams made by who may do everything have none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ownership {
    /// The tenant it belongs to.
    #[serde(default)]
    pub(crate) project_id: Option<ProjectId>,
    /// The subject that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Who else is what in it, by subject. A role that is not known, as of a later version, gives no rights and takes
    /// none from others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "known_roles")]
    pub(crate) members: BTreeMap<String, Role>,
}

fn known_roles<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Role>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Known(Role),
        Other(IgnoredAny),
    }
    let stored = BTreeMap::<String, Stored>::deserialize(from)?;
    let known = stored.into_iter().filter_map(|(subject, role)| match role {
        Stored::Known(role) => Some((subject, role)),
        Stored::Other(_) => None,
    });
    Ok(known.collect())
}

/// Attributes that are there and say nothing that can be read. Nobody but who may do everything gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attributes of the stream cannot be read")]
pub(crate) struct UnreadableOwnership;

impl Ownership {
    /// What a stream made by this caller begins with: its project, and it as the owner.
    pub(crate) fn of_creator(caller: &Identity) -> Self {
        Self {
            project_id: caller.project.clone(),
            owner: Some(caller.subject.to_string()),
            members: BTreeMap::new(),
        }
    }

    /// As stored. A stream without attributes belongs to nobody.
    pub(crate) fn of_attributes(attributes: Option<&[u8]>) -> Result<Self, UnreadableOwnership> {
        match attributes {
            None | Some([]) => Ok(Self::default()),
            Some(stored) => serde_json::from_slice(stored).map_err(|_| UnreadableOwnership),
        }
    }

    /// As attributes of a stream that has no others.
    pub(crate) fn to_attributes(&self) -> Bytes {
        // A struct of strings always has a JSON form.
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// What a subject was given in it.
    pub(crate) fn role_of(&self, subject: &str) -> Option<Role> {
        if self.owner.as_deref() == Some(subject) {
            return Some(Role::Owner);
        }
        self.members.get(subject).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_row_says_whose_it_is() {
        let row =
            br#"{"status":"active","projectId":"p","owner":"ada","members":{"bob":"viewer"},"title":"x"}"#;
        let ownership = Ownership::of_attributes(Some(row)).unwrap();
        assert_eq!(ownership.project_id.as_ref().map(ProjectId::as_str), Some("p"));
        assert_eq!(ownership.role_of("ada"), Some(Role::Owner));
        assert_eq!(ownership.role_of("bob"), Some(Role::Viewer));
        assert_eq!(ownership.role_of("eve"), None);
        assert_eq!(Ownership::of_attributes(Some(&ownership.to_attributes())), Ok(ownership));
        assert_eq!(Ownership::of_attributes(Some(br#"{"projectId":null}"#)), Ok(Ownership::default()));
    }

    #[test]
    fn a_role_of_a_later_version_gives_nothing_and_takes_nothing() {
        let row = br#"{"owner":"ada","members":{"bob":"king","eve":{"role":"viewer"},"dan":"viewer"}}"#;
        let ownership = Ownership::of_attributes(Some(row)).unwrap();
        assert_eq!(ownership.role_of("ada"), Some(Role::Owner));
        assert_eq!((ownership.role_of("bob"), ownership.role_of("eve")), (None, None));
        assert_eq!(ownership.role_of("dan"), Some(Role::Viewer));
    }

    #[test]
    fn what_cannot_be_read_is_not_open_to_everybody() {
        for bad in ["{", "7", r#"{"members":"bob"}"#, r#"{"projectId":""}"#] {
            assert_eq!(Ownership::of_attributes(Some(bad.as_bytes())), Err(UnreadableOwnership), "{bad}");
        }
    }
}
