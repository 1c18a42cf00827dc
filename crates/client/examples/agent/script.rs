//! What the agent does and says. Must not know how events are sent.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use crate::arguments::Arguments;
use crate::session::{Session, SessionError};
use crate::tools::{Listing, TestCounts, read_head, search};

/// Lines of a file that the agent reads.
const LINES_READ: usize = 40;
/// How much of a command's output is kept for the report, in bytes.
const OUTPUT_LEN_MAX: usize = 4 * 1024 * 1024;
/// Turns of the script.
const TURNS: u64 = 7;

const PLAN: &str = "\
1. List the files of this checkout.
2. Read the beginning of its largest source file.
3. Search for work that was postponed.
4. Search for unsafe code.
5. Search for property tests.
6. Run the tests of one crate.
7. Report.";

/// Why the agent stopped early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The session does not take events.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The checkout cannot be read.
    #[error("cannot list {}: {reason}; is it the checkout? give --repo", repo.display())]
    Checkout { repo: PathBuf, reason: io::Error },
    /// The binary that runs commands is missing.
    #[error("cannot run {}: {reason}; build it with `cargo build --release --bin durable-sessions` or give --cli", cli.display())]
    Cli { cli: PathBuf, reason: io::Error },
    /// The user wants it to end.
    #[error("interrupted")]
    Interrupted,
    /// There is no test command.
    #[error("--test-command is empty")]
    NoTestCommand,
}

/// How long an interrupted agent takes to say so in its session.
const FAREWELL_MAX: Duration = Duration::from_secs(3);

/// Runs the script from beginning to end.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), AgentError> {
    let mut session = Session::open(arguments, TURNS).await?;
    let outcome = tokio::select! {
        outcome = work(arguments, &mut session) => outcome,
        // Without a handler the signal ends the program, so a failure to install one needs no words.
        Ok(()) = tokio::signal::ctrl_c() => Err(AgentError::Interrupted),
    };
    match &outcome {
        Ok(()) => session.complete().await?,
        Err(AgentError::Session(_)) => return outcome,
        Err(AgentError::Interrupted) => {
            let farewell = async {
                session.stop("interrupted").await?;
                session.leave(false).await
            };
            // The server may be away, which is no reason to keep whoever interrupted waiting.
            let _ = tokio::time::timeout(FAREWELL_MAX, farewell).await;
            return outcome;
        }
        Err(error) => session.fail(&error.to_string()).await?,
    }
    session.leave(arguments.close).await?;
    outcome
}

async fn work(arguments: &Arguments, session: &mut Session) -> Result<(), AgentError> {
    let repo = arguments.repo.as_path();
    session
        .say(
            "I am a scripted example agent: my sentences were written beforehand, my tools are real, and every number \
             I give comes from what they return. My job is to look at this checkout, find where its code lives, \
             and see whether the tests of one crate pass.\n",
        )
        .await?;
    session.plan(PLAN).await?;

    let listing = list(repo, session).await?;
    read_largest(repo, &listing, session).await?;
    let postponed = count_postponed(repo, &listing, session).await?;
    count_unsafe(repo, &listing, session).await?;
    let property_tests = count_property_tests(repo, &listing, session).await?;
    let tests = run_tests(arguments, session).await?;
    if let Some(failure) = tests.counts.failures.first() {
        locate(repo, &listing, failure, session).await?;
    }

    session.turn(TURNS).await?;
    let lines: usize = listing.files.iter().map(|file| file.lines).sum();
    session
        .say(&format!(
            "Done. This checkout has {} with {lines} lines, {} and {}. {} I have changed nothing; \
             whoever follows this session has seen everything I have seen.\n",
            counted(listing.files.len(), "text file"),
            counted(postponed, "postponed task"),
            counted(property_tests, "property test block"),
            tests.verdict()
        ))
        .await?;
    Ok(())
}

