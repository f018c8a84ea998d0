//! Agents, connected to until the program is to end.

use std::sync::Arc;

use netcap_agent::collect::{Links, Receiver, Statistics};
use netcap_shell::Failure;
use netcap_shell::figures::several;

use crate::configuration;
use crate::flags::Flags;
use crate::session::Session;

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let config = configuration::load(flags)?;
    let places = config.agents.iter();
    let places = places.map(|agent| (agent.label.clone(), agent.to_string()));
    let session = Session::begin(flags, config.clone(), places.collect())?;
    let told = Arc::clone(&session.report);
    let statistics = match flags.statistics {
        true => Statistics::AreShown,
        false => Statistics::AreTraffic,
    };
    let intake = session
        .intake(flags)
        .with_statistics(statistics)
        .with_news(move |label, news| told.news(label, news));
    let intake = Arc::new(intake);
    let receiver: Arc<dyn Receiver> = Arc::clone(&intake) as Arc<dyn Receiver>;
    session.report.line(format_args!(
        "{}, {}; Ctrl-C ends it",
        several(config.rules.len() as u64, "rule"),
        several(config.agents.len() as u64, "agent")
    ));
    let links = Links::start(&config.agents, &receiver)
        .map_err(|error| Failure::Environment(format!("cannot start a thread: {error}")))?;
    let result = session.watch(&intake, || false);
    drop(links);
    result
}
