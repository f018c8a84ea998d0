//! How it ends where there is nothing to collect, and what it says of a configuration.

use std::fs;

use crate::lab::{Collector, accepted, agent, folder, line, run, send};

#[test]
fn exit_codes_are_as_documented() {
    let folder = folder("1=2000\n");
    let run = |args: &[&str]| run(folder.path(), args);
    for (args, code, told) in [
        (&["-c", "none.conf"][..], 3, "cannot open none.conf: "),
        (&["--names", "none.conf"], 3, "cannot open none.conf: "),
        (
            &["--check", "-c", "none.conf"],
            3,
            "cannot open none.conf: ",
        ),
        (&["-c"], 1, "value is required"),
        (&["-x"], 1, "-x"),
        (&["a.conf"], 1, "a.conf"),
        (&["--replay", "none"], 2, "cannot read none: "),
        (&["--replay", "."], 2, "no logs in ."),
    ] {
        let (found, output, errors) = run(args);
        assert_eq!((found, output.as_str()), (code, ""), "{args:?} {errors}");
        assert!(
            errors.starts_with("recollect: ") && errors.contains(told),
            "{errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    for args in [
        &["--help"][..],
        &["--version"],
        &["-h"],
        &["-check"],
        &["--check"],
    ] {
        let (code, output, errors) = run(args);
        assert_eq!((code, errors.as_str()), (0, ""), "{args:?}");
        assert!(!output.is_empty());
    }
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let (listener, place) = agent("lab");
    let config = format!("1=2000\n2=x\n{place}# comment\n3=5-4\n[Video]\n");
    let folder = folder(&config);
    let (code, output, errors) = run(folder.path(), &["--check"]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = output.lines().collect();
    assert!(
        lines[0].starts_with("collector.conf:2:3: expected a port"),
        "{output}"
    );
    assert!(
        lines[1].starts_with("collector.conf:5:5: expected 5 or more"),
        "{output}"
    );
    assert_eq!(lines[2..], ["1 rule, 1 agent, 1 name"]);
    assert_eq!(errors, "recollect: 2 wrong lines in the configuration\n");

    let mut collector = Collector::start(&config, &["--quiet"]);
    send(&accepted(&listener), 5);
    assert_eq!(collector.line(), line("lab", 5));
    assert!(
        collector
            .told(":2:3: expected")
            .starts_with("recollect: collector.conf")
    );
    collector.told(":5:5: expected");
    assert_eq!(collector.interrupt(), Some(0));
}

#[test]
fn names_come_from_a_second_file() {
    let (listener, place) = agent("lab");
    let config = format!("1=2000\n[Audio]\n{place}");
    let folder = folder(&config);
    let names = folder.path().join("names.conf");
    fs::write(&names, "Delay=5\nMemory=red\n[Video]\nColor=blue\n").unwrap();
    let names = names.to_str().unwrap();
    let collector = Collector::start(&config, &["--names", names, "--json"]);
    send(&accepted(&listener), 1);
    assert!(collector.line().contains("\"name\":\"Video\""));
}
