//! Reads the `.traj` files of SWE-agent: one JSON object with a list of steps. Lenient about what it does not
//! need, exact about where something it needs is wrong. Must not know events.

use serde_json::{Map, Value};

/// A recorded run of an agent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trajectory {
    pub(super) steps: Vec<Step>,
    /// `info.exit_status`, for example `submitted`.
    pub(super) exit_status: Option<String>,
    /// The model's name, where the recording has one.
    pub(super) model: Option<String>,
    /// `info.model_stats`, as it is.
    pub(super) usage: Option<Map<String, Value>>,
}

/// One turn: what the model said, what it ran, and what came back.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Step {
    pub(super) thought: String,
    pub(super) action: String,
    pub(super) observation: String,
    /// How long the action ran, in milliseconds, where it was recorded.
    pub(super) duration_ms: Option<u64>,
}

/// Why a text is no trajectory.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum TrajectoryError {
    /// Not JSON.
    #[error("line {line}, column {column}: not JSON: {reason}")]
    NotJson { line: usize, column: usize, reason: String },
    /// JSON of another shape.
    #[error("not a .traj file: {missing}")]
    OtherShape { missing: &'static str },
    /// A step that is not an object.
    #[error("step {step}: expected an object, got {got}")]
    StepShape { step: usize, got: &'static str },
    /// A field of a step has a value that cannot be used.
    #[error("step {step}, field \"{field}\": expected {expected}, got {got}")]
    Field { step: usize, field: &'static str, expected: &'static str, got: String },
}

impl TrajectoryError {
    /// Whether the file is a trajectory, with something wrong in a step.
    pub(super) fn is_about_steps(&self) -> bool {
        matches!(self, Self::StepShape { .. } | Self::Field { .. })
    }
}

/// Longest pause that an `execution_time` may give: a day. More is a damaged recording.
const EXECUTION_SECONDS_MAX: f64 = 86_400.0;

impl Trajectory {
    /// Reads a whole file. Steps are numbered from 1 in errors.
    pub(super) fn parse(json: &[u8]) -> Result<Self, TrajectoryError> {
        let root: Value = serde_json::from_slice(json).map_err(|error| TrajectoryError::NotJson {
            line: error.line(),
            column: error.column(),
            reason: reason_without_place(&error),
        })?;
        let Value::Object(mut root) = root else {
            return Err(TrajectoryError::OtherShape { missing: "the top level is not an object" });
        };
        let Some(Value::Array(steps)) = root.remove("trajectory") else {
            return Err(TrajectoryError::OtherShape { missing: "it has no list \"trajectory\"" });
        };
        let steps = steps
            .into_iter()
            .enumerate()
            .map(|(index, step)| Step::read(index + 1, step))
            .collect::<Result<Vec<_>, _>>()?;
        let info = root.remove("info").unwrap_or_default();
        Ok(Self {
            steps,
            exit_status: info.get("exit_status").and_then(Value::as_str).map(str::to_owned),
            model: model_name(&root, &info),
            usage: info.get("model_stats").and_then(Value::as_object).cloned(),
        })
    }
}

impl Step {
    fn read(number: usize, step: Value) -> Result<Self, TrajectoryError> {
        let Value::Object(mut fields) = step else {
            return Err(TrajectoryError::StepShape { step: number, got: kind_of(&step) });
        };
        let mut text = |field: &'static str| match fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(TrajectoryError::Field {
                step: number,
                field,
                expected: "a text",
                got: kind_of(&other).to_owned(),
            }),
        };
        let (thought, response) = (text("thought")?, text("response")?);
        Ok(Self {
            // Some versions leave `thought` out when the model's answer was nothing but its thought.
            thought: thought.or(response).unwrap_or_default(),
            action: text("action")?.unwrap_or_default(),
            observation: text("observation")?.unwrap_or_default(),
            duration_ms: duration_ms(number, fields.remove("execution_time"))?,
        })
    }

    /// The tool that the action calls: its first word. An action without one calls nothing.
    pub(super) fn tool(&self) -> Option<&str> {
        self.action.split_whitespace().next()
    }
}

fn duration_ms(step: usize, seconds: Option<Value>) -> Result<Option<u64>, TrajectoryError> {
    let wrong = |got: String| TrajectoryError::Field {
        step,
        field: "execution_time",
        expected: "seconds from 0 to 86400",
        got,
    };
    let value = match seconds {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    match value.as_f64() {
        Some(seconds) if (0.0..=EXECUTION_SECONDS_MAX).contains(&seconds) => {
            // In range, so the cast neither wraps nor loses a sign.
            Ok(Some((seconds * 1000.0).round() as u64))
        }
        Some(seconds) => Err(wrong(seconds.to_string())),
        None => Err(wrong(kind_of(&value).to_owned())),
    }
}

/// The name lies in different places in different versions, and is absent in some.
fn model_name(root: &Map<String, Value>, info: &Value) -> Option<String> {
    let config = match root.get("replay_config") {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        other => other.cloned(),
    };
    let in_config = config.as_ref().and_then(|config| config.pointer("/agent/model/name"));
    in_config.or_else(|| info.get("model")).and_then(Value::as_str).map(str::to_owned)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// serde_json ends its messages with the place, which the caller says itself.
fn reason_without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_steps_and_totals() {
        let run = Trajectory::parse(
            br#"{"trajectory":[
                {"thought":"look","action":"ls -F\n","observation":"a\r\nb","execution_time":0.2396,"state":"{'a': 1}"},
                {"response":"only this","action":null}
            ],"info":{"exit_status":"submitted","model_stats":{"api_calls":2}},
            "replay_config":"{\"agent\":{\"model\":{\"name\":\"m-1\"}}}"}"#,
        )
        .unwrap();
        assert_eq!(run.steps[0].duration_ms, Some(240));
        assert_eq!(run.steps[0].tool(), Some("ls"));
        assert_eq!(run.steps[0].observation, "a\r\nb");
        assert_eq!(run.steps[1], Step { thought: "only this".to_owned(), ..Step::default() });
        assert_eq!(run.steps[1].tool(), None);
        assert_eq!(run.exit_status.as_deref(), Some("submitted"));
        assert_eq!(run.model.as_deref(), Some("m-1"));
        assert_eq!(run.usage.unwrap()["api_calls"], 2);
    }

    #[test]
    fn says_which_step_and_field_is_wrong() {
        for (json, expected) in [
            ("{\n\"trajectory\": [,]}", "line 2, column 16: not JSON: expected value"),
            ("[]", "not a .traj file: the top level is not an object"),
            ("{\"trajectory\":{}}", "not a .traj file: it has no list \"trajectory\""),
            ("{\"trajectory\":[{},7]}", "step 2: expected an object, got a number"),
            ("{\"trajectory\":[{\"action\":[]}]}", "step 1, field \"action\": expected a text, got a list"),
            (
                "{\"trajectory\":[{\"execution_time\":-1}]}",
                "step 1, field \"execution_time\": expected seconds from 0 to 86400, got -1",
            ),
            (
                "{\"trajectory\":[{\"execution_time\":\"1\"}]}",
                "step 1, field \"execution_time\": expected seconds from 0 to 86400, got a text",
            ),
        ] {
            assert_eq!(Trajectory::parse(json.as_bytes()).unwrap_err().to_string(), expected, "{json}");
        }
    }
}
