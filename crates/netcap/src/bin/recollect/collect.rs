//! Agents, connected to until the program is to end.

use std::sync::Arc;

use netcap_agent::collect::{Links, LinksError, Receiver, Statistics};
use netcap_agent::config::{Agent, Stream};
use netcap_shell::Failure;
use netcap_shell::figures::several;

use crate::flags::Flags;
use crate::session::Session;
use crate::{PROGRAM, configuration, flows};

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let config = configuration::load(flags)?;
    let has_tls = |agent: &Agent| matches!(agent.stream, Stream::ExtendedTls(_));
    if let (Some(flag), false) = (flags.tls.given(), config.agents.iter().any(has_tls)) {
        return Err(Failure::Usage(format!(
            "{} is for TLS, and no agent of {} speaks it; put `tls` behind the address of one that does",
            PROGRAM.flag(flag),
            flags.config.display()
        )));
    }
    let places = config.agents.iter();
    let places = places.map(|agent| (agent.label.clone(), agent.to_string()));
    let joined = flows::joined(flags, &config)?;
    let mut session = Session::begin(flags, config.clone(), places.collect(), joined.as_ref())?;
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
    session.tell_flows(flags, &intake)?;
    let receiver: Arc<dyn Receiver> = Arc::clone(&intake) as Arc<dyn Receiver>;
    session.report.line(format_args!(
        "{}, {}; Ctrl-C ends it",
        several(config.rules.len() as u64, "rule"),
        several(config.agents.len() as u64, "agent")
    ));
    let links = Links::start(&config.agents, &flags.tls.options(), &receiver);
    let links = links.map_err(|error| match error {
        LinksError::Tls(error) => error.into(),
        LinksError::Thread(_) => Failure::Environment(error.to_string()),
    })?;
    let result = session.watch(&intake, || false);
    intake.tell_rest();
    drop(links);
    result
}
