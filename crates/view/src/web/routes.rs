//! What is answered: the page and its parts, `/events` (frames as they come) and `/state.json` (one frame).
//!
//! Guarantees: a page of another site learns nothing: the host must be one that only we can have
//! (against DNS rebinding), no other origin is let read, and our page runs no script and asks for nothing but
//! what is listed here.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Shared, TICK};
use crate::amount::Mark;
use crate::choice::Choice;

/// Path, type and text of what the page consists of.
const PARTS: [(&str, &str, &str); 11] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/view.css", CSS, include_str!("../page/view.css")),
    ("/theme.js", SCRIPT, include_str!("../page/theme.js")),
    ("/view.js", SCRIPT, include_str!("../page/view.js")),
    ("/card.js", SCRIPT, include_str!("../page/card.js")),
    ("/graph.js", SCRIPT, include_str!("../page/graph.js")),
    ("/elements.js", SCRIPT, include_str!("../page/elements.js")),
    ("/panels.js", SCRIPT, include_str!("../page/panels.js")),
    ("/format.js", SCRIPT, include_str!("../page/format.js")),
    ("/chart.js", SCRIPT, CHART),
    (
        "/icon.svg",
        "image/svg+xml",
        include_str!("../page/icon.svg"),
    ),
];
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Chart.js 4.5.1.
pub(super) const CHART: &str = rustlavel_chart::plugin::CHART_JS;

/// Of every answer. The page may use nothing but what is here, no script in the document, and be in no frame.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    // Another release of ours may be there the next time.
    (header::CACHE_CONTROL, "no-store"),
];

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/events", get(events))
        .route("/state.json", get(state));
    for (path, kind, text) in PARTS {
        router = router.route(path, get(async move || answer(StatusCode::OK, kind, text)));
    }
    router
        .fallback(async || {
            answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "there is nothing here; the page is at /\n",
            )
        })
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

fn answer(status: StatusCode, kind: &'static str, text: impl IntoResponse) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Looks at who asks, and has every answer say what a browser may do with it.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&shared.host, request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(why) => answer(StatusCode::FORBIDDEN, TEXT, why),
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why somebody gets no answer, if so.
fn refusal(own: &str, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    // A second one is for whoever stands between to be misled.
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() || !host.is_some_and(|host| is_ours(own, host)) {
        return Some(
            "only for those who call this host by its IP address, localhost, or the name given with --web\n",
        );
    }
    // Browsers say where a request comes from. A link from elsewhere to the page is all right.
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let is_foreign = sites.any(|site| {
        !["same-origin", "none"]
            .map(str::as_bytes)
            .contains(&site.as_bytes())
    });
    (is_foreign && uri.path() != "/").then_some("only for the page of this host\n")
}

/// Whether no one else can have a host of this name: names can be made to mean us, addresses cannot.
fn is_ours(own: &str, host: &str) -> bool {
    let port = |rest: &str| {
        rest.is_empty()
            || rest
                .strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok())
    };
    let name = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, rest)) if port(rest) => return address.parse::<IpAddr>().is_ok(),
        Some(_) => return false,
        None => match host.split_once(':') {
            Some((name, _)) if port(&host[name.len()..]) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.eq_ignore_ascii_case(own)
}

async fn state(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    match Choice::read(&query.unwrap_or_default()) {
        Ok(choice) => {
            let (text, _) = shared.frame(&choice, None);
            answer(StatusCode::OK, "application/json", text)
        }
        Err(expected) => answer(StatusCode::BAD_REQUEST, TEXT, expected),
    }
}

async fn events(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let choice = match Choice::read(&query.unwrap_or_default()) {
        Ok(choice) => choice,
        Err(expected) => return answer(StatusCode::BAD_REQUEST, TEXT, expected),
    };
    let Some(permit) = shared.enter(&shared.streams) else {
        let why = "as many browsers as there may be look on already\n";
        return answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, why);
    };
    let mut ticks = interval(TICK);
    // A browser that was slow gets the next frame in its turn, not those that it has missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let onlooker = Onlooker {
        shared,
        choice,
        ticks,
        mark: None,
        last: String::new(),
        _permit: permit,
    };
    let frames = stream::unfold(onlooker, async |mut onlooker| {
        let frame = onlooker.next().await;
        Some((
            Ok::<Event, Infallible>(Event::default().data(frame)),
            onlooker,
        ))
    });
    Sse::new(frames)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// A browser that looks on.
struct Onlooker {
    shared: Arc<Shared>,
    choice: Choice,
    ticks: Interval,
    mark: Option<Mark>,
    /// What it was sent last.
    last: String,
    _permit: OwnedSemaphorePermit,
}

impl Onlooker {
    /// The next frame that is not as the last one.
    async fn next(&mut self) -> String {
        loop {
            self.ticks.tick().await;
            let (frame, mark) = self.shared.frame(&self.choice, self.mark);
            self.mark = Some(mark);
            if frame != self.last {
                self.last.clone_from(&frame);
                return frame;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    /// Of `dist/chart.umd.js` in the package `chart.js` 4.5.1, as its authors published it at the npm registry.
    const CHART_SHA256: &str = "ecc3cd1eeb8c34d2178e3f59fd63ec5a3d84358c11730af0b9958dc886d7652a";

    #[test]
    fn browsers_run_the_chart_js_that_we_looked_at() {
        let hash = digest(&SHA256, CHART.as_bytes());
        let hash: String = hash
            .as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        assert_eq!(hash, CHART_SHA256);
    }

    #[test]
    fn hosts_that_others_can_have_are_refused() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8073",
            "[::1]",
            "[fe80::1]:8073",
            "localhost:1",
            "Lab.Example:8073",
        ] {
            assert!(is_ours("lab.example", host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "[::1",
            "[evil]:1",
            "localhost:x",
            "::1",
            "1:2:3",
        ] {
            assert!(!is_ours("lab.example", host), "{host}");
        }
    }

    #[test]
    fn of_two_headers_each_counts() {
        let refused = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().expect("a value"));
            }
            refusal("lab.example", &Uri::from_static("/state.json"), &map).is_some()
        };
        let ours = ("host", "localhost");
        assert!(!refused(&[ours]));
        assert!(!refused(&[ours, ("sec-fetch-site", "same-origin")]));
        assert!(refused(&[]));
        assert!(refused(&[ours, ours]));
        assert!(refused(&[ours, ("host", "evil.example")]));
        let (same, cross) = (
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        );
        assert!(refused(&[ours, same, cross]) && refused(&[ours, cross]));
    }

    /// The page uses what is served here and nothing else, and its policy lets it.
    #[test]
    fn the_page_is_self_contained() {
        let (_, _, page) = PARTS[0];
        for reference in ["src=\"", "href=\""] {
            for rest in page.split(reference).skip(1) {
                let target = rest.split('"').next().unwrap_or_default();
                let path = format!("/{target}");
                let is_part =
                    PARTS.iter().any(|(part, _, _)| *part == path) || target == "state.json";
                assert!(is_part || target.starts_with('#'), "{target}");
            }
        }
        for inline in ["style=", "<style", "<script>", "onload=", "onclick="] {
            assert!(!page.contains(inline), "{inline}");
        }
        for (path, _, text) in PARTS.iter().filter(|(path, _, _)| *path != "/chart.js") {
            for foreign in [
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "document.write",
                "eval(",
                "//cdn",
            ] {
                assert!(!text.contains(foreign), "{path}: {foreign}");
            }
        }
    }
}