async fn list(repo: &Path, session: &mut Session) -> Result<Listing, AgentError> {
    session.turn(1).await?;
    session
        .say("First the overview: which files are there, and how are they spread over the directories?\n")
        .await?;
    let call = session.start_tool("list_files", json!({ "path": "." })).await?;
    let listing = match Listing::of(repo) {
        Ok(listing) => listing,
        Err(reason) => {
            session.end_tool(call, json!(reason.to_string()), true).await?;
            return Err(AgentError::Checkout { repo: repo.to_owned(), reason });
        }
    };
    session.end_tool(call, json!(listing.report()), false).await?;
    let rust: Vec<_> = listing.ending(".rs").collect();
    let rust_lines: usize = rust.iter().map(|file| file.lines).sum();
    let web = listing.ending(".ts").count() + listing.ending(".tsx").count();
    session
        .say(&format!(
            "There are {}. {} of them are Rust, with {rust_lines} lines; {web} are TypeScript.\n",
            counted(listing.files.len(), "text file"),
            rust.len(),
        ))
        .await?;
    if let Some((name, directory)) =
        listing.directories().into_iter().max_by_key(|(_, directory)| directory.lines)
    {
        session
            .say(&format!(
                "The largest directory is {name}, with {} lines in {}.\n",
                directory.lines,
                counted(directory.files, "file")
            ))
            .await?;
    }
    Ok(listing)
}

async fn read_largest(repo: &Path, listing: &Listing, session: &mut Session) -> Result<(), AgentError> {
    session.turn(2).await?;
    let Some(largest) = listing.ending(".rs").max_by_key(|file| file.lines) else {
        session.say("There is no Rust source file here, so there is none to read.\n").await?;
        return Ok(());
    };
    session
        .say(&format!(
            "The Rust file with the most lines is {}, with {}. I read how it begins.\n",
            largest.path, largest.lines
        ))
        .await?;
    let input = json!({ "path": largest.path, "lines": LINES_READ });
    let call = session.start_tool("read_file", input).await?;
    let head = match read_head(repo, &largest.path, LINES_READ) {
        Ok(head) => {
            session.end_tool(call, json!(head), false).await?;
            head
        }
        Err(reason) => {
            session.end_tool(call, json!(reason), true).await?;
            session.say("It cannot be read any more; somebody must be working here. I go on.\n").await?;
            return Ok(());
        }
    };
    let purpose = head.lines().find_map(|line| line.strip_prefix("//! ")).unwrap_or_default();
    let comment = if purpose.is_empty() {
        "It has no module comment that would say what it is for.\n".to_owned()
    } else {
        format!("Its first comment says what it is for: \"{purpose}\"\n")
    };
    session.say(&comment).await?;
    Ok(())
}

async fn count_postponed(repo: &Path, listing: &Listing, session: &mut Session) -> Result<usize, AgentError> {
    session.turn(3).await?;
    session
        .say("Has anything been postponed? I search the Rust files for `todo!` and `unimplemented!`.\n")
        .await?;
    let mut count = 0;
    for name in ["todo", "unimplemented"] {
        // Put together here, so that the search does not find itself.
        count += search_for(repo, listing, ".rs", &format!("{name}!("), session).await?.count;
    }
    let comment = match count {
        0 => "None of either: whatever is there claims to be finished.\n".to_owned(),
        _ => format!("{} in all. That is unfinished work.\n", counted(count, "place")),
    };
    session.say(&comment).await?;
    Ok(count)
}

async fn count_unsafe(repo: &Path, listing: &Listing, session: &mut Session) -> Result<(), AgentError> {
    session.turn(4).await?;
    session
        .say("Next, unsafe code. Where it stands, a person has to read it twice, so I look for its blocks.\n")
        .await?;
    let found = search_for(repo, listing, ".rs", concat!("unsafe", " {"), session).await?;
    let comment = match found.count {
        1.. => {
            format!("{}, {}. Each should carry its proof.\n", counted(found.count, "block"), found.place())
        }
        0 => "Not a single block. That is one kind of mistake less to look for.\n".to_owned(),
    };
    session.say(&comment).await?;
    Ok(())
}

async fn count_property_tests(
    repo: &Path,
    listing: &Listing,
    session: &mut Session,
) -> Result<usize, AgentError> {
    session.turn(5).await?;
    session.say("Now the opposite, signs of care: where are the property tests?\n").await?;
    let found = search_for(repo, listing, ".rs", "proptest! {", session).await?;
    let comment = match found.count {
        1.. => format!("{}, {}.\n", counted(found.count, "block"), found.place()),
        0 => "There are none.\n".to_owned(),
    };
    session.say(&comment).await?;
    Ok(found.count)
}

