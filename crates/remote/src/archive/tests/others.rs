//! What other programs, people and bad luck do to the files while the server runs, or does not: it stays
//! with the client whose files they are, and no record is believed to be there that is not.

use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::*;

/// An archive, and where the file of its client is.
fn lab() -> (TempDir, Archive, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = Archive::open(folder.path(), "test").expect("an archive");
    let path = folder.path().join("al%2fice/TCP.ncap.gz");
    (folder, archive, path)
}

fn put(archive: &Archive, name: &str, numbers: std::ops::Range<u8>) -> Result<Appended, Error> {
    let client = archive.client(&ClientName::new(name.as_bytes()))?;
    let (member, mark) = member(numbers);
    lock(&client).append(schema("TCP"), false, &member, &mark)
}

fn put_frames(archive: &Archive, name: &str, count: usize) -> Result<(), Error> {
    let client = archive.client(&ClientName::new(name.as_bytes()))?;
    let frames = [3, 0x0a, 1, b'0'].repeat(count);
    lock(&client).append_frames(schema("TCP"), false, &frames, count as u32)
}

fn is_foreign<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(error @ Error::Foreign { .. }) if !error.is_of_all())
}

#[test]
fn a_damaged_file_is_not_touched() {
    let (folder, archive, path) = lab();
    append(&archive, 0..3);
    let place = fs::metadata(&path).expect("a file").len();
    append(&archive, 3..5);
    append(&archive, 5..9);
    drop(archive);
    let whole = fs::read(&path).expect("a file");
    // The length of the first and the second member; records of the second.
    for (octet, bit) in [(19, 0x40), (place + 19, 0x40), (place + 50, 1)] {
        let mut damaged = whole.clone();
        damaged[octet as usize] ^= bit;
        fs::write(&path, &damaged).expect("written");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        for _ in 0..2 {
            let refused = put(&archive, "al/ice", 9..10);
            assert!(is_foreign(&refused));
            let place = if octet < place { 0 } else { place };
            let reason = refused.expect_err("refused").to_string();
            assert!(
                reason.contains(&format!("damaged at octet {place}")),
                "{reason}"
            );
        }
        assert_eq!(fs::read(&path).expect("a file"), damaged);
        put(&archive, "bob", 0..1).expect("of another client");
        archive.flush().expect("flushed");
        archive.commit().expect("on the disk");
        assert_eq!(archive.cut(), 0);
        // As it is told, and without another start.
        fs::rename(&path, folder.path().join("moved")).expect("moved");
        assert_eq!(append(&archive, 0..9), Appended::InTurn);
        fs::remove_dir_all(folder.path().join("bob")).expect("removed");
    }
}

#[test]
fn what_is_cut_off_is_told_once() {
    let (folder, archive, path) = lab();
    append(&archive, 0..3);
    let octets = fs::metadata(&path).expect("a file").len();
    append(&archive, 3..6);
    drop(archive);
    let file = File::options().write(true).open(&path).expect("a file");
    file.set_len(octets + 20).expect("cut");
    let archive = Archive::open(folder.path(), "test").expect("an archive");
    assert_eq!(append(&archive, 3..6), Appended::InTurn);
    assert_eq!(archive.cut(), 20);
    let news = archive.news();
    assert_eq!(news.len(), 1);
    assert!(news[0].contains("TCP.ncap.gz: 20 octets behind octet"));
    append(&archive, 6..7);
    assert!(archive.news().is_empty());
}

