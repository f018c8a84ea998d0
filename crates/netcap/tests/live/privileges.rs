//! Who may capture, and as whom.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Uid;

use crate::lab::{Lab, files_in, rows, wait_for};

/// `nobody`, on all systems that have it.
const NOBODY: u32 = 65_534;

/// A directory that everybody may use.
fn public() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), everybody).expect("it is ours");
    directory
}

#[test]
fn without_permission_there_is_one_line() {
    if netcap_capture::libpcap::version().is_err() {
        eprintln!("skipped: there is no libpcap");
        return;
    }
    let place = public();
    // Where the program was built, perhaps not everybody may go.
    let program = place.path().join("netcap");
    fs::copy(env!("CARGO_BIN_EXE_netcap"), &program).expect("a copy");
    let mut command = Command::new(&program);
    command.args(["-iface", "lo", "-out"]).arg(place.path());
    if Uid::effective().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("netcap runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("setcap cap_net_raw"), "{errors}");

    let mut command = Command::new(&program);
    command.arg("-interfaces");
    if Uid::effective().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("netcap runs");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && table.contains("| lo "),
        "{table}"
    );
}

/// A capture as another user, with these variables of the environment and arguments.
fn captures_as_nobody(lab: &Lab, variables: &[(&str, &str)], args: &[&str], out: &Path) {
    let mut command = lab.command(env!("CARGO_BIN_EXE_netcap"));
    command.args(["-iface", "left", "-include", "UDP", "-count", "3"]);
    command.args(args).arg("-out").arg(out);
    command.envs(variables.iter().copied());
    let child = command.stdout(Stdio::null()).spawn().expect("netcap runs");
    wait_for(|| out.is_dir());
    let status = Path::new("/proc")
        .join(child.id().to_string())
        .join("status");
    wait_for(|| {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let is_nobody = |line: &str| {
            let mut ids = line.split_whitespace();
            ids.next() == Some("Uid:") && ids.all(|id| id == NOBODY.to_string())
        };
        status.lines().any(is_nobody)
    });
    lab.send(3, 100);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(rows(&out.join("UDP.ncap.gz"), "SrcPort").len(), 3);
    for file in files_in(out) {
        assert_eq!(file.metadata().expect("a file").uid(), NOBODY);
    }
    assert_eq!(out.metadata().expect("a directory").uid(), NOBODY);
}

#[test]
fn root_becomes_the_user_that_is_named_or_who_called_sudo() {
    let Some(lab) = Lab::open() else { return };
    let place = public();
    let (named, sudo) = (place.path().join("a/b"), place.path().join("c"));
    captures_as_nobody(&lab, &[], &["-user", "65534"], &named);
    let variables = [("SUDO_UID", "65534"), ("SUDO_GID", "65534")];
    captures_as_nobody(&lab, &variables, &[], &sudo);
}

#[test]
fn root_stays_root_otherwise() {
    let Some(lab) = Lab::open() else { return };
    let place = public();
    let out = place.path().join("out");
    let capture = lab.capture("-iface left -include UDP -count 3", &out);
    lab.send(3, 100);
    let (code, ..) = capture.end();
    assert_eq!((code, out.metadata().expect("it is there").uid()), (0, 0));
}

#[test]
fn a_directory_of_others_is_told() {
    let Some(lab) = Lab::open() else { return };
    let place = tempfile::tempdir().expect("a directory of ours");
    let output = lab
        .command(env!("CARGO_BIN_EXE_netcap"))
        .args(["-iface", "left", "-user", "65534", "-out"])
        .arg(place.path())
        .output()
        .expect("netcap runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("-user root") && errors.lines().count() == 1,
        "{errors}"
    );
}
