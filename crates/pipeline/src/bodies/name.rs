//! Names of files that are safe, whatever the traffic asks for, and folders for them.

use std::path::Path;
use std::{fs, io};

/// Octets of a file's name at most.
pub(super) const LONGEST_NAME: usize = 120;
/// Octets of it that are left for what is added: `.` and a coding of 16 octets, a number, and
/// `.partial`.
const ADDED: usize = 40;

/// A safe name for what a request asks for: the last segment of its path (RFC 3986 section 3.3),
/// with `_` for whatever may not be in a name; nothing is decoded. `index` where it is empty.
pub(super) fn file_name(target: &[u8]) -> String {
    let end = target.iter().position(|octet| b"?#".contains(octet));
    let target = target
        .get(..end.unwrap_or(target.len()))
        .unwrap_or_default();
    // Of `http://host`, as proxies are asked, the host is no segment.
    let scheme_end = target.windows(3).position(|three| three == b"://");
    let path = match scheme_end {
        Some(at) if !target.starts_with(b"/") => {
            let rest = target.get(at + 3..).unwrap_or_default();
            let slash = rest.iter().position(|octet| *octet == b'/');
            slash.and_then(|at| rest.get(at..)).unwrap_or_default()
        }
        _ => target,
    };
    let last = path.rsplit(|octet| *octet == b'/').next();
    match last.unwrap_or_default() {
        [] => "index".to_owned(),
        last => safe(last, LONGEST_NAME - ADDED),
    }
}

/// The octets with `_` for all but `[A-Za-z0-9._-]` and for dots at the beginning, at most so many.
pub(super) fn safe(octets: &[u8], limit: usize) -> String {
    let mut begins = true;
    let octets = octets.iter().take(limit);
    let characters = octets.map(|octet| {
        begins &= *octet == b'.';
        let is_safe = octet.is_ascii_alphanumeric() || b"._-".contains(octet);
        if is_safe && !begins {
            char::from(*octet)
        } else {
            '_'
        }
    });
    characters.collect()
}

/// Makes a folder, or sees that it is one.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match path.symlink_metadata()?.is_dir() {
                true => Ok(()),
                false => Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe() {
        for (target, name) in [
            (&b"/logo.png"[..], "logo.png"),
            (b"/a/b/page.html?next=/x/y#z", "page.html"),
            (b"/", "index"),
            (b"", "index"),
            (b"http://host.example/x", "x"),
            (b"http://host.example", "index"),
            (b"/go?to=http://host/x", "go"),
            (b"/http://host/x", "x"),
            (b"../../etc/passwd", "passwd"),
            (b"/..", "__"),
            (b"/.", "_"),
            (b"/...ssh", "___ssh"),
            (b"/%2e%2e%2fetc", "_2e_2e_2fetc"),
            (b"/..\\..\\boot.ini", "___.._boot.ini"),
            (b"/a\0b\nc d", "a_b_c_d"),
            (b"/\xc3\xa4", "__"),
            (b"*", "_"),
        ] {
            assert_eq!(file_name(target), name, "{}", target.escape_ascii());
        }
        let long = [b"/".as_slice(), &[b'x'; 300]].concat();
        assert_eq!(file_name(&long), "x".repeat(LONGEST_NAME - ADDED));
    }
}
