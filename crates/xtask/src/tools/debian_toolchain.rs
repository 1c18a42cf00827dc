//! A compiler for wasm from Debian's packages alone: its rustc, and a standard library for
//! `wasm32-unknown-unknown` built once from its source package (the crates that `std` needs are vendored
//! in there, so nothing but apt is needed). The result is a private sysroot below the tools directory.
//!
//! `rustc-web` and its kin are the packages Debian keeps current for its browsers; plain `rustc` of a
//! stable release is too old for us.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::apt;
use super::wasm_toolchain::{TARGET, has_std};
use crate::command::{Invocation, find_program};
use crate::failure::StepError;
use crate::report::Outcome;
use crate::screen;
use crate::workbench::Workbench;

/// Raised when what is built or laid out below changes.
const RECIPE: u32 = 1;
const PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
const RUSTC: &str = "/usr/bin/rustc";
const SOURCES: &str = "/usr/lib/rustlib/src/rust";
const INSTEAD: &str = "install Rust with rustup and run `rustup target add wasm32-unknown-unknown`";

/// The private sysroot's programs.
pub(super) fn bin_directory(tools: &Path) -> PathBuf {
    root(tools).join("bin")
}

/// Whether a finished sysroot of this recipe is there.
pub(super) fn is_ready(tools: &Path) -> bool {
    fs::read_to_string(stamp(tools)).is_ok_and(|kept| version_line(tools).is_some_and(|now| kept == now))
}

/// Installs the packages and builds the sysroot unless it is there.
pub(super) fn ensure(bench: &Workbench) -> Result<Outcome, StepError> {
    let tools = bench.checkout.tools();
    if is_ready(tools) {
        return Ok(Outcome::UpToDate);
    }
    apt::ensure(PACKAGES, INSTEAD)?;
    let about = Invocation::new(RUSTC, bench.checkout.root()).arg("-vV").read()?;
    let compiler = Compiler::parse(&about)
        .ok_or_else(|| StepError::unmet("Debian's rustc does not say its version", INSTEAD))?;
    let linker = format!("lld-{}", compiler.llvm_major);
    apt::ensure(&[&linker], INSTEAD)?;
    screen::line("    building std for wasm32-unknown-unknown with Debian's compiler, once");
    let libraries = build_std(bench, &compiler)?;
    lay_out(&root(tools), &libraries, &compiler, &linker)?;
    // Half a gigabyte that nobody needs again.
    let _ = fs::remove_dir_all(build_directory(tools));
    let line = version_line(tools).ok_or_else(|| StepError::unmet("Debian's rustc vanished", INSTEAD))?;
    write(&stamp(tools), &line)?;
    Ok(Outcome::Done)
}

fn root(tools: &Path) -> PathBuf {
    tools.join("wasm-sysroot")
}

fn build_directory(tools: &Path) -> PathBuf {
    tools.join("wasm-sysroot-build")
}

fn stamp(tools: &Path) -> PathBuf {
    root(tools).join("recipe")
}

/// What the sysroot depends on. Its scripts name it by its full path, so a moved checkout needs a new one.
fn version_line(tools: &Path) -> Option<String> {
    let version = Invocation::new(RUSTC, "/").arg("-V").read_quietly()?;
    Some(format!("recipe {RECIPE} at {}, {version}", root(tools).display()))
}

struct Compiler {
    host: String,
    commit: String,
    llvm_major: String,
}

impl Compiler {
    fn parse(about: &str) -> Option<Self> {
        let field = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Self {
            host: field("host:")?.to_owned(),
            commit: field("commit-hash:").unwrap_or("unknown").to_owned(),
            llvm_major: field("LLVM version:")?.split('.').next()?.to_owned(),
        })
    }
}

