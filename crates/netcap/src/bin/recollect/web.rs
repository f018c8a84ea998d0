//! The page for browsers, if it is asked for.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use netcap_agent::collect::Overview;
use netcap_agent::config::Config;
use netcap_capture::pcap_over_ip::listen_remedy;
use netcap_shell::Failure;
use netcap_view::{Model, Times, Web};

use crate::PROGRAM;
use crate::flags::Flags;

/// Serves it, and says where.
pub(crate) fn serve(
    flags: &Flags,
    config: &Config,
    overview: &Arc<Overview>,
    times: Times,
) -> Result<Option<Web>, Failure> {
    let Some(place) = &flags.view.web else {
        return Ok(None);
    };
    let failed = |error: io::Error| {
        let remedy = listen_remedy(&error);
        Failure::Environment(format!("--web {place}: cannot listen: {error}; {remedy}"))
    };
    let addresses = place.resolve("--web")?;
    let listener = TcpListener::bind(addresses.as_slice()).map_err(failed)?;
    let text = place.to_string();
    let (host, _) = text.rsplit_once(':').unwrap_or((&text, ""));
    let model = Model::new(config, Arc::clone(overview), times);
    let web = Web::serve(listener, host, model).map_err(failed)?;
    if !flags.quiet {
        PROGRAM.note(format_args!("live at {}", web.url()));
        if !web.address().ip().is_loopback() {
            PROGRAM.note(format_args!(
                "whoever reaches {} sees this traffic; --web 127.0.0.1 keeps it to this host",
                web.address()
            ));
        }
    }
    Ok(Some(web))
}
