//! The service for CORE in `dist/core`: without CORE, as far as that goes. Python reads it, with stand-ins for
//! the few names of CORE that it uses; `pcapper` understands its commands; and where mako is, the script that
//! nodes would run is made, and runs. What is absent is skipped, and said.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What the service uses of CORE.
const CONFIG: &str = "
class ConfigString:
    def __init__(self, id, label='', default='', **_):
        self.id, self.label, self.default = id, label, default
ConfigBool = ConfigString
";
const BASE: &str = "
import enum, inspect
class ConfigServiceMode(enum.Enum):
    BLOCKING = 0
    NON_BLOCKING = 1
    TIMER = 2
class ConfigService:
    def __init__(self, node):
        self.node, self.config = node, {each.id: each.default for each in self.default_configs}
    def render_config(self):
        return self.config
";
/// Prints commands; then the script, if mako is here.
const PRINT: &str = "
import inspect, sys, types
from pcapper_service import PCapperService, SCRIPT
assert PCapperService.files == [SCRIPT] and PCapperService.startup == ['sh pcapper.sh start']
interfaces = [types.SimpleNamespace(name=name) for name in sys.argv[2].split()]
def get_ifaces(control=True):
    assert control is False
    return interfaces
service = PCapperService(types.SimpleNamespace(name='n1', get_ifaces=get_ifaces))
service.config |= {'received': sys.argv[1], 'flags': '--queue 1000'}
for _, command in service.data()['agents']:
    print(command)
try:
    from mako.template import Template
except ImportError:
    sys.exit()
text = inspect.cleandoc(service.get_text_template(SCRIPT))
open(SCRIPT, 'w').write(Template(text).render(node=service.node, config=service.config, **service.data()))
";

struct Lab(TempDir);

impl Lab {
    fn new() -> Lab {
        let lab = Lab(tempfile::tempdir().unwrap());
        fs::create_dir_all(lab.path("core/configservice")).unwrap();
        for (name, content) in [
            ("core/__init__.py", ""),
            ("core/configservice/__init__.py", ""),
            ("core/config.py", CONFIG),
            ("core/configservice/base.py", BASE),
            ("print.py", PRINT),
        ] {
            fs::write(lab.path(name), content).unwrap();
        }
        let service =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/core/pcapper_service.py");
        fs::copy(service, lab.path("pcapper_service.py")).unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The commands for a node with these interfaces; `None`: Python is not here.
    fn commands(&self, received: &str, interfaces: &str) -> Option<Vec<String>> {
        let mut command = Command::new("python3");
        command.args(["print.py", received, interfaces]);
        let Ok(done) = command.current_dir(self.0.path()).output() else {
            eprintln!("skipped: python3 is not here");
            return None;
        };
        assert!(done.status.success(), "{done:?}");
        let said = String::from_utf8(done.stdout).unwrap();
        Some(said.lines().map(str::to_owned).collect())
    }

    fn shell(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_pcapper"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", path);
        command.current_dir(self.0.path()).output().unwrap()
    }
}

#[test]
fn its_commands_are_understood() {
    let lab = Lab::new();
    let Some(commands) = lab.commands("0", "eth0 eth1") else {
        return;
    };
    assert_eq!(
        commands,
        ["pcapper -i eth0 -i eth1 -m src -p 7073 -f pcapper-src.log --reattach --queue 1000"]
    );
    let commands = lab.commands("1", "eth0").unwrap();
    assert_eq!(commands.len(), 2);
    assert!(commands[1].contains(" -m dst -p 7074 "), "{commands:?}");
    for command in commands {
        let done = lab.shell(&format!("{command} --version"));
        assert!(done.stdout.starts_with(b"pcapper "), "{command}: {done:?}");
    }
    assert_eq!(lab.commands("1", "").unwrap().len(), 0);
}

#[test]
fn its_script_starts_checks_and_stops() {
    let lab = Lab::new();
    if lab.commands("1", "no-such-interface").is_none() {
        return;
    }
    if !lab.path("pcapper.sh").exists() {
        eprintln!("skipped: mako, a package of Python that CORE uses, is not here");
        return;
    }
    // Both wait for the interface.
    let done = lab.shell("sh pcapper.sh start && sh pcapper.sh check");
    assert!(done.status.success(), "{done:?}");
    let waiting = "grep -q waiting pcapper-src.out && grep -q waiting pcapper-dst.out && exit 0";
    let ended = "sh pcapper.sh check || exit 0";
    for (before, until) in [(":", waiting), ("sh pcapper.sh stop", ended)] {
        let line = format!("{before} && for n in $(seq 600); do {until}; sleep 0.1; done; exit 1");
        let done = lab.shell(&line);
        assert!(done.status.success(), "{line}: {done:?}");
    }
    for name in ["pcapper-src.out", "pcapper-dst.out"] {
        let said = fs::read_to_string(lab.path(name)).unwrap();
        assert!(
            said.contains("no-such-interface: no such interface"),
            "{said}"
        );
    }
}