/// Builds an empty crate, which compiles the standard crates beside it, and returns where they are.
fn build_std(bench: &Workbench, compiler: &Compiler) -> Result<PathBuf, StepError> {
    let build = build_directory(bench.checkout.tools());
    write(&build.join("src/lib.rs"), "")?;
    write(
        &build.join("Cargo.toml"),
        "[package]\nname = \"stdbuild\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n",
    )?;
    Invocation::new("/usr/bin/cargo", &build)
        .args(["build", "--release", "--target", TARGET])
        .arg("-Zbuild-std=std,panic_abort,panic_unwind,test,proc_macro")
        .args(["--config", "source.crates-io.replace-with=\"stdvendor\""])
        .args(["--config", &format!("source.stdvendor.directory=\"{SOURCES}/library/vendor\"")])
        .env("CARGO_TARGET_DIR", build.join("target"))
        .env("RUSTC", RUSTC)
        // -Z options on a stable compiler, for this one build.
        .env("RUSTC_BOOTSTRAP", "1")
        // Bitcode: a crate with `lto` cannot be linked against a std without it. Remapping: messages of
        // panics name the same paths as those of the official std.
        .env(
            "RUSTFLAGS",
            format!("-Cembed-bitcode=yes --remap-path-prefix={SOURCES}=/rustc/{}", compiler.commit),
        )
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .advice("this needs the Debian packages rust-web-src and cargo-web of the same version as rustc-web")
        .run()?;
    Ok(build.join("target").join(TARGET).join("release/deps"))
}

fn lay_out(root: &Path, libraries: &Path, compiler: &Compiler, linker: &str) -> Result<(), StepError> {
    let _ = fs::remove_dir_all(root);
    let rustlib = root.join("lib/rustlib");
    let target_lib = rustlib.join(TARGET).join("lib");
    let host_bin = rustlib.join(&compiler.host).join("bin");
    for dir in [&target_lib, &host_bin, &root.join("bin")] {
        fs::create_dir_all(dir).map_err(|source| StepError::file("create", dir, source))?;
    }
    let entries = fs::read_dir(libraries).map_err(|source| StepError::file("list", libraries, source))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let library = name.ends_with(".rlib") || name.ends_with(".rmeta");
        if library && !name.starts_with("libstdbuild-") {
            let to = target_lib.join(&name);
            fs::copy(entry.path(), &to).map_err(|source| StepError::file("copy", to, source))?;
        }
    }
    if !has_std(&target_lib) {
        return Err(StepError::unmet("the build left no libstd", INSTEAD));
    }
    let host_lib = format!("/usr/lib/rustlib/{}/lib", compiler.host);
    link(Path::new(&host_lib), &rustlib.join(&compiler.host).join("lib"))?;
    link(Path::new("/usr/lib/rustlib/src"), &rustlib.join("src"))?;
    link(Path::new("/usr/lib/rustlib/etc"), &rustlib.join("etc"))?;
    // rustc looks for its linker in the host's bin directory of the sysroot.
    let lld =
        find_program(linker).ok_or_else(|| StepError::unmet(format!("{linker} was not found"), INSTEAD))?;
    link(&lld, &host_bin.join("rust-lld"))?;
    link(Path::new("/usr/bin/cargo"), &root.join("bin/cargo"))?;
    // rustc derives its sysroot from where its own library is, through every symlink: it has to be told.
    for program in ["rustc", "rustdoc"] {
        let script = format!(
            "#!/bin/sh\nfor a in \"$@\"; do case $a in --sysroot|--sysroot=*) exec /usr/bin/{program} \"$@\";; \
             esac; done\nexec /usr/bin/{program} --sysroot '{}' \"$@\"\n",
            root.display()
        );
        write_program(&root.join("bin").join(program), &script)?;
    }
    // cargo-clippy runs the clippy-driver beside its own real path, so the environment has to tell it.
    for program in ["cargo-clippy", "clippy-driver"] {
        let script = format!("#!/bin/sh\nSYSROOT='{}' exec /usr/bin/{program} \"$@\"\n", root.display());
        write_program(&root.join("bin").join(program), &script)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), StepError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|source| StepError::file("create", dir, source))?;
    }
    fs::write(path, text).map_err(|source| StepError::file("write", path, source))
}

fn write_program(path: &Path, text: &str) -> Result<(), StepError> {
    write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|source| StepError::file("make executable", path, source))
}

fn link(to: &Path, from: &Path) -> Result<(), StepError> {
    symlink(to, from).map_err(|source| StepError::file("link", from, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_is_that_of_the_compilers_llvm() {
        let about = "rustc 1.96.0 (built from a source tarball)\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.8\n";
        let compiler = Compiler::parse(about).unwrap();
        assert_eq!(
            (compiler.host.as_str(), compiler.llvm_major.as_str()),
            ("x86_64-unknown-linux-gnu", "22")
        );
        assert_eq!(compiler.commit, "unknown");
    }
}
