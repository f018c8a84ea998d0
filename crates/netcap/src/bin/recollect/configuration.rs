//! The configuration: read, with what is wrong with it told; `--check` is no more than that.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use netcap_agent::collect::MOST_AGENTS;
use netcap_agent::config::{Config, Mistake};
use netcap_shell::Failure;
use netcap_shell::console::print;
use netcap_shell::figures::several;
use netcap_view::colors::is_color;

use crate::PROGRAM;
use crate::flags::Flags;

/// Reads all files. Lines that are wrong change nothing, and come beside.
fn read(flags: &Flags) -> Result<(Config, Vec<Mistake>), Failure> {
    let mut config = Config::default();
    let mut mistakes = config
        .read(&flags.config)
        .map_err(|error| unreadable(&flags.config, "-c FILE names another", &error))?;
    if let Some(names) = &flags.names {
        let more = config
            .read_names(names)
            .map_err(|error| unreadable(names, "without --names types have numbers", &error))?;
        mistakes.extend(more);
    }
    Ok((config, mistakes))
}

/// Exit code 3, as in 2019.
fn unreadable(path: &Path, remedy: &str, error: &io::Error) -> Failure {
    let path = path.display().to_string();
    Failure::Input(format!(
        "cannot open {}: {error}; {remedy}",
        path.escape_debug()
    ))
}

/// Reads all files, tells what is wrong, and goes on with the rest.
pub(crate) fn load(flags: &Flags) -> Result<Config, Failure> {
    let (mut config, mistakes) = read(flags)?;
    mistakes.iter().for_each(|mistake| PROGRAM.note(mistake));
    colorless(&config).for_each(|note| PROGRAM.note(note));
    if config.agents.is_empty() && flags.replay.paths.is_empty() {
        PROGRAM.note(format_args!(
            "{} names no agent, so nothing can come; add a line as lab:192.0.2.7:7073",
            flags.config.display(),
        ));
    }
    if config.agents.len() > MOST_AGENTS {
        PROGRAM.note(format_args!(
            "{} has {}: only the first {MOST_AGENTS} are connected to; give the others to a second recollect",
            flags.config.display(),
            several(config.agents.len() as u64, "agent"),
        ));
        config.agents.truncate(MOST_AGENTS);
    }
    Ok(config)
}

/// Colours that nobody knows; their types have others.
fn colorless(config: &Config) -> impl Iterator<Item = String> {
    config.sections.iter().flat_map(|section| {
        let colors = section.color.iter().chain(&section.relay);
        let unknown = colors.filter(|color| !is_color(color));
        unknown.map(|color| {
            let name = section.name.escape_debug();
            format!(
                "warning: [{name}]: there is no colour {color}; write a name of CSS, or #rrggbb"
            )
        })
    })
}

/// Tells all that is wrong on standard output, as it is what was asked for.
pub(crate) fn check(flags: &Flags) -> Result<(), Failure> {
    let (config, mistakes) = read(flags)?;
    let mut text = String::new();
    for mistake in &mistakes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mistake}");
    }
    for note in colorless(&config) {
        let _ = writeln!(text, "{note}");
    }
    let _ = writeln!(
        text,
        "{}, {}, {}",
        several(config.rules.len() as u64, "rule"),
        several(config.agents.len() as u64, "agent"),
        several(config.sections.len() as u64, "name"),
    );
    print(&text)?;
    match mistakes.len() {
        0 => Ok(()),
        wrong => Err(Failure::Usage(format!(
            "{} in the configuration",
            several(wrong as u64, "wrong line")
        ))),
    }
}
