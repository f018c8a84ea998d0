//! What a collector does: it connects to all agents, and makes lines and sums of their records.
//!
//! ```text
//! links.rs     a thread for each agent: connects (reach.rs) again and again, reads \
//! replay.rs    logs of agents instead, merged in order of time, at a pace           > a Receiver
//! reader.rs    octets into records (messages: extended/reader.rs)                  /
//! intake.rs    the Receiver: observations -> classify.rs -> lines (json.rs) into a writer, and
//! progress.rs  which messages of an agent have not come
//! join         packets that one agent sent and another received; lines of them: flow_lines.rs
//! overview.rs  what is known of each agent, and sums of the last minutes (window.rs), for views (views.rs)
//! ```
//!
//! Guarantees: no agent delays another, whatever it does; the records of an agent keep their order; lines
//! are whole, and written as soon as their records are there; memory is bounded by the number of agents,
//! not by what they send. A writer that blocks has the agents wait, and nothing is lost in between.

mod flow_lines;
mod intake;
mod join;
mod json;
mod links;
mod logs;
mod overview;
mod progress;
mod reach;
mod reader;
mod replay;
mod views;
mod voice;
mod window;

pub use flow_lines::FlowLines;
pub use intake::{Format, Intake, Statistics};
pub use join::{JoinOptions, MemberCounts};
pub use links::{Links, LinksError, MOST_AGENTS, News, Receiver};
pub use logs::{Account, Log, LogError, find};
pub use overview::{Overview, SUMS_KEPT};
pub use reader::Records;
pub use replay::{Playback, Seek, Speed, replay};
pub use views::{AgentView, Delay, FlowSecond, FlowView, Losses, Snapshot, Status, Sums, Total};
pub use window::Sum;
