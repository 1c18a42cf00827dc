//! `backup`, `restore` and `verify`: copies of all a server holds. Must not know HTTP, nor what is in a copy.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use durable_sessions_server::backup::{self, BackupError, Report};

use crate::args::{BackupArgs, RestoreArgs, VerifyArgs};
use crate::failure::Failure;
use crate::notice::{ProgressLine, notice};
use crate::output::Output;
use crate::remote::Remote;

/// Problems that are written one by one.
const PROBLEMS_SHOWN: usize = 20;

/// Copies a serving server, or a directory that nobody serves, into a file that is checked before it gets its name.
pub(crate) async fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let target = if args.to.is_dir() { args.to.join(file_name()) } else { args.to.clone() };
    if target.exists() {
        return Err(Failure::Usage {
            argument: "TO",
            reason: format!("{} is there already", target.display()),
        });
    }
    let unfinished = with_extension_added(&target, "unfinished");
    // What an attempt that was killed has left.
    let _ = std::fs::remove_file(&unfinished);
    let made = match &args.data_dir {
        Some(dir) => {
            let (dir, unfinished) = (dir.clone(), unfinished.clone());
            apart(move || backup::write(&dir, &unfinished)).await
        }
        None => download(args, &unfinished).await,
    };
    let report = match made {
        Ok(report) if report.problem_count == 0 || args.data_dir.is_some() => report,
        Ok(report) => {
            tell(&report)?;
            let what = "the server's data do not fit together; the copy is kept".to_owned();
            rename(&unfinished, &target)?;
            return Err(Failure::Refused { what, reason: target.display().to_string() });
        }
        Err(failure) => {
            let _ = std::fs::remove_file(&unfinished);
            return Err(failure);
        }
    };
    rename(&unfinished, &target)?;
    notice(&format!("{} holds {}", target.display(), summary(&report)));
    conclude(&report)
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    let written = std::fs::rename(from, to).and_then(|()| {
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    });
    written.map_err(|reason| Failure::Write { path: to.to_owned(), reason })
}

async fn download(args: &BackupArgs, into: &Path) -> Result<Report, Failure> {
    let remote = Remote::new(&args.connection)?;
    let mut download = remote.backup().await?;
    let failed = |reason| Failure::Write { path: into.to_owned(), reason };
    let mut options = OpenOptions::new();
    // For its owner only: it holds the keys of tokens.
    let file = options.write(true).create_new(true).mode(0o600).open(into).map_err(failed)?;
    let mut file = BufWriter::new(file);
    let mut progress = ProgressLine::new();
    let mut written = 0u64;
    while let Some(bytes) = download.next().await.map_err(|reason| remote.broken("the backup", &reason))? {
        file.write_all(&bytes).map_err(failed)?;
        written += bytes.len() as u64;
        progress.show(|| format!("{} MiB", written >> 20));
    }
    progress.clear();
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(failed)?;
    drop(file);
    let into = into.to_owned();
    apart(move || backup::verify_file(&into)).await
}

/// Makes a data directory from a backup.
pub(crate) async fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let (file, dir) = (args.from.clone(), args.data_dir.clone());
    let report = apart(move || backup::restore(&file, &dir)).await?;
    notice(&format!("{} holds {}", args.data_dir.display(), summary(&report)));
    Ok(())
}

/// Checks a backup, or a data directory that nobody serves.
pub(crate) async fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let place = args.place.clone();
    let report =
        apart(
            move || {
                if place.is_dir() { backup::verify_directory(&place) } else { backup::verify_file(&place) }
            },
        )
        .await?;
    notice(&format!("{} holds {}", args.place.display(), summary(&report)));
    conclude(&report)
}

/// On a thread that may wait.
async fn apart(
    work: impl FnOnce() -> Result<Report, BackupError> + Send + 'static,
) -> Result<Report, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Failure::Backup(Box::new(error))),
        Err(ended) => Err(Failure::System { what: "work on", reason: std::io::Error::other(ended) }),
    }
}

fn summary(report: &Report) -> String {
    let taken = report.taken_at_ms.and_then(|ms| u64::try_from(ms).ok()).map(|ms| {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(ms);
        format!(", as of {}", humantime::format_rfc3339_seconds(at))
    });
    let Report { streams, rows, producers, bytes, .. } = report;
    let queued = report.inner_rows.map(|rows| format!(", {rows} queued or dead-lettered appends"));
    format!(
        "{streams} streams, {rows} appends, {producers} producers{}; {bytes} bytes{}",
        queued.unwrap_or_default(),
        taken.unwrap_or_default()
    )
}

/// Problems go to standard output, one a line.
fn tell(report: &Report) -> Result<(), Failure> {
    let mut output = Output::lock();
    for problem in report.problems.iter().take(PROBLEMS_SHOWN) {
        output.line(problem.to_string().as_bytes())?;
    }
    output.flush()
}

fn conclude(report: &Report) -> Result<(), Failure> {
    if report.problem_count == 0 {
        return Ok(());
    }
    tell(report)?;
    Err(Failure::Damaged { problems: report.problem_count })
}

/// Sorts by time.
fn file_name() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    format!("durable-sessions-{}.dsbackup", now.replace(':', ""))
}

fn with_extension_added(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    path.with_file_name(name)
}
