//! `replay`: fills a session with a recorded run, at the recorded pace or another. Must not know HTTP.

mod pace;
mod pieces;
mod run;
mod source;
mod trajectory;

use std::time::{Duration, Instant};

use durable_sessions_client::protocol::ContentType;
use durable_sessions_client::schema::AgentId;

use crate::args::{ReplayArgs, Speed};
use crate::event_ids::EventIds;
use crate::failure::Failure;
use crate::notice::{ProgressLine, notice};
use crate::output::Output;
use crate::recording::{self, RecordedEvent};
use crate::remote::{Remote, session_path};
use crate::wire;

use pace::{Pace, pauses_ms};
use run::{Draft, Names};
use source::Source;

pub(crate) use trajectory::TrajectoryError;

/// Events that may wait for acknowledgement.
const EVENTS_WAITING_MAX: usize = 4096;

/// An event that is ready to be sent, and how long to wait before it.
#[derive(Debug)]
struct Planned {
    pause: Duration,
    json: Vec<u8>,
}

/// Replays a file into a session.
pub(crate) async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let path = session_path(&args.session)?;
    let plan = plan(args, wire::now_ms())?;
    if args.dry_run {
        return write_recording(&args.session, &plan);
    }
    let remote = Remote::new(&args.connection)?;
    remote.check_writable(&path, Some(&ContentType::json())).await?;
    if !args.append && remote.has_messages(&path).await? {
        return Err(Failure::SessionNotEmpty { session: args.session.clone() });
    }
    let appender =
        remote.appender(&path, ContentType::json(), Some(args.connection.retry_for), EVENTS_WAITING_MAX)?;
    let mut progress = ProgressLine::new();
    let (began, total) = (Instant::now(), plan.len());
    // Due times add up from the start, so that slow sends do not stretch the run.
    let mut due = tokio::time::Instant::now();
    for (sent, event) in plan.into_iter().enumerate() {
        if !event.pause.is_zero() {
            due += event.pause;
            if due > tokio::time::Instant::now() {
                tokio::time::sleep_until(due).await;
            }
        }
        appender.append(&event.json).await?;
        progress.show(|| format!("{sent} of {total} events"));
    }
    appender.flush().await?;
    progress.clear();
    let seconds = began.elapsed().as_secs_f64();
    notice(&format!(
        "replayed {total} events of {} into session {} in {seconds:.1} s",
        args.file.display(),
        args.session
    ));
    Ok(())
}

fn plan(args: &ReplayArgs, now_ms: u64) -> Result<Vec<Planned>, Failure> {
    let pace = Pace { speed: args.speed, pause_max: args.pause_max };
    match source::load(&args.file, args.format)? {
        Source::Recording(events) => Ok(plan_recording(events, pace)),
        Source::Run(run) => {
            let agent: AgentId = args
                .agent_id
                .parse()
                .map_err(|reason| Failure::Usage { argument: "--agent-id", reason: format!("{reason}") })?;
            let mut ids = EventIds::random("replay")?;
            let drafts = run::drafts(&run, Names { agent: &agent, ids: &ids });
            Ok(plan_run(drafts, pace, now_ms, &mut ids))
        }
    }
}

fn plan_recording(events: Vec<RecordedEvent>, pace: Pace) -> Vec<Planned> {
    let pauses: Vec<u64> = pauses_ms(events.iter().map(|event| event.timestamp_ms)).collect();
    let planned =
        |(event, pause_ms): (RecordedEvent, u64)| Planned { pause: pace.pause(pause_ms), json: event.json };
    events.into_iter().zip(pauses).map(planned).collect()
}

/// Dates the events of a run. With a finite speed each carries the time at which it is sent. As fast as possible,
/// they are dated back, as if the run had just ended, so that its pauses stay visible.
fn plan_run(drafts: Vec<Draft>, pace: Pace, now_ms: u64, ids: &mut EventIds) -> Vec<Planned> {
    let dated = match pace.speed {
        Speed::Max => Pace { speed: Speed::Times(1.0), ..pace },
        Speed::Times(_) => pace,
    };
    let run_took: Duration = drafts.iter().map(|draft| dated.pause(draft.pause_ms)).sum();
    let mut at = match pace.speed {
        Speed::Max => Duration::from_millis(now_ms).saturating_sub(run_took),
        Speed::Times(_) => Duration::from_millis(now_ms),
    };
    let mut plan = Vec::with_capacity(drafts.len());
    for draft in drafts {
        at = at.saturating_add(dated.pause(draft.pause_ms));
        let timestamp_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let json = wire::event(ids.mint(), timestamp_ms, draft.payload);
        plan.push(Planned { pause: pace.pause(draft.pause_ms), json });
    }
    plan
}