async fn search_for(
    repo: &Path,
    listing: &Listing,
    suffix: &str,
    needle: &str,
    session: &mut Session,
) -> Result<crate::tools::Matches, AgentError> {
    let input = json!({ "text": needle, "files": format!("*{suffix}") });
    let call = session.start_tool("search", input).await?;
    let found = search(repo, listing, suffix, needle);
    let output = if found.count == 0 { json!("no match") } else { json!(found.report) };
    session.end_tool(call, output, false).await?;
    Ok(found)
}

struct TestRun {
    counts: TestCounts,
    exit_code: Option<i32>,
    seconds: f64,
}

impl TestRun {
    fn verdict(&self) -> String {
        let TestCounts { passed, failed, ignored, .. } = self.counts;
        match (self.exit_code, failed) {
            (Some(0), 0) if passed > 0 => {
                let also = if ignored > 0 { format!(", {ignored} ignored") } else { String::new() };
                format!("All {passed} tests passed{also}, in {:.1} seconds.", self.seconds)
            }
            (Some(0), 0) => "The test command succeeded, but it ran no test.".to_owned(),
            (_, 1..) => format!("{failed} of {} tests failed.", passed + failed),
            (Some(code), 0) => {
                format!("The test command ended with exit code {code} before any test failed.")
            }
            (None, 0) => "The test command was ended by a signal.".to_owned(),
        }
    }
}

async fn run_tests(arguments: &Arguments, session: &mut Session) -> Result<TestRun, AgentError> {
    session.turn(6).await?;
    session
        .say(&format!(
            "Counting is cheap; running is proof. I run `{}`; its output streams live.\n",
            arguments.test_command
        ))
        .await?;
    session.using("run_tests").await?;
    let words: Vec<&str> = arguments.test_command.split_whitespace().collect();
    if words.is_empty() {
        return Err(AgentError::NoTestCommand);
    }
    let cli = arguments.cli.clone().unwrap_or_else(|| PathBuf::from("target/release/durable-sessions"));
    // The command runs in the checkout, the path was meant from here.
    let cli = cli.canonicalize().map_err(|reason| AgentError::Cli { cli: cli.clone(), reason })?;
    let mut command = Command::new(&cli);
    command
        .args(["exec", "--session", session.id(), "--tool-name", "run_tests", "--"])
        .args(words)
        .env("DURABLE_SESSIONS_URL", &arguments.url)
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(&arguments.repo)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(token) = &arguments.token {
        command.env("DURABLE_SESSIONS_TOKEN", token);
    }
    let began = Instant::now();
    let failed = |reason| AgentError::Cli { cli: cli.clone(), reason };
    let mut child = command.spawn().map_err(failed)?;
    let stderr = child.stderr.take().map(|stderr| tokio::spawn(gather(stderr)));
    let output = match child.stdout.take() {
        Some(stdout) => gather(stdout).await,
        None => String::new(),
    };
    if let Some(Ok(said)) = match stderr {
        Some(reading) => Some(reading.await),
        None => None,
    } {
        pass_on(&said);
    }
    let status = child.wait().await.map_err(failed)?;
    let run = TestRun {
        counts: TestCounts::of(&output),
        exit_code: status.code(),
        seconds: began.elapsed().as_secs_f64(),
    };
    session.say(&format!("{}\n", run.verdict())).await?;
    Ok(run)
}

/// Reads a bounded part of a command's output, and the rest only to let the command go on.
async fn gather(stdout: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stdout).split(b'\n');
    let mut output = String::new();
    while let Ok(Some(line)) = lines.next_segment().await {
        if output.len() + line.len() < OUTPUT_LEN_MAX {
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    }
    output
}

/// What the command said is in the session; what the command line says about itself is for whoever runs the agent.
fn pass_on(said: &str) {
    for line in said.lines().filter(|line| line.starts_with("durable-sessions:")) {
        // Standard error may be closed; there is nobody to tell then.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// A test failed: say where it is defined.
async fn locate(
    repo: &Path,
    listing: &Listing,
    failure: &str,
    session: &mut Session,
) -> Result<(), AgentError> {
    let name = failure.rsplit("::").next().unwrap_or(failure);
    session.say(&format!("The first that failed is `{failure}`. Where is it?\n")).await?;
    let found = search_for(repo, listing, ".rs", &format!("fn {name}("), session).await?;
    let comment = match found.densest {
        Some((path, _)) => format!("It is defined in {path}. A person should look at it.\n"),
        None => "I cannot find its definition; a macro may make it.\n".to_owned(),
    };
    session.say(&comment).await?;
    Ok(())
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("one {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
