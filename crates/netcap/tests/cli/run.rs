//! Running the program.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program, ready to be run.
pub(crate) fn netcap<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netcap"));
    command
        .args(args)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// Runs the program with arguments that hold no spaces, and gives exit code, output and errors.
pub(crate) fn run(args: &str) -> (i32, String, String) {
    results(
        netcap(args.split_whitespace())
            .output()
            .expect("netcap runs"),
    )
}

/// As [`run`], with a file as standard input.
pub(crate) fn run_with_input(args: &str, input: &Path) -> (i32, String, String) {
    let input = File::open(input).expect("the input is there");
    let output = netcap(args.split_whitespace()).stdin(input).output();
    results(output.expect("netcap runs"))
}

fn results(output: Output) -> (i32, String, String) {
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    let code = output.status.code().expect("no signal ended it");
    (code, text(&output.stdout), text(&output.stderr))
}

/// One of the captures of the project.
pub(crate) fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/captures")
        .join(name)
}

/// A directory with the records of a capture.
pub(crate) fn records_of(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let (capture, path) = (capture(name), directory.path().display());
    let (code, _, errors) = run(&format!("-r {} -out {path}", capture.display()));
    assert_eq!((code, errors.as_str()), (0, ""), "{name}");
    directory
}

/// The files of a directory by name, with their octets.
pub(crate) fn files_in(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}