#[test]
fn what_is_in_the_way_of_one_client_is_of_no_other() {
    type Make<'m> = &'m dyn Fn(&Path);
    let nowhere = tempfile::tempdir().expect("a folder");
    let make: [(&str, Make<'_>); 4] = [
        ("a folder", &|path| fs::create_dir(path).expect("made")),
        ("a link", &|path| {
            symlink(nowhere.path().join("x"), path).expect("made");
        }),
        ("a FIFO", &|path| {
            mkfifo(path, Mode::S_IRWXU).expect("made");
        }),
        ("text", &|path| fs::write(path, "notes").expect("made")),
    ];
    for (what, make) in make {
        // Before the client is known, and while its file is in use.
        for is_running in [false, true] {
            let (_folder, archive, path) = lab();
            let taken = if is_running { 3 } else { 0 };
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            if is_running {
                append(&archive, 0..3);
                put_frames(&archive, "al/ice", 1).expect("waits");
                fs::rename(&path, path.with_extension("away")).expect("moved");
            }
            make(&path);
            for _ in 0..2 {
                assert!(is_foreign(&put(&archive, "al/ice", taken..9)), "{what}");
                assert!(is_foreign(&put_frames(&archive, "al/ice", 1)), "{what}");
                put_frames(&archive, "bob", 1).expect("of another client");
                archive.flush().expect("flushed");
                archive.commit().expect("on the disk");
            }
            assert_eq!(archive.news().len(), usize::from(is_running), "{what}");
            match path.is_dir() {
                true => fs::remove_dir(&path).expect("removed"),
                false => fs::remove_file(&path).expect("removed"),
            }
            assert_eq!(append(&archive, taken..9), Appended::InTurn, "{what}");
            archive.flush().expect("flushed");
            archive.commit().expect("on the disk");
            assert_eq!(
                records(&path).expect("readable"),
                9 - 2 * usize::from(taken) / 3
            );
        }
    }
}

#[test]
fn what_cannot_be_opened_is_no_failure_of_the_disk() {
    let (_folder, archive, path) = lab();
    append(&archive, 0..3);
    fs::remove_file(&path).expect("removed");
    archive.commit().expect("on the disk");
    append(&archive, 3..6);
    fs::remove_file(&path).expect("removed");
    mkfifo(&path, Mode::S_IRWXU).expect("made");
    archive.commit().expect("on the disk");
    let too_many = || std::io::Error::from_raw_os_error(nix::libc::EMFILE);
    assert!(!Error::of_client(&path)(too_many()).is_of_all());
    assert!(!is_foreign(&Err::<(), _>(Error::of_client(&path)(
        too_many()
    ))));
    let full = std::io::Error::from_raw_os_error(nix::libc::ENOSPC);
    assert!(Error::of_client(&path)(full).is_of_all());
}

#[test]
fn files_and_folders_can_be_moved_away() {
    for is_folder in [false, true] {
        let (folder, archive, path) = lab();
        append(&archive, 0..3);
        put_frames(&archive, "al/ice", 2).expect("waits");
        let away = folder.path().join("away");
        let (from, file) = match is_folder {
            false => (path.as_path(), away.clone()),
            true => (path.parent().expect("a folder"), away.join("TCP.ncap.gz")),
        };
        fs::rename(from, &away).expect("moved");
        archive.flush().expect("flushed");
        archive.commit().expect("on the disk");
        assert_eq!(append(&archive, 0..3), Appended::Known);
        assert_eq!(append(&archive, 3..6), Appended::InTurn);
        assert_eq!(records(&file).expect("readable"), 3);
        assert_eq!(records(&path).expect("readable"), 5);
        assert_eq!(archive.news().len(), 1);
        drop(archive);
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        assert_eq!(append(&archive, 0..6), Appended::Known);
    }
}

#[test]
fn a_file_that_is_put_back_goes_on() {
    let (folder, archive, path) = lab();
    append(&archive, 0..3);
    let away = folder.path().join("away");
    fs::rename(&path, &away).expect("moved");
    // Nothing is written, so no other is begun.
    assert_eq!(append(&archive, 0..3), Appended::Known);
    fs::rename(&away, &path).expect("moved back");
    assert_eq!(append(&archive, 3..6), Appended::InTurn);
    assert_eq!(records(&path).expect("readable"), 6);
}

#[test]
fn what_is_taken_back_is_of_the_file_it_was_put_into() {
    let (folder, archive, path) = lab();
    let client = archive.client(&ClientName::new(b"al/ice"));
    let client = client.expect("a client");
    let put = |numbers| {
        let (member, mark) = member(numbers);
        let placed = lock(&client).append_unordered(schema("TCP"), false, &member, &mark);
        placed.expect("appended").expect("a plain member")
    };
    let place = put(0..3);
    let away = folder.path().join("away");
    fs::rename(&path, &away).expect("moved");
    let void = || lock(&client).void(schema("TCP"), place).expect("void");
    void();
    for begin in [3, 6, 7] {
        put(begin..begin + 1);
    }
    void();
    assert_eq!(records(&path).expect("readable"), 3);
    fs::rename(&away, &path).expect("moved back");
    void();
    assert_eq!(records(&path).expect("readable"), 0);
}

#[test]
fn nothing_is_believed_of_a_file_that_another_program_has_cut() {
    for left in [0, 1, 2] {
        let (folder, archive, path) = lab();
        append(&archive, 0..3);
        let whole = fs::metadata(&path).expect("a file").len();
        append(&archive, 3..6);
        let file = File::options().write(true).open(&path).expect("a file");
        file.set_len([0, whole, whole + 20][left]).expect("cut");
        let next = if left == 0 { 0 } else { 3 };
        for _ in 0..2 {
            let client = archive.client(&ClientName::new(b"al/ice"));
            let client = client.expect("a client");
            let known = lock(&client).next(schema("TCP"), &STREAM);
            assert_eq!(known.expect("known"), next.into());
        }
        assert_eq!(append(&archive, next..7), Appended::InTurn);
        archive.commit().expect("on the disk");
        assert_eq!(records(&path).expect("readable"), 7);
        let news = archive.news();
        assert_eq!(news.len(), 1 + usize::from(left == 2), "{news:?}");
        drop(archive);
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        assert_eq!(append(&archive, 0..7), Appended::Known);
    }
}

#[test]
fn a_file_that_was_replaced_is_looked_through() {
    let (_folder, archive, path) = lab();
    append(&archive, 0..3);
    let copy = path.with_extension("copy");
    fs::copy(&path, &copy).expect("copied");
    append(&archive, 3..6);
    fs::rename(&copy, &path).expect("replaced");
    assert_eq!(append(&archive, 4..6), Appended::After(1));
    // An empty one, as logrotate makes them.
    fs::rename(&path, &copy).expect("moved");
    fs::write(&path, "").expect("made");
    assert_eq!(append(&archive, 6..7), Appended::InTurn);
    assert_eq!(records(&path).expect("readable"), 1);
    // And more at its end.
    let more = Gzip::default().member(&[3, 0x0a, 1, b'x']);
    let all = [fs::read(&path).expect("a file"), more].concat();
    fs::write(&path, all).expect("written");
    assert_eq!(append(&archive, 7..8), Appended::InTurn);
    assert_eq!(records(&path).expect("readable"), 3);
}

#[test]
fn files_are_for_the_owner_and_its_group() {
    use std::os::unix::fs::MetadataExt;
    let (folder, archive, path) = lab();
    append(&archive, 0..3);
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    let lock = folder.path().join(".lock");
    // Less what the umask takes.
    assert_eq!(mode(&path) & 0o137, 0);
    assert_eq!(mode(path.parent().expect("a folder")) & 0o027, 0);
    assert_eq!(mode(&lock), 0o600);
    drop(archive);
    fs::set_permissions(&lock, Permissions::from_mode(0o644)).expect("as it was");
    drop(Archive::open(folder.path(), "test").expect("an archive"));
    assert_eq!(mode(&lock), 0o600);
    fs::remove_file(&lock).expect("removed");
    mkfifo(&lock, Mode::S_IRWXU).expect("made");
    assert!(is_foreign(&Archive::open(folder.path(), "test")));
    fs::remove_file(&lock).expect("removed");
    symlink(folder.path().join("elsewhere"), &lock).expect("made");
    assert!(is_foreign(&Archive::open(folder.path(), "test")));
}

#[test]
fn clients_share_what_compresses() {
    let (_folder, archive, _) = lab();
    for number in 0..20 {
        put_frames(&archive, &format!("client-{number}"), 1).expect("waits");
    }
    archive.flush().expect("flushed");
    assert_eq!(lock(&archive.shared.free).len(), 1);
}
