//! Disks that refuse, runs that died, and interfaces that are named twice.

use std::fs;
use std::process::Command;

use crate::run::{capture, netcap, run};

/// Records of a file, as rows of CSV.
fn rows(path: &std::path::Path) -> usize {
    let (code, csv, errors) = run(&format!("-r {} -csv -quiet", path.display()));
    assert_eq!((code, errors.as_str()), (0, ""), "{}", path.display());
    csv.lines().count() - 1
}

#[test]
fn what_was_written_before_the_disk_refused_is_kept() {
    let out = tempfile::tempdir().expect("a directory");
    let inputs = format!("-r {} ", capture("mixed.pcap").display()).repeat(400);
    let flags = "-include UDP -ignore-unknown -csv -comp=false -buf=false";
    // 64 blocks of 512 octets: more than the first batch gives, less than all.
    let line = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} {inputs} {flags} -out {}",
        env!("CARGO_BIN_EXE_netcap"),
        out.path().display()
    );
    let output = Command::new("sh").args(["-c", &line]).output();
    let output = output.expect("sh runs");
    let (summary, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(2), "{summary}{errors}");
    let text = fs::read_to_string(out.path().join("UDP.csv")).expect("whole text");
    assert!(text.ends_with('\n'));
    let kept = text.lines().count() - 1;
    assert!(errors.contains("cannot write "), "{errors}");
    let lost = errors.lines().last().unwrap_or_default();
    let lost = lost
        .split("; ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let lost: usize = lost
        .unwrap_or_default()
        .replace(',', "")
        .parse()
        .expect("a number");
    assert!(kept > 0 && lost > 0, "{kept} {lost}");
    assert_eq!(kept + lost, 400 * 3, "{errors}");
    let names = fs::read_dir(out.path()).expect("a folder").count();
    assert_eq!(names, 1, "nothing unfinished is left");
}

#[test]
fn what_a_dead_run_has_left_is_named_adopted_or_removed() {
    let out = tempfile::tempdir().expect("a directory");
    let input = capture("mixed.pcap");
    let (code, _, _) = run(&format!(
        "-r {} -include UDP -created 1600000000.0 -out {}/first",
        input.display(),
        out.path().display()
    ));
    assert_eq!(code, 0);
    let whole = out.path().join("first/UDP.ncap.gz");
    let records = rows(&whole);
    for (wish, kept) in [("keep", true), ("adopt", false), ("remove", false)] {
        let folder = out.path().join(wish);
        fs::create_dir(&folder).expect("a folder");
        let partial = folder.join(".UDP.ncap.gz.1.partial");
        let mut octets = fs::read(&whole).expect("the file");
        octets.extend_from_slice(&[0x1f, 0x8b, 8, 0]);
        fs::write(&partial, octets).expect("a file");
        let args = format!("-r {} -leftovers {wish} -include ARP", input.display());
        let mut args: Vec<&str> = args.split(' ').collect();
        let path = folder.display().to_string();
        args.extend(["-out", &path]);
        let output = netcap(args).output().expect("netcap runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        assert!(errors.contains(".UDP.ncap.gz.1.partial"), "{errors}");
        assert_eq!(partial.exists(), kept, "{wish}");
        let periods = fs::read_dir(&folder).expect("a folder").flatten();
        let adopted: Vec<_> = periods
            .map(|entry| entry.path().join("UDP.ncap.gz"))
            .filter(|path| path.exists())
            .collect();
        assert_eq!(adopted.len(), usize::from(wish == "adopt"), "{wish}");
        for path in adopted {
            let folder = path.parent().and_then(|folder| folder.file_name());
            let begun = "2020-09-13T12-26-40Z";
            assert_eq!(folder, Some(begun.as_ref()), "when its run began");
            assert_eq!(rows(&path), records);
        }
    }
}

#[test]
fn limits_and_interfaces_that_make_no_sense_are_refused() {
    for (args, words) in [
        ("-iface eth0,eth0", "given twice"),
        ("-iface any,eth0", "`any` alone"),
        (
            "-iface eth0 -rotate 1GB -disk-limit 10MB",
            "less than one period",
        ),
    ] {
        let (code, _, errors) = run(args);
        assert_eq!(code, 1, "{args}: {errors}");
        assert!(errors.contains(words), "{args}: {errors}");
    }
}

#[test]
fn a_file_that_tells_of_drops_fails_where_that_is_asked() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("drops.pcapng");
    // A section, an Ethernet interface, and its statistics with an isb_ifdrop of 7.
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes(), &length[..], body, &length[..]].concat()
    };
    let section = b"\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    let statistics = [&[0; 12][..], b"\x05\0\x08\0\x07\0\0\0\0\0\0\0", &[0; 4]].concat();
    let blocks = [
        block(0x0a0d_0d0a, section),
        block(1, b"\x01\0\0\0\0\0\0\0"),
        block(5, &statistics),
    ];
    fs::write(&file, blocks.concat()).expect("written");
    for (flags, code) in [("", 0), ("-fail-on-loss", 5)] {
        let out = place.path().join(format!("out{code}"));
        let line = format!("-r {} -out {} {flags}", file.display(), out.display());
        let (found, said, errors) = run(&line);
        assert_eq!(found, code, "{errors}");
        assert!(
            said.contains("drops.pcapng: 0 packets, 0 B, 7 dropped"),
            "{said}"
        );
    }
}