fn write_recording(session: &str, plan: &[Planned]) -> Result<(), Failure> {
    let mut output = Output::lock();
    output.write(|out| recording::write_header(out, session))?;
    for event in plan {
        output.write(|out| recording::write_event(out, &event.json))?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use clap::Parser as _;
    use durable_sessions_client::schema::{Event, Payload};

    use super::*;
    use crate::args::{Cli, Command};

    fn args(file: &Path, speed: &str) -> ReplayArgs {
        let file = file.to_str().unwrap();
        let line = ["durable-sessions", "replay", file, "--session", "s", "--speed", speed];
        match Cli::parse_from(line).command {
            Command::Replay(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn events(plan: &[Planned]) -> Vec<Event> {
        plan.iter().map(|planned| Event::from_json(&planned.json).unwrap()).collect()
    }

    /// The recorded runs of other projects, where the machine has them.
    fn shared_runs() -> Vec<PathBuf> {
        let directory = std::env::var_os("DURABLE_SESSIONS_SHARED_DATA").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
            PathBuf::from,
        );
        let mut runs: Vec<PathBuf> = std::fs::read_dir(directory.join("trajectories"))
            .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
            .unwrap_or_default();
        runs.retain(|path| path.extension().is_some_and(|extension| extension == "traj"));
        runs.sort();
        runs
    }

    #[test]
    fn the_shared_runs_map_exactly() {
        let runs = shared_runs();
        if runs.is_empty() {
            println!("no shared runs on this machine: nothing compared");
        }
        for path in runs {
            let name = path.file_name().unwrap().to_string_lossy();
            let Source::Run(recorded) = source::load(&path, crate::args::Format::Auto).unwrap() else {
                panic!("{name} is a .traj file")
            };
            let events = events(&plan(&args(&path, "max"), 1_700_000_000_000).unwrap());
            println!("used {name}: {} steps, {} events", recorded.steps.len(), events.len());

            let mut ids = std::collections::BTreeSet::new();
            assert!(events.iter().all(|event| ids.insert(event.id.clone())), "{name}: ids are unique");
            assert!(events.is_sorted_by_key(|event| event.timestamp_ms), "{name}: time goes forward");
            let ends = 1_700_000_000_000 - 10..=1_700_000_000_000;
            assert!(ends.contains(&events.last().unwrap().timestamp_ms), "{name}: it has just ended");

            let mut texts = vec![String::new(); recorded.steps.len()];
            let (mut starts, mut results) = (Vec::new(), Vec::new());
            for event in events {
                match event.payload {
                    Payload::Chunk(chunk) => texts[chunk.turn.unwrap() as usize - 1] += &chunk.text,
                    Payload::ToolStart(start) => starts.push(start),
                    Payload::ToolResult(result) => results.push(result),
                    _ => {}
                }
            }
            assert_eq!((starts.len(), results.len()), (recorded.steps.len(), recorded.steps.len()), "{name}");
            for (index, step) in recorded.steps.iter().enumerate() {
                let (start, result) = (&starts[index], &results[index]);
                assert_eq!(texts[index], step.thought, "{name}");
                assert_eq!(start.id, result.id, "{name}");
                assert_eq!(start.input, Some(serde_json::json!({ "action": step.action })), "{name}");
                assert_eq!(result.output.as_ref().unwrap(), step.observation.as_str(), "{name}");
                assert_eq!(result.duration, step.duration_ms.map(|ms| ms as f64), "{name}");
            }
        }
    }

    #[test]
    fn a_run_at_a_speed_is_dated_when_it_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("run.traj");
        let json = r#"{"trajectory":[{"thought":"a","action":"ls","observation":"b","execution_time":4}]}"#;
        std::fs::write(&file, json).unwrap();
        let plan = plan(&args(&file, "2"), 1_000_000).unwrap();
        let events = events(&plan);
        let pauses: Duration = plan.iter().map(|planned| planned.pause).sum();
        assert_eq!(events[0].timestamp_ms, 1_000_000);
        assert_eq!(u128::from(events.last().unwrap().timestamp_ms), 1_000_000 + pauses.as_millis());
        assert!(pauses > Duration::from_secs(2) && pauses < Duration::from_secs(3), "{pauses:?}");
    }

    #[test]
    fn a_recording_is_planned_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("recording.jsonl");
        let lines = [
            r#"{"format":"durable-sessions-recording","version":1}"#,
            r#"{ "type":"chunk", "id":"1","timestamp":1000,"data":{"text":"\u00e4"}}"#,
            r#"{"type":"my:own","id":"2","timestamp":1400,"data":[1.50]}"#,
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let plan = plan(&args(&file, "4"), 0).unwrap();
        let texts: Vec<&[u8]> = plan.iter().map(|planned| planned.json.as_slice()).collect();
        assert_eq!(texts, [lines[1].as_bytes(), lines[2].as_bytes()]);
        assert_eq!(plan[1].pause, Duration::from_millis(100));
    }
}
